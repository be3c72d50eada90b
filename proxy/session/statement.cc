#include "proxy/session/statement.h"

#include <mutex>

#include "protocol/xxhash.h"

namespace sportello::proxy {
namespace {

uint64_t key_hash(const StatementKey& key) {
  return hash_bytes(key.text, hash_bytes(key.parameter_types, key.scope));
}

bool same(const Statement& statement, const StatementKey& key) {
  return statement.text == key.text && statement.parameter_types == key.parameter_types;
}

struct Known {
  std::weak_ptr<const Statement> statement;
  uint64_t scope = 0;
};

struct Table {
  std::mutex mutex;
  std::unordered_multimap<uint64_t, Known> known;
  size_t sweep_at = 4096;
  std::atomic<uint64_t> last_id{0};
  std::atomic<size_t> bytes{0};
};

Table& table() {
  // Never destroyed: statements held by objects with static storage may outlive any other order.
  static Table* const instance = new Table;
  return *instance;
}

size_t cost(const Statement& statement) {
  return sizeof(Statement) + statement.text.size() + statement.parameter_types.size() + 128;
}

struct Uncount {
  void operator()(const Statement* statement) const {
    table().bytes.fetch_sub(cost(*statement), std::memory_order_relaxed);
    delete statement;
  }
};

StatementRef make_statement(const StatementKey& key, std::shared_ptr<const sql::StatementFacts> facts,
                            bool opaque) {
  Table& all = table();
  const uint64_t id = ++all.last_id;
  auto* made = new Statement{id,
                             std::string(kServerStatementPrefix) + std::to_string(id),
                             std::string(key.text),
                             std::string(key.parameter_types),
                             std::move(facts),
                             false,
                             opaque};
  all.bytes.fetch_add(cost(*made), std::memory_order_relaxed);
  return StatementRef(made, Uncount());
}

}  // namespace

StatementRef make_opaque_statement() {
  static const auto unknown = std::make_shared<const sql::StatementFacts>();
  return make_statement({}, unknown, true);
}

StatementRef intern_statement(const StatementKey& key, std::shared_ptr<const sql::StatementFacts> facts) {
  Table& all = table();
  const uint64_t hash = key_hash(key);
  const std::lock_guard lock(all.mutex);
  const auto [begin, end] = all.known.equal_range(hash);
  for (auto at = begin; at != end; ++at) {
    StatementRef statement = at->second.statement.lock();
    if (statement && at->second.scope == key.scope && same(*statement, key)) {
      return statement;
    }
  }
  if (all.bytes.load(std::memory_order_relaxed) > kMaxStatementBytes) {
    return nullptr;
  }
  if (all.known.size() >= all.sweep_at) {
    std::erase_if(all.known, [](const auto& entry) { return entry.second.statement.expired(); });
    all.sweep_at = std::max<size_t>(4096, all.known.size() * 2);
  }
  StatementRef statement = make_statement(key, std::move(facts), false);
  all.known.emplace(hash, Known{statement, key.scope});
  return statement;
}

StatementTableCounts statement_table_counts() {
  Table& all = table();
  const std::lock_guard lock(all.mutex);
  return {all.known.size(), all.bytes.load(std::memory_order_relaxed)};
}

uint64_t StatementCache::hash(const StatementKey& key) { return key_hash(key); }

StatementCache::Entry* StatementCache::find(const StatementKey& key) {
  const uint64_t h = hash(key);
  auto found = young_.find(h);
  if (found == young_.end()) {
    const auto older = old_.find(h);
    if (older == old_.end()) {
      return nullptr;
    }
    found = young_.insert_or_assign(h, std::move(older->second)).first;
    old_.erase(older);
  }
  Entry& entry = found->second;
  return entry.scope == key.scope && same(*entry.statement, key) ? &entry : nullptr;
}

StatementCache::Entry* StatementCache::insert(const StatementKey& key, StatementRef statement) {
  if (young_.size() >= kEntries) {
    old_ = std::move(young_);
    young_.clear();
  }
  return &young_.insert_or_assign(hash(key), Entry{std::move(statement), key.scope, 0}).first->second;
}

}  // namespace sportello::proxy
