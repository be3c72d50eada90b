#include "proxy/http/health_page.h"

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>

#include "proxy/plain_text.h"

namespace sportello::proxy {
namespace {

constexpr unsigned kServiceUnavailable = 503;
constexpr double kMicro = 1e-6;

// Keys are ours; texts may be anything.
class Json {
 public:
  void begin() { writer_.StartObject(); }
  void end() { writer_.EndObject(); }
  void begin_list(const char* key) {
    writer_.Key(key);
    writer_.StartArray();
  }
  void end_list() { writer_.EndArray(); }
  void begin(const char* key) {
    writer_.Key(key);
    writer_.StartObject();
  }

  void put(const char* key, std::string_view text) {
    const std::string plain = plain_text(text);
    writer_.Key(key);
    writer_.String(plain.data(), static_cast<rapidjson::SizeType>(plain.size()));
  }
  void put(const char* key, bool value) {
    writer_.Key(key);
    writer_.Bool(value);
  }
  void put(const char* key, double value) {
    writer_.Key(key);
    writer_.Double(value);
  }
  void put(const char* key, uint64_t value) {
    writer_.Key(key);
    writer_.Uint64(value);
  }
  void put(const char* key, int value) {
    writer_.Key(key);
    writer_.Int(value);
  }
  void put_seconds(const char* key, std::optional<int64_t> microseconds) {
    if (microseconds) {
      put(key, static_cast<double>(*microseconds) * kMicro);
    } else {
      put_null(key);
    }
  }
  void put_null(const char* key) {
    writer_.Key(key);
    writer_.Null();
  }

  std::string text() const { return {buffer_.GetString(), buffer_.GetSize()}; }

 private:
  rapidjson::StringBuffer buffer_;
  rapidjson::Writer<rapidjson::StringBuffer> writer_{buffer_};
};

void write_node(Json& json, const NodeState& node) {
  json.begin();
  json.put("server", node.server);
  json.put("role", node.role);
  json.put("reachable", node.is_reachable);
  if (node.lag_bytes) {
    json.put("lag_bytes", static_cast<uint64_t>(*node.lag_bytes));
  } else {
    json.put_null("lag_bytes");
  }
  json.put_seconds("lag_seconds", node.lag_us);
  json.end();
}

void write_database(Json& json, const DatabaseState& database) {
  json.begin();
  json.put("name", database.name);
  json.put("state", health_word(database.state));
  json.put("problem", database.problem);
  json.put("paused", database.is_paused);
  json.put("disabled", database.is_disabled);
  const PoolTally& tally = database.tally;
  json.begin("clients");
  json.put("active", tally.clients_active);
  json.put("idle", tally.clients_idle);
  json.put("waiting", tally.clients_waiting);
  json.end();
  json.put_seconds("longest_wait_seconds", tally.longest_wait.count());
  json.begin("server_connections");
  json.put("active", tally.links_active);
  json.put("idle", tally.links_idle);
  json.put("other", tally.links_tested + tally.links_being_canceled + tally.links_login);
  json.end();
  json.put("transactions", database.stats[Stat::Transactions]);
  json.put("queries", database.stats[Stat::Queries]);
  json.begin_list("nodes");
  for (const NodeState& node : database.nodes) {
    write_node(json, node);
  }
  json.end_list();
  json.end();
}

void write_cache(Json& json, const Health& health, const OperatorView& view) {
  uint64_t hits = 0;
  uint64_t misses = 0;
  for (const auto& [rule, totals] : view.shared.rule_totals) {
    hits += totals.hits() + totals.joined;
    misses += totals.misses() - std::min(totals.joined, totals.misses());
  }
  const cache::ResultCache& results = *view.shared.results;
  json.begin("cache");
  json.put("enabled", view.shared.config->cache_rules != nullptr);
  json.put("results", static_cast<uint64_t>(results.store.size()));
  json.put("memory_bytes", results.store.used_bytes());
  json.put("max_memory_bytes", results.store.max_bytes());
  json.put("hits", hits);
  json.put("misses", misses);
  json.begin_list("databases");
  for (size_t i = 0; i < std::min(health.caches.size(), kMostOnHealthPage); i++) {
    const CacheState& cache = health.caches[i];
    json.begin();
    json.put("name", cache.database);
    json.put("state", health_word(cache.state));
    json.put("guarantee", cache.guarantee);
    json.put("follower", cache.follower);
    json.put_seconds("follower_lag_seconds", cache.follower_lag_us);
    json.end();
  }
  json.end_list();
  json.end();
}

}  // namespace

HttpReply health_page(const Health& health, const OperatorView& view) {
  Json json;
  json.begin();
  json.put("status",
           health.state == HealthState::Bad ? std::string_view("unhealthy") : health_word(health.state));
  json.put("version", std::string_view(SPORTELLO_VERSION));
  json.put("uptime_seconds", std::chrono::duration<double>(view.wall_now - view.started_at).count());
  json.put("workers_answer", health.workers_answer);
  json.put("draining", view.draining);
  json.put("suspended", view.shared.suspended);
  int clients = 0;
  for (const WorkerTally& worker : view.workers) {
    clients += worker.clients;
  }
  json.put("clients", clients);
  json.put("max_clients", view.shared.config->conf.max_client_conn);
  json.begin_list("databases");
  for (size_t i = 0; i < std::min(health.databases.size(), kMostOnHealthPage); i++) {
    write_database(json, health.databases[i]);
  }
  json.end_list();
  json.put("databases_left_out", static_cast<uint64_t>(health.databases.size() -
                                                       std::min(health.databases.size(), kMostOnHealthPage)));
  write_cache(json, health, view);
  json.end();
  return {.status = health.state == HealthState::Bad ? kServiceUnavailable : 200U,
          .content_type = "application/json",
          .body = json.text() + "\n"};
}

}  // namespace sportello::proxy
