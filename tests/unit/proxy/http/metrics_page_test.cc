#include "proxy/http/metrics_page.h"

#include <gmock/gmock.h>

#include <set>
#include <sstream>

#include "tests/unit/proxy/http/operator_fixture.h"

namespace sportello::proxy {
namespace {

using testing::HasSubstr;
using testing::Not;

class MetricsPageTest : public OperatorTest {
 protected:
  std::string page() { return MetricsPage::of(view()); }
  size_t count(const std::string& beginning) {
    std::istringstream lines(page());
    size_t found = 0;
    for (std::string line; std::getline(lines, line);) {
      found += line.starts_with(beginning) ? 1 : 0;
    }
    return found;
  }
};

TEST_F(MetricsPageTest, AddsUpWhatWorkersHaveCounted) {
  stats(0).queries = 100;
  stats(3).queries = 20;
  stats(0).query_us = 2'500'000;
  stats(0).links_opened = 4;
  const std::string text = page();
  EXPECT_THAT(text,
              HasSubstr("\nsportello_queries_total{database=\"app\",user=\"alice\",role=\"primary\"} 120\n"));
  EXPECT_THAT(
      text,
      HasSubstr("\nsportello_query_seconds_total{database=\"app\",user=\"alice\",role=\"primary\"} 2.5\n"));
  EXPECT_THAT(text, HasSubstr("\nsportello_server_connections_opened_total{database=\"app\",user=\"alice\","
                              "role=\"primary\"} 4\n"));
}

TEST_F(MetricsPageTest, TellsReplicasPoolsApartByTheirRole) {
  const auto home = directory_.pool("app", "alice");
  Pool(directory_.replica_pool(home, 1), 0).stats().queries = 5;
  Pool(directory_.replica_pool(home, 2), 0).stats().queries = 6;
  EXPECT_THAT(page(),
              HasSubstr("\nsportello_queries_total{database=\"app\",user=\"alice\",role=\"replica\"} 11\n"));
  EXPECT_EQ(count("sportello_pool_clients{"), 3U) << "clients are counted once, by state";
}

TEST_F(MetricsPageTest, CountsClientsAndServersByState) {
  view_.workers.resize(2);
  tally().clients_active = 2;
  tally().longest_wait = std::chrono::milliseconds(1500);
  view_.workers[1].pools[directory_.pool("app", "alice")].clients_active = 3;
  view_.workers[1].clients = 9;
  view_.workers[0].client_buffer_bytes = 1000;
  view_.workers[1].client_buffer_bytes = 24;
  view_.workers[1].server_buffer_bytes = 7;
  const std::string text = page();
  EXPECT_THAT(text,
              HasSubstr("sportello_pool_clients{database=\"app\",user=\"alice\",state=\"active\"} 5\n"));
  EXPECT_THAT(text, HasSubstr("sportello_pool_longest_wait_seconds{database=\"app\",user=\"alice\"} 1.5\n"));
  EXPECT_THAT(text, HasSubstr("\nsportello_clients 9\n"));
  EXPECT_THAT(text, HasSubstr("\nsportello_workers 2\n"));
  EXPECT_THAT(text, HasSubstr("\nsportello_buffer_bytes{peer=\"client\"} 1024\n"));
  EXPECT_THAT(text, HasSubstr("\nsportello_buffer_bytes{peer=\"server\"} 7\n"));
  EXPECT_THAT(text, HasSubstr("sportello_pool_size{database=\"app\",user=\"alice\"} 7\n"));
}

TEST_F(MetricsPageTest, SaysWhatServersAreAndHowFarBehind) {
  const auto nodes = give_nodes();
  nodes->nodes[1]->lag_bytes = 4096;
  nodes->nodes[1]->lag_us = 250'000;
  nodes->nodes[1]->reads = 12;
  const std::string text = page();
  EXPECT_THAT(text,
              HasSubstr("sportello_node_role{database=\"app\",node=\"10.0.0.9:5432\",role=\"primary\"} 1\n"));
  EXPECT_THAT(
      text, HasSubstr("sportello_node_role{database=\"app\",node=\"10.0.0.10:5432\",role=\"primary\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("sportello_node_lag_bytes{database=\"app\",node=\"10.0.0.10:5432\"} 4096\n"));
  EXPECT_THAT(text, HasSubstr("sportello_node_lag_seconds{database=\"app\",node=\"10.0.0.10:5432\"} 0.25\n"));
  EXPECT_THAT(text, HasSubstr("sportello_node_reads_total{database=\"app\",node=\"10.0.0.10:5432\"} 12\n"));
  EXPECT_THAT(text, Not(HasSubstr("sportello_node_lag_bytes{database=\"app\",node=\"10.0.0.9")))
      << "what is not known is left out";
}

TEST_F(MetricsPageTest, AServerThatIsNamedTwiceIsThereOnce) {
  const auto set = std::make_shared<NodeSet>(*give_nodes());
  set->nodes.push_back(set->nodes[1]);
  database().nodes = set;
  EXPECT_EQ(count("sportello_node_reachable{"), 2U);
}

TEST_F(MetricsPageTest, SaysWhatBecameOfARulesReads) {
  give_rule("a \"rule\"");
  cache::RuleTotals& totals = view_.shared.rule_totals[cache::rule_id("a \"rule\"")];
  totals.look_ups[static_cast<size_t>(cache::LookUp::Hit)] = 40;
  totals.look_ups[static_cast<size_t>(cache::LookUp::Invalidated)] = 3;
  totals.not_cached[static_cast<size_t>(cache::NotCached::Locks)] = 2;
  totals.refused[static_cast<size_t>(cache::Refusal::Error)] = 1;
  const std::string text = page();
  EXPECT_THAT(text, HasSubstr("sportello_cache_rule_hits_total{rule=\"a \\\"rule\\\"\"} 40\n"));
  EXPECT_THAT(
      text,
      HasSubstr("sportello_cache_rule_misses_total{rule=\"a \\\"rule\\\"\",reason=\"invalidated\"} 3\n"));
  EXPECT_THAT(
      text,
      HasSubstr(
          "sportello_cache_rule_not_cached_total{rule=\"a \\\"rule\\\"\",reason=\"it takes locks\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("sportello_cache_rule_refused_total{rule=\"a \\\"rule\\\"\",reason=\"the "
                              "answer was an error\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("sportello_cache_rule_ttl_seconds{rule=\"a \\\"rule\\\"\"} 60\n"));
  EXPECT_THAT(text, Not(HasSubstr("reason=\"hit\"")));
  EXPECT_THAT(text, HasSubstr("guarantee=\"the catalog is not known: nothing is served\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("sportello_cache_serves{database=\"app\"} 0\n"));
}

TEST_F(MetricsPageTest, TellsOfTheFollower) {
  give_rule("all");
  FollowerFacts facts{.state = FollowerState::Following, .lag_bytes = 64, .lag_us = 2000, .commits = 17};
  database().scope.follower.set_facts(facts);
  const std::string text = page();
  EXPECT_THAT(text, HasSubstr("sportello_follower_state{database=\"app\",state=\"following\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("sportello_follower_lag_seconds{database=\"app\"} 0.002\n"));
  EXPECT_THAT(text, HasSubstr("sportello_follower_commits_total{database=\"app\"} 17\n"));
  EXPECT_THAT(text, HasSubstr("sportello_follower_guards{database=\"app\"} 0\n"));
}

// S64
TEST_F(MetricsPageTest, IsBoundedWhoeverLogsIn) {
  for (size_t i = 0; i < MetricsPage::kMost + 50; i++) {
    directory_.pool("db" + std::to_string(i), "u" + std::to_string(i));
  }
  EXPECT_EQ(count("sportello_queries_total{"), MetricsPage::kMost);
  EXPECT_EQ(count("sportello_database_paused{"), MetricsPage::kMost);
  EXPECT_THAT(page(), HasSubstr("sportello_left_out{of=\"pools\"} 51\n"));
  EXPECT_THAT(page(), HasSubstr("sportello_left_out{of=\"databases\"} 51\n"));
}

TEST_F(MetricsPageTest, HasEveryLineOnceAndEveryFamilyTogether) {
  give_nodes();
  give_rule("all");
  directory_.pool("app", "eve\x1b\"\\\n");
  directory_.pool("app", "eve\\x1b");
  std::istringstream lines(page());
  std::set<std::string> seen;
  std::string family;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# TYPE ")) {
      family = line.substr(7, line.rfind(' ') - 7);
      EXPECT_TRUE(seen.insert(family).second) << family;
    } else if (!line.starts_with("#")) {
      const std::string name = line.substr(0, line.find_first_of("{ "));
      EXPECT_EQ(name, family);
      EXPECT_TRUE(seen.insert(line.substr(0, line.rfind(' '))).second ||
                  name == line.substr(0, line.find(' ')))
          << line;
    }
  }
}

// S29
TEST_F(MetricsPageTest, NeverShowsASecret) { EXPECT_THAT(page(), Not(HasSubstr("hidden-secret"))); }

}  // namespace
}  // namespace sportello::proxy
