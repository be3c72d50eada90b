#include "cache/cache_key.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace sportello::cache {
namespace {

using Values = std::vector<std::optional<std::string_view>>;

std::string key_of(const KeyParts& parts) {
  KeyBuilder builder;
  const auto key = builder.build(parts);
  return key ? std::string(key->bytes) : "none";
}

const std::vector<Oid> kTypes{23, 25};
const std::vector<int16_t> kFormats{0, 1};
const Values kParameters{"1", "Milano"};
const std::vector<int16_t> kResultFormats{0, 1, 0};
const KeyParts kParts{.database = 1,
                      .meaning = 7,
                      .user = "anna",
                      .role = "anna",
                      .settings = 3,
                      .application_name = "portal",
                      .text = "SELECT 1",
                      .parameter_types = kTypes,
                      .parameter_formats = kFormats,
                      .parameters = kParameters,
                      .result_formats = kResultFormats};

TEST(CacheKey, IsTheSameForTheSame) {
  KeyBuilder builder;
  const uint64_t hash = builder.build(kParts)->hash;
  builder.build({});
  EXPECT_EQ(builder.build(kParts)->hash, hash);
  EXPECT_EQ(key_of(kParts), key_of(kParts));
}

TEST(CacheKey, DiffersInEachPart) {  // S46, S49, S54
  std::set<std::string> keys{key_of(kParts)};
  const auto expect_new = [&keys](const auto& change) {
    KeyParts parts = kParts;
    change(parts);
    EXPECT_TRUE(keys.insert(key_of(parts)).second) << "change " << keys.size();
  };
  const std::vector<Oid> types{23, 1043};
  const std::vector<int16_t> formats{1, 1};
  const Values other{"1", "Roma"}, null{"1", std::nullopt}, empty{"1", ""};
  const std::vector<int16_t> result_formats{0, 1, 1};
  expect_new([](KeyParts& p) { p.database = 2; });
  expect_new([](KeyParts& p) { p.meaning = 8; });
  expect_new([](KeyParts& p) { p.user = "bruno"; });
  expect_new([](KeyParts& p) { p.role = "bruno"; });
  expect_new([](KeyParts& p) { p.settings = 4; });
  expect_new([](KeyParts& p) { p.application_name = "reports"; });
  expect_new([](KeyParts& p) { p.text = "SELECT 2"; });
  expect_new([&](KeyParts& p) { p.parameter_types = types; });
  expect_new([&](KeyParts& p) { p.parameter_formats = formats; });
  expect_new([&](KeyParts& p) { p.parameters = other; });
  expect_new([&](KeyParts& p) { p.parameters = null; });
  expect_new([&](KeyParts& p) { p.parameters = empty; });
  expect_new([&](KeyParts& p) { p.result_formats = result_formats; });
}

TEST(CacheKey, KeepsItsPartsApart) {
  EXPECT_NE(key_of({.user = "ab", .role = "c"}), key_of({.user = "a", .role = "bc"}));
  EXPECT_NE(key_of({.application_name = "", .text = "x"}), key_of({.application_name = "x", .text = ""}));
  const Values joined{"ab", "c"}, apart{"a", "bc"};
  EXPECT_NE(key_of({.parameters = joined}), key_of({.parameters = apart}));
}

TEST(CacheKey, TakesWhatMeansTheSameAsTheSame) {
  const std::vector<int16_t> text{0}, texts{0, 0};
  const std::vector<Oid> no_types{0, 0};
  const KeyParts plain{.text = "x", .parameters = kParameters};
  KeyParts parts = plain;
  parts.parameter_formats = text;
  EXPECT_EQ(key_of(parts), key_of(plain));
  parts.parameter_formats = texts;
  parts.parameter_types = no_types;
  parts.result_formats = text;
  EXPECT_EQ(key_of(parts), key_of(plain));
  const std::vector<int16_t> binary{1}, binaries{1, 1};
  KeyParts one = plain, each = plain;
  one.parameter_formats = binary;
  each.parameter_formats = binaries;
  EXPECT_EQ(key_of(one), key_of(each));
}

TEST(CacheKey, LeavesToTheServerWhetherResultFormatsAreAsManyAsColumns) {
  const std::vector<int16_t> texts{0, 0};
  EXPECT_NE(key_of({.text = "x", .result_formats = texts}), key_of({.text = "x"}));
}

TEST(CacheKey, IsNoneIfFormatsAreNotAsManyAsParameters) {
  const std::vector<int16_t> three{0, 0, 0};
  EXPECT_EQ(key_of({.parameter_formats = three, .parameters = kParameters}), "none");
}

}  // namespace
}  // namespace sportello::cache
