// One configured database "app" with a pool of alice, as operators see it; no worker has anything yet.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>

#include "proxy/http/operator_view.h"
#include "proxy/pool/pool.h"

namespace sportello::proxy {

class OperatorTest : public testing::Test {
 protected:
  OperatorTest() : config_(std::make_shared<RuntimeConfig>()) {
    conf::Database app;
    app.primary.host = "10.0.0.9";
    app.primary.password = "hidden-secret";
    app.pool_size = 7;
    config_->conf.databases["app"] = app;
    config_->secrets["alice"] = "hidden-secret";
    directory_.pool("app", "alice");
    view_.workers.resize(1);
    view_.shared.now = TimePoint(std::chrono::seconds(1000));
    view_.shared.results = &results_;
    view_.shared.config = config_;
  }

  // The shared part as the directory has it now.
  const OperatorView& view() {
    view_.shared.pools = directory_.pools();
    view_.shared.databases = directory_.databases();
    view_.shared.users = directory_.users();
    return view_;
  }
  PoolRuntime& pool() { return *directory_.pool("app", "alice"); }
  PoolTally& tally() { return view_.workers.front().pools[directory_.pool("app", "alice")]; }
  PoolStats& stats(size_t worker) { return Pool(directory_.pool("app", "alice"), worker).stats(); }
  DatabaseRuntime& database() { return *pool().database; }

  // The primary and one replica.
  std::shared_ptr<NodeSet> give_nodes() {
    auto set = std::make_shared<NodeSet>();
    for (const char* host : {"10.0.0.9", "10.0.0.10"}) {
      conf::ServerAddress address;
      address.host = host;
      set->nodes.push_back(std::make_shared<NodeRuntime>(address, database().scope.board.add_node()));
    }
    set->nodes[0]->role = NodeRole::Primary;
    set->nodes[0]->reachable = true;
    set->nodes[1]->role = NodeRole::Replica;
    set->nodes[1]->reachable = true;
    database().nodes = set;
    return set;
  }
  void give_rule(const std::string& name) {
    conf::CacheRule rule;
    rule.name = name;
    rule.tables = {"t"};
    rule.ttl = std::chrono::minutes(1);
    config_->conf.cache.rules.push_back(rule);
    config_->cache_rules = std::make_shared<cache::CacheRules>(config_->conf.cache);
  }

  std::shared_ptr<RuntimeConfig> config_;
  PoolDirectory directory_;
  cache::ResultCache results_{1 << 20};
  OperatorView view_;
};

}  // namespace sportello::proxy
