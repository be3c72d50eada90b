#include "cache/cached_result.h"

#include <gtest/gtest.h>

#include "cache/row_description.h"
#include "tests/unit/cache/messages.h"

namespace sportello::cache {
namespace {

TEST(CachedResult, GivesEachProtocolItsPart) {
  const std::string description = description_of({"a", "b"});
  const std::string rest = row_of({"1", std::nullopt}) + complete("SELECT 1");
  const CachedResultRef result =
      CachedResult::make({description + rest, description.size(), message('t', {"\0\0", 2}), 1});
  EXPECT_EQ(result->description(), description);
  EXPECT_EQ(result->rows_and_end(), rest);
  EXPECT_EQ(result->messages(), description + rest);
  EXPECT_TRUE(result->form().description);
  EXPECT_TRUE(result->form().parameter_description);
}

TEST(CachedResult, SaysThatADescriptionWasNeverSent) {
  const std::string rest = row_of({"1"}) + complete("SELECT 1");
  const CachedResultRef result = CachedResult::make({rest, 0, "", 1});
  EXPECT_EQ(result->rows_and_end(), rest);
  EXPECT_FALSE(result->form().covers({.description = true}));
  EXPECT_FALSE(result->form().covers({.parameter_description = true}));
  EXPECT_TRUE(result->form().covers({}));
}

TEST(CachedResult, DescribesTheStatementWithFormatsNotKnown) {
  const std::string description = description_of({"a", "b"}, 1);
  const CachedResultRef result =
      CachedResult::make({description + complete("SELECT 0"), description.size(), "", 0});
  std::string out = "x";
  result->append_statement_description(out);
  EXPECT_EQ(out, "x" + description_of({"a", "b"}, 0));
}

TEST(CachedResult, CountsAtLeastItsBytes) {
  const std::string rest = row_of({std::string(4'000, 'x')}) + complete("SELECT 1");
  EXPECT_GT(CachedResult::make({rest, 0, "", 1})->memory_bytes(), rest.size());
  EXPECT_LT(CachedResult::make({rest, 0, "", 1})->memory_bytes(), rest.size() + 320);
}

TEST(RowDescription, TakesOneFormatForAllOrOneAColumn) {
  const std::string text = description_of({"a", "b"});
  std::string out = text;
  const int16_t binary[] = {1};
  ASSERT_TRUE(set_formats(out, binary));
  EXPECT_EQ(out, description_of({"a", "b"}, 1));
  const int16_t mixed[] = {0, 1};
  ASSERT_TRUE(set_formats(out, mixed));
  EXPECT_EQ(out.substr(0, out.size() - 1), text.substr(0, text.size() - 1));
  EXPECT_EQ(out.back(), 1);
}

TEST(RowDescription, RefusesAsManyFormatsAsThereAreNoColumns) {
  std::string out = description_of({"a", "b"});
  const int16_t three[] = {0, 1, 0};
  EXPECT_FALSE(set_formats(out, three));
}

TEST(RowDescription, RefusesEveryTruncation) {
  const std::string text = description_of({"a", "b"});
  for (size_t size = 0; size < text.size(); ++size) {
    std::string out = text.substr(0, size);
    EXPECT_FALSE(set_formats(out, {})) << size;
  }
  std::string row = message('D', text);
  EXPECT_FALSE(set_formats(row, {}));
}

}  // namespace
}  // namespace sportello::cache
