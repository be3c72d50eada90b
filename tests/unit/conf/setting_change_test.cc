#include "conf/setting_change.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sportello::conf {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Verdict = SettingChange::Verdict;

Config sound() {
  Config config;
  config.auth_type = AuthType::Trust;
  return config;
}

TEST(SettingChange, TakesPgbouncersSpellingsAndOurs) {
  const Config running = sound();
  EXPECT_EQ(change_setting(running, "server_lifetime", "120").config->server_lifetime, Milliseconds(120'000));
  EXPECT_EQ(change_setting(running, "server_lifetime", "2min").config->server_lifetime,
            Milliseconds(120'000));
  EXPECT_EQ(change_setting(running, "pool_mode", "session").config->pool_mode, PoolMode::Session);
  EXPECT_THAT(change_setting(running, "admin_users", "a, b").config->admin_users, ElementsAre("a", "b"));
  for (const char* flag : {"0", "false", "off", "no"}) {
    EXPECT_FALSE(change_setting(running, "log_connections", flag).config->log_connections) << flag;
  }
  EXPECT_EQ(running, sound());
}

TEST(SettingChange, RefusesAndSaysWhy) {
  const Config running = sound();
  EXPECT_EQ(change_setting(running, "frobnicate", "1").verdict, Verdict::Unknown);
  EXPECT_THAT(change_setting(running, "verbose", "1").problem, HasSubstr("log_level"));
  EXPECT_EQ(change_setting(running, "listen_port", "1").verdict, Verdict::Fixed);
  EXPECT_EQ(change_setting(running, "auth_file", "/x").verdict, Verdict::Fixed);
  for (const auto& [name, value] : {std::pair("default_pool_size", "x"),
                                    {"default_pool_size", "0"},
                                    {"default_pool_size", ""},
                                    {"log_connections", "maybe"},
                                    {"pool_mode", "sessions"},
                                    {"server_lifetime", "1 fortnight"},
                                    {"auth_type", "hba"},
                                    {"client_tls_sslmode", "require"}}) {
    const SettingChange change = change_setting(running, name, value);
    EXPECT_EQ(change.verdict, Verdict::Invalid) << name << ' ' << value;
    EXPECT_NE(change.problem, "") << name;
    EXPECT_FALSE(change.config) << name;
  }
}

TEST(SettingChange, ADollarIsADollar) {
  EXPECT_EQ(change_setting(sound(), "server_reset_query", "SELECT '${HOME}'").config->server_reset_query,
            "SELECT '${HOME}'");
}

TEST(SettingChange, DatabasesInForceStayAsTheyAre) {
  Config running = sound();
  running.databases["a"].primary.host = "x";
  const SettingChange change = change_setting(running, "query_timeout", "3");
  ASSERT_TRUE(change.config) << change.problem;
  EXPECT_EQ(change.config->databases, running.databases);
}

}  // namespace
}  // namespace sportello::conf
