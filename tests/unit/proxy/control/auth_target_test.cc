#include "proxy/control/auth_target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sportello::proxy {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

RuntimeConfig config_with_app() {
  RuntimeConfig config;
  config.conf.auth_user = "asker";
  config.conf.auth_query = "SELECT 1";
  config.conf.databases["app"].primary.host = "db.example";
  config.secrets["asker"] = "asker-secret";
  return config;
}

std::string keyword(const AuthTarget& target, const std::string& name) {
  for (const auto& [key, value] : target.keywords) {
    if (key == name) {
      return value;
    }
  }
  return "(none)";
}

TEST(AuthTarget, IsTheClientsOwnDatabaseAsAuthUser) {
  const auto target = auth_target(config_with_app(), "app");
  ASSERT_TRUE(target.has_value());
  EXPECT_EQ(keyword(*target, "host"), "db.example");
  EXPECT_EQ(keyword(*target, "dbname"), "app");
  EXPECT_EQ(keyword(*target, "user"), "asker");
  EXPECT_EQ(keyword(*target, "password"), "asker-secret");
  EXPECT_EQ(target->query, "SELECT 1");
}

TEST(AuthTarget, NobodyIsAskedWithoutAnAuthUserOrAnEntry) {
  RuntimeConfig config = config_with_app();
  EXPECT_FALSE(auth_target(config, "other").has_value());
  config.conf.auth_user = "";
  EXPECT_FALSE(auth_target(config, "app").has_value());
}

TEST(AuthTarget, WhatTheDatabaseSaysComesBeforeWhatIsSaidForAll) {
  RuntimeConfig config = config_with_app();
  conf::Database& app = config.conf.databases["app"];
  app.auth_user = "other";
  app.auth_query = "SELECT 2";
  app.auth_dbname = "users";
  config.conf.databases["users"].primary.host = "users.example";
  config.conf.databases["users"].primary.dbname = "people";
  config.conf.databases["users"].auth_user = "not this one";
  const auto target = auth_target(config, "app");
  ASSERT_TRUE(target.has_value());
  EXPECT_EQ(keyword(*target, "host"), "users.example");
  EXPECT_EQ(keyword(*target, "dbname"), "people");
  EXPECT_EQ(keyword(*target, "user"), "other");
  EXPECT_EQ(keyword(*target, "password"), "(none)");
  EXPECT_EQ(target->query, "SELECT 2");
}

TEST(AuthTarget, TheFallbackEntryTakesTheNameThatTheClientAskedFor) {
  RuntimeConfig config = config_with_app();
  config.conf.databases["*"].primary.host = "any.example";
  EXPECT_EQ(keyword(*auth_target(config, "host=evil dbname=x"), "dbname"), "host=evil dbname=x");
  config.conf.auth_dbname = "users";
  EXPECT_EQ(auth_target(config, "one"), auth_target(config, "two"));
  EXPECT_EQ(keyword(*auth_target(config, "one"), "dbname"), "users");
}

TEST(AuthTarget, TheSessionsSettingsAreOurs) {  // S11
  RuntimeConfig config = config_with_app();
  config.conf.databases["app"].primary.options = "-c search_path=trap";
  const auto target = auth_target(config, "app");
  EXPECT_THAT(keyword(*target, "options"), HasSubstr("-c search_path=pg_catalog "));
  EXPECT_THAT(keyword(*target, "options"), Not(HasSubstr("trap")));
  EXPECT_EQ(keyword(*target, "application_name"), "sportello auth_query");
}

TEST(AuthTarget, TheEntrysPasswordIsThatOfTheEntrysUser) {
  RuntimeConfig config = config_with_app();
  conf::ServerAddress& address = config.conf.databases["app"].primary;
  address.user = "asker";
  address.password = "of-the-entry";
  EXPECT_EQ(keyword(*auth_target(config, "app"), "password"), "of-the-entry");
  address.user = "somebody";
  EXPECT_EQ(keyword(*auth_target(config, "app"), "password"), "asker-secret");
  config.secrets.clear();
  EXPECT_EQ(keyword(*auth_target(config, "app"), "password"), "(none)");
  address.user = "";
  EXPECT_EQ(keyword(*auth_target(config, "app"), "password"), "of-the-entry");
}

TEST(AuthTarget, AHashIsNotOfferedAsAPassword) {  // S23
  RuntimeConfig config = config_with_app();
  config.secrets["asker"] = "md5" + std::string(32, 'a');
  const auto target = auth_target(config, "app");
  EXPECT_TRUE(target->has_hash_only);
  EXPECT_EQ(keyword(*target, "password"), "(none)");
}

TEST(AuthTarget, NoPasswordInClearWhereSomebodyMayListen) {  // S20
  RuntimeConfig config = config_with_app();
  EXPECT_EQ(keyword(*auth_target(config, "app"), "require_auth"), "!password");
  config.conf.databases["app"].primary.sslmode = conf::SslMode::Require;
  EXPECT_EQ(keyword(*auth_target(config, "app"), "require_auth"), "(none)");
  EXPECT_EQ(keyword(*auth_target(config, "app"), "sslmode"), "require");
  config.conf.databases["app"].primary.sslmode = conf::SslMode::Disable;
  config.conf.databases["app"].primary.host = "/run/postgresql";
  EXPECT_EQ(keyword(*auth_target(config, "app"), "require_auth"), "(none)");
}

TEST(AuthTarget, ItsNameForTheLogHasNoPassword) {  // S29
  EXPECT_THAT(auth_target(config_with_app(), "app")->name, Not(HasSubstr("asker-secret")));
}

}  // namespace
}  // namespace sportello::proxy
