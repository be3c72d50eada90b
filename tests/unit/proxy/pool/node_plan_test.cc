#include "proxy/pool/node_plan.h"

#include <gtest/gtest.h>

#include "cache/freshness_board.h"
#include "cache/table_state.h"

namespace sportello::proxy {
namespace {

conf::ServerAddress at(std::string host, uint16_t port = 5432) {
  return {.host = std::move(host), .port = port};
}

std::vector<std::string> names(const std::vector<conf::ServerAddress>& servers) {
  std::vector<std::string> all;
  for (const conf::ServerAddress& server : servers) {
    all.push_back(server_name(server));
  }
  return all;
}

using Names = std::vector<std::string>;

class NodePlan : public testing::Test {
 protected:
  NodeList placed(const NodeList& before, const std::vector<std::string>& hosts) {
    std::vector<conf::ServerAddress> planned;
    for (const std::string& host : hosts) {
      planned.push_back(at(host));
    }
    return placed_nodes(before, planned, [&](const conf::ServerAddress& address) {
      return std::make_shared<NodeRuntime>(address, board_.add_node());
    });
  }
  static std::string hosts(const NodeList& nodes) {
    std::string all;
    for (const auto& node : nodes) {
      all += node->address.host;
    }
    return all;
  }

  NodeAddresses addresses_;

 private:
  cache::TableStates tables_;
  cache::FreshnessBoard board_{tables_};
};

TEST_F(NodePlan, AllServersOfTheEntryAreNodesInItsOrder) {
  conf::Database entry;
  entry.primary = at("10.0.0.1");
  entry.candidates = {at("10.0.0.2")};
  entry.replicas = {at("10.0.0.3"), at("/run/pg", 6000)};
  EXPECT_EQ(names(planned_nodes(entry, true, addresses_)),
            (Names{"10.0.0.1:5432", "10.0.0.2:5432", "10.0.0.3:5432", "/run/pg:6000"}));
  EXPECT_EQ(names(planned_nodes(entry, false, addresses_)), (Names{"10.0.0.1:5432", "10.0.0.2:5432"}));
}

TEST_F(NodePlan, AServerThatIsNamedTwiceIsOneNode) {
  conf::Database entry;
  entry.primary = at("10.0.0.1");
  entry.candidates = {at("10.0.0.2")};
  entry.replicas = {at("10.0.0.2"), at("10.0.0.2", 5433), at("db")};
  addresses_.learn("db", {"10.0.0.1", "10.0.0.4"});
  EXPECT_EQ(names(planned_nodes(entry, true, addresses_)),
            (Names{"10.0.0.1:5432", "10.0.0.2:5432", "10.0.0.2:5433", "db[10.0.0.4]:5432"}));
}

TEST_F(NodePlan, EachAddressOfANameIsANodeAndTheOrderOfTheResolverIsNone) {
  conf::Database entry;
  entry.primary = at("db");
  EXPECT_EQ(names(planned_nodes(entry, true, addresses_)), Names{"db:5432"}) << "not looked up yet";
  EXPECT_TRUE(addresses_.learn("db", {"10.0.0.2", "10.0.0.1"}));
  EXPECT_EQ(names(planned_nodes(entry, true, addresses_)), (Names{"db[10.0.0.1]:5432", "db[10.0.0.2]:5432"}));
  EXPECT_FALSE(addresses_.learn("db", {"10.0.0.1", "10.0.0.2", "10.0.0.1"}));
  EXPECT_TRUE(addresses_.learn("db", {"10.0.0.9"}));
  EXPECT_EQ(names(planned_nodes(entry, true, addresses_)), Names{"db[10.0.0.9]:5432"});
}

TEST_F(NodePlan, ANameOfThisMachineStaysOneNode) {
  conf::Database entry;
  entry.primary = at("localhost");
  addresses_.learn("localhost", {"::1", "127.0.0.1"});
  EXPECT_EQ(names(planned_nodes(entry, true, addresses_)), Names{"localhost:5432"});
}

TEST_F(NodePlan, WhoMayHaveSeveralServersIsSaidByTheEntry) {
  conf::Database entry;
  entry.primary = at("10.0.0.1");
  EXPECT_FALSE(may_have_several(entry));
  entry.primary = at("/run/pg");
  EXPECT_FALSE(may_have_several(entry));
  entry.primary = at("localhost");
  EXPECT_FALSE(may_have_several(entry));
  entry.primary = at("db.internal");
  EXPECT_TRUE(may_have_several(entry));
  entry.primary = at("10.0.0.1");
  entry.candidates = {at("10.0.0.2")};
  EXPECT_TRUE(may_have_several(entry));
}

TEST_F(NodePlan, NodesThatStayKeepTheirPlaces) {
  const NodeList before = placed({}, {"a", "b", "c"});
  EXPECT_EQ(hosts(before), "abc");
  const NodeList same = placed(before, {"c", "b", "a"});
  EXPECT_EQ(same, before);
  EXPECT_EQ(hosts(placed(before, {"d", "c", "b", "a"})), "abcd");
  EXPECT_EQ(hosts(placed(before, {"a", "d", "c"})), "adc");
  EXPECT_EQ(hosts(placed(before, {"a", "c"})), "ac") << "who has no place takes one that is free";
}

TEST_F(NodePlan, WhoComesWhenThePrimaryGoesTakesItsPlace) {
  const NodeList before = placed({}, {"a", "b", "c"});
  EXPECT_EQ(hosts(placed(before, {"b", "c", "d"})), "dbc");
  EXPECT_EQ(hosts(placed(before, {"b", "c"})), "cb");
  EXPECT_EQ(hosts(placed(before, {"d"})), "d");
}

}  // namespace
}  // namespace sportello::proxy
