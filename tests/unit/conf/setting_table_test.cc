#include "conf/setting_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace sportello::conf {
namespace {

const SettingView& view(const std::vector<SettingView>& views, const std::string& name) {
  for (const SettingView& candidate : views)
    if (candidate.name == name) return candidate;
  static const SettingView kNone{};
  return kNone;
}

template <typename Owner>
void expect_sound(std::span<const Setting<Owner>> table) {
  std::set<std::string_view> keys;
  std::set<const void*> members;
  Owner owner;
  for (const Setting<Owner>& setting : table) {
    EXPECT_TRUE(keys.insert(setting.key).second) << setting.key;
    const void* const member =
        std::visit([](auto* value) { return static_cast<const void*>(value); }, setting.ref(owner));
    EXPECT_TRUE(members.insert(member).second) << setting.key << " shares its member";
    EXPECT_TRUE(setting.sentence.ends_with('.')) << setting.key;
  }
}

TEST(SettingTable, EachKeyHasItsOwnMemberAndASentence) {
  expect_sound(general_settings());
  expect_sound(database_settings());
  expect_sound(user_settings());
  expect_sound(cache_settings());
  expect_sound(rule_settings());
}

TEST(SettingTable, DefaultsAreWithinTheirOwnRanges) {
  Config config;
  for (const Setting<Config>& setting : general_settings()) {
    const ValueRef member = setting.ref(config);
    if (int* const* number = std::get_if<int*>(&member)) {
      EXPECT_GE(**number, setting.range.min) << setting.key;
      EXPECT_LE(**number, setting.range.max) << setting.key;
    }
    if (uint64_t* const* size = std::get_if<uint64_t*>(&member)) {
      EXPECT_GE(static_cast<int64_t>(**size), setting.range.min) << setting.key;
      EXPECT_LE(static_cast<int64_t>(**size), setting.range.max) << setting.key;
    }
  }
}

TEST(SettingTable, ValuesAreShownAsPgBouncerShowsThem) {
  Config config;
  config.query_wait_timeout = Milliseconds(1500);
  config.admin_users = {"a", "b"};
  const std::vector<SettingView> views = describe(config);
  EXPECT_EQ(view(views, "query_wait_timeout").value, "1.5");
  EXPECT_EQ(view(views, "query_wait_timeout").default_value, "120");
  EXPECT_EQ(view(views, "admin_users").value, "a,b");
  EXPECT_EQ(view(views, "tcp_keepalive").value, "1");
  EXPECT_EQ(view(views, "unix_socket_mode").value, "0777");
  EXPECT_EQ(view(views, "pool_mode").value, "transaction");
  EXPECT_EQ(view(views, "server_tls_sslmode").value, "prefer");
  EXPECT_EQ(view(views, "cache.max_memory").value, "268435456");
  EXPECT_TRUE(view(views, "pool_mode").changeable);
  EXPECT_FALSE(view(views, "listen_port").changeable);
}

TEST(SettingTable, AReloadSaysWhatNeedsARestart) {
  Config running, wanted;
  wanted.default_pool_size = 7;
  EXPECT_TRUE(restart_needed(running, wanted).empty());
  wanted.listen_port = 1;
  wanted.workers = 3;
  EXPECT_THAT(restart_needed(running, wanted), testing::ElementsAre("listen_port", "workers"));
}

}  // namespace
}  // namespace sportello::conf
