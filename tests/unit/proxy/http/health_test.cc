#include "proxy/http/health.h"

#include <gmock/gmock.h>

#include "protocol/sqlstate.h"
#include "proxy/http/health_page.h"
#include "tests/unit/proxy/http/operator_fixture.h"

namespace sportello::proxy {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

class HealthTest : public OperatorTest {
 protected:
  Health health() { return Health::of(view()); }
  HttpReply page() { return health_page(health(), view()); }
  void fail_opening(std::string_view sqlstate, seconds ago) {
    pool().last_failure = Error{sqlstate, "no"};
    pool().retry_at = (view_.shared.now - ago).time_since_epoch().count();
  }
};

TEST_F(HealthTest, WhatNobodyHasAskedIsWell) {
  const Health found = health();
  EXPECT_EQ(found.state, HealthState::Ok);
  ASSERT_EQ(found.databases.size(), 1U);
  EXPECT_EQ(found.databases[0].name, "app");
  EXPECT_EQ(page().status, 200U);
}

TEST_F(HealthTest, ADatabaseWhosePrimaryTakesNoConnectionsIsDown) {
  fail_opening(sqlstate::kCannotConnectNow, seconds(0));
  EXPECT_EQ(health().state, HealthState::Bad);
  EXPECT_EQ(health().databases[0].problem, "the primary takes no connections");
  EXPECT_EQ(page().status, 503U);
  EXPECT_THAT(page().body, HasSubstr("\"status\":\"unhealthy\""));
}

TEST_F(HealthTest, AnOldFailureCountsOnlyWhileSomebodyWaits) {
  fail_opening(sqlstate::kCannotConnectNow, Health::kFailureCounts + seconds(1));
  EXPECT_EQ(health().state, HealthState::Ok);
  pool().waiting = 1;
  EXPECT_EQ(health().state, HealthState::Bad);
}

TEST_F(HealthTest, ARefusedLoginIsNoOutage) {
  fail_opening(sqlstate::kInvalidPassword, seconds(0));
  EXPECT_EQ(health().state, HealthState::Degraded);
  EXPECT_EQ(page().status, 200U);
}

TEST_F(HealthTest, AServerThatLeavesProbesUnansweredIsDown) {
  view_.servers.push_back(std::make_shared<NodeHealth>(conf::ServerAddress{.host = "10.0.0.9"}));
  EXPECT_EQ(health().state, HealthState::Ok);
  view_.servers[0]->down = true;
  EXPECT_EQ(health().databases[0].problem, "the primary does not answer");
}

TEST_F(HealthTest, WhereServersAreWatchedALostPrimaryIsDownAndALostReplicaDegrades) {
  const auto nodes = give_nodes();
  EXPECT_EQ(health().state, HealthState::Ok);
  nodes->nodes[1]->reachable = false;
  EXPECT_EQ(health().state, HealthState::Degraded);
  EXPECT_EQ(health().databases[0].problem, "1 of 1 replicas cannot be read");
  database().scope.primary_lost = true;
  nodes->nodes[0]->reachable = false;
  EXPECT_EQ(health().state, HealthState::Bad);
  EXPECT_EQ(health().databases[0].problem, "the primary cannot be reached");
  nodes->nodes[0]->reachable = true;
  EXPECT_EQ(health().databases[0].problem, "no server takes writes");
}

TEST_F(HealthTest, ACacheThatServesNothingDegrades) {
  give_rule("all");
  EXPECT_EQ(health().state, HealthState::Degraded);
  ASSERT_EQ(health().caches.size(), 1U);
  EXPECT_EQ(health().caches[0].guarantee, "the catalog is not known: nothing is served");
  EXPECT_EQ(page().status, 200U);
}

TEST_F(HealthTest, WorkersThatDoNotAnswerAreUnhealthy) {
  view_.workers.clear();
  EXPECT_EQ(health().state, HealthState::Bad);
  EXPECT_EQ(page().status, 503U);
  EXPECT_THAT(page().body, HasSubstr("\"workers_answer\":false"));
}

TEST_F(HealthTest, ThePageHasWhatIsShownAndNoSecret) {
  tally().clients_waiting = 3;
  tally().links_active = 2;
  stats(0).queries = 77;
  const std::string body = page().body;
  EXPECT_THAT(body, HasSubstr("\"clients\":{\"active\":0,\"idle\":0,\"waiting\":3}"));
  EXPECT_THAT(body, HasSubstr("\"server_connections\":{\"active\":2,\"idle\":0,\"other\":0}"));
  EXPECT_THAT(body, HasSubstr("\"queries\":77"));
  EXPECT_EQ(body.find("hidden-secret"), std::string::npos);
}

TEST_F(HealthTest, ThePageIsBoundedAndItsStateIsOfAll) {
  config_->conf.databases["*"] = config_->conf.databases["app"];
  for (size_t i = 0; i < kMostOnHealthPage + 9; i++) {
    directory_.pool("db" + std::to_string(i), "alice");
  }
  EXPECT_THAT(page().body, HasSubstr("\"databases_left_out\":10"));
  directory_.pool("zz", "alice")->last_failure = Error{sqlstate::kCannotConnectNow, "no"};
  directory_.pool("zz", "alice")->waiting = 1;
  EXPECT_EQ(page().status, 503U);
}

}  // namespace
}  // namespace sportello::proxy
