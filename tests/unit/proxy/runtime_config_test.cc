// Whose settings count: those of a client's own user, or of the user that it is logged in to the server as.
#include "proxy/runtime_config.h"

#include <gtest/gtest.h>

namespace sportello::proxy {
namespace {

using std::chrono::milliseconds;

class WhoseSettings : public ::testing::Test {
 protected:
  WhoseSettings() {
    config_.conf.databases["own"];
    config_.conf.databases["forced"].primary.user = "server";
    config_.conf.query_timeout = milliseconds(1);
  }

  RuntimeConfig config_;
};

TEST_F(WhoseSettings, APoolIsTheClientsOwnUnlessTheDatabaseNamesAUser) {
  EXPECT_EQ(config_.server_user("own", "alice"), "alice");
  EXPECT_EQ(config_.server_user("forced", "alice"), "server");
  EXPECT_EQ(config_.server_user("nowhere", "alice"), "alice");
}

TEST_F(WhoseSettings, AClientsOwnComeFirstThenTheServerUsersThenTheRest) {
  EXPECT_EQ(config_.client_settings("forced", "alice").query_timeout, milliseconds(1));
  config_.conf.users["server"].query_timeout = milliseconds(2);
  config_.conf.users["server"].pool_mode = conf::PoolMode::Statement;
  EXPECT_EQ(config_.client_settings("forced", "alice").query_timeout, milliseconds(2));
  EXPECT_EQ(config_.client_settings("own", "alice").query_timeout, milliseconds(1));
  config_.conf.users["alice"].query_timeout = milliseconds(3);
  EXPECT_EQ(config_.client_settings("forced", "alice").query_timeout, milliseconds(3));
  EXPECT_EQ(config_.client_settings("forced", "alice").mode, conf::PoolMode::Statement);
}

TEST_F(WhoseSettings, HowLongAClientMayBeIdleIsItsOwn) {
  config_.conf.users["server"].client_idle_timeout = milliseconds(2);
  EXPECT_EQ(config_.client_settings("forced", "alice").client_idle_timeout, milliseconds(0));
}

TEST_F(WhoseSettings, LimitsOfServerConnectionsAreTheServerUsers) {
  config_.conf.users["server"].pool_size = 3;
  config_.conf.users["server"].max_user_connections = 4;
  const auto settings = config_.pool_settings("forced", config_.server_user("forced", "alice"));
  EXPECT_EQ(settings->pool_size, 3);
  EXPECT_EQ(settings->max_user_connections, 4);
}

TEST_F(WhoseSettings, OnlyThePoolOfANamedUserKeepsItsMinimumWithoutClients) {
  EXPECT_TRUE(config_.pool_settings("forced", "server")->keeps_minimum);
  EXPECT_FALSE(config_.pool_settings("forced", "alice")->keeps_minimum);
  EXPECT_FALSE(config_.pool_settings("own", "alice")->keeps_minimum);
}

}  // namespace
}  // namespace sportello::proxy
