#include "proxy/router/router.h"

#include <gtest/gtest.h>

#include <set>

namespace sportello::proxy {
namespace {

struct AllNodes final : NodeFilter {
  bool may_use(size_t node) override { return !closed.contains(node); }
  std::set<size_t> closed;
};

class Router : public ::testing::Test {
 protected:
  Router() {
    add(1);
    set_.nodes.front()->role.store(NodeRole::Primary);
    board_.question_answered(board_.question_begins(), Lsn{100}, 1);
  }

  NodeRuntime& add(int weight) {
    conf::ServerAddress address;
    address.weight = weight;
    set_.nodes.push_back(std::make_shared<NodeRuntime>(address, board_.add_node()));
    NodeRuntime& node = *set_.nodes.back();
    node.role.store(NodeRole::Replica);
    node.reachable.store(true);
    return node;
  }
  NodeRuntime& add_caught_up(int weight = 1) {
    NodeRuntime& node = add(weight);
    board_.replica_at(*node.position, Lsn{100}, 1);
    return node;
  }
  Route choose(uint64_t last_write = 0) {
    return choose_node(set_, freshness_, {false, last_write}, filter_);
  }

  cache::TableStates tables_;
  cache::FreshnessBoard board_{tables_};
  NodeSet set_;
  conf::Freshness freshness_ = conf::Freshness::Table;
  AllNodes filter_;
};

TEST_F(Router, WithoutAReplicaInServiceThePrimaryAnswers) {
  EXPECT_EQ(choose().reason, RouteReason::NoReplica);
  add_caught_up().reachable.store(false);
  EXPECT_EQ(choose().reason, RouteReason::NoReplica);
  set_.nodes.back()->reachable.store(true);
  set_.nodes.back()->role.store(NodeRole::SecondPrimary);
  EXPECT_EQ(choose().node, 0U);
}

TEST_F(Router, AReplicaThatHasReachedTheFloorAnswers) {
  add_caught_up();
  EXPECT_EQ(choose(board_.sequence()).node, 1U);
  const uint64_t pending = board_.note_write();
  EXPECT_EQ(choose(pending).node, 0U);
  EXPECT_EQ(choose(pending).reason, RouteReason::FloorNotReached);
}

TEST_F(Router, AFencedTableIsThePrimarysAlone) {
  add_caught_up();
  EXPECT_EQ(choose_node(set_, freshness_, {true, 0}, filter_).reason, RouteReason::Fenced);
}

TEST_F(Router, TheFewestInFlightByWeightAnswers) {
  add_caught_up(1).in_flight.store(1);
  add_caught_up(3).in_flight.store(2);
  EXPECT_EQ(choose().node, 2U);  // (2+1)/3 < (1+1)/1
  set_.nodes[2]->in_flight.store(6);
  EXPECT_EQ(choose().node, 1U);
}

TEST_F(Router, WhatThePoolKeepsOutIsNotChosen) {
  add_caught_up();
  add_caught_up();
  filter_.closed = {1};
  EXPECT_EQ(choose().node, 2U);
}

TEST_F(Router, BoundedGoesByTheLagAlone) {
  NodeRuntime& node = add(1);
  freshness_ = conf::Freshness::Bounded;
  set_.max_lag = std::chrono::seconds(1);
  EXPECT_EQ(choose().node, 0U);  // not known
  node.lag_us.store(2'000'000);
  EXPECT_EQ(choose().node, 0U);
  node.lag_us.store(500'000);
  EXPECT_EQ(choose(board_.note_write()).node, 1U);
}

TEST_F(Router, NeedsFollowTheFreshnessThatIsPromised) {
  cache::TableState& table = tables_.of(7);
  cache::raise_last_write(table, 50);
  const std::vector<const cache::TableState*> reads = {&table};
  EXPECT_EQ(read_needs(conf::Freshness::Table, reads, tables_.all(), 20).last_write, 50U);
  EXPECT_EQ(read_needs(conf::Freshness::Session, reads, tables_.all(), 20).last_write, 20U);
  EXPECT_EQ(read_needs(conf::Freshness::Bounded, reads, tables_.all(), 20).last_write, 0U);
}

}  // namespace
}  // namespace sportello::proxy
