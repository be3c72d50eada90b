// What statements mean in one database, as one worker knows it: resolve() is asked once for a statement, a
// search_path and a user, and the answer is kept for as long as the catalog is the same. A statement that was
// met costs a look-up of three numbers.
//
// Shared by the sessions of one worker and database; gone with the last of them. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "cache/cache_rules.h"
#include "cache/catalog_slot.h"
#include "cache/resolve.h"
#include "cache/rule_counts.h"
#include "protocol/sql/facts_cache.h"
#include "proxy/session/database_scope.h"
#include "proxy/session/session_settings.h"

namespace sportello::proxy {

// Of one statement under one search_path.
struct Meaning {
  sql::FactsPtr owner;  // so that its address is nobody else's
  cache::ResolvedFacts facts;
  std::vector<const cache::TableState*> reads;
  std::vector<cache::TableState*> writes;
  // Replica: it may go there if it has come far enough.
  RouteReason route = RouteReason::NotARead;
  uint64_t version = 0;  // Catalog::version()

  // What a cache rule says of it, once asked (DatabaseNames::judge()).
  cache::Verdict verdict;
  bool is_judged = false;
  bool is_followed = false;  // the log's follower tells of every table that it reads, as of the next
  uint64_t followed_version = 0;
  cache::RuleCounts* counts = nullptr;  // of the verdict's rule
};

// What the cache rules say of a statement that a session asks.
struct CacheVerdict {
  cache::NotCached why = cache::NotCached::Unknown;
  const Meaning* meaning = nullptr;        // nullptr: nothing is known
  const cache::CacheRule* rule = nullptr;  // nullptr: none takes it
  cache::RuleCounts* counts = nullptr;     // the rule's
  bool is_followed = false;                // the log tells of every change to what is read
};

// Whose names they are.
struct NameOwner {
  uint64_t user_id = 0;
  const std::string* role = nullptr;  // as whom its links are logged in
};

class DatabaseNames {
 public:
  explicit DatabaseNames(std::shared_ptr<DatabaseScope> scope) : scope_(std::move(scope)) {}

  DatabaseScope& scope() { return *scope_; }
  // nullptr: nothing is known. Good until the next call.
  const Meaning* meaning_of(const sql::FactsPtr& facts, const SettingsValues& settings,
                            const NameOwner& owner);
  // For what it may do alone: of a catalog that was known a moment ago, if it is not known now.
  const Meaning* meaning_lately(const sql::FactsPtr& facts, const SettingsValues& settings,
                                const NameOwner& owner);
  // Likewise, where nobody can say which schema a name is looked for in: in any.
  const Meaning* meaning_anywhere(const sql::FactsPtr& facts);
  // The rules that hold for the database from now on, and where it is counted what becomes of them.
  void use_rules(cache::CacheRulesRef rules, std::string_view database, cache::WorkerRuleCounts& counts);
  // Good until the next call.
  CacheVerdict judge(const sql::FactsPtr& facts, const SettingsValues& settings, const NameOwner& owner,
                     const cache::Asker& asker);
  // A replica would not have it: none gets this shape again.
  void refuse_shape(uint64_t fingerprint);
  bool is_refused(uint64_t fingerprint) const { return !refused_.empty() && refused_.contains(fingerprint); }

 private:
  static constexpr size_t kMostMeanings = 8192;
  static constexpr size_t kMostRefused = 1024;

  struct Key {
    const sql::StatementFacts* facts;
    uint64_t startup_id;
    uint64_t user_id;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const {
      return (reinterpret_cast<uintptr_t>(key.facts) >> 4U) * 0x9e3779b97f4a7c15ULL ^
             key.startup_id * 0xc2b2ae3d27d4eb4fULL ^ key.user_id;
    }
  };

  static constexpr uint64_t kAnywhere = UINT64_MAX;  // in place of a startup_id

  enum class Known : uint8_t { Now, Lately };

  const cache::CatalogRef& catalog(Known when);
  bool knows_catalog(Known when);
  bool is_followed(Meaning& meaning) const;
  Meaning* find(const sql::FactsPtr& facts, const SettingsValues& settings, const NameOwner& owner,
                Known when);
  bool make(Meaning& meaning, const sql::FactsPtr& facts, const SettingsValues& settings,
            const NameOwner& owner);

  const std::shared_ptr<DatabaseScope> scope_;
  cache::CatalogReader reader_;
  cache::CatalogRef of_meanings_;
  DefaultPathsRef paths_;
  uint64_t paths_generation_ = 0;
  std::unordered_map<Key, std::unique_ptr<Meaning>, KeyHash> meanings_;
  std::unordered_map<uint64_t, bool> refused_;
  cache::CacheRulesRef rules_;
  std::string database_;
  cache::WorkerRuleCounts* counts_ = nullptr;
  std::unique_ptr<cache::DatabaseRules> bound_rules_;  // under of_meanings_; made when first needed
};

// The reason why no replica may have a statement, that its text alone tells; Replica: ask what its names
// mean.
RouteReason text_route(const sql::StatementFacts& facts);

}  // namespace sportello::proxy
