#include "proxy/router/database_names.h"

#include <algorithm>
#include <array>

#include "cache/search_path.h"

namespace sportello::proxy {
namespace {

// A standby refuses these transactions, or means another server by what it says.
constexpr std::array<std::string_view, 2> kNotOnStandbys = {"default_transaction_isolation",
                                                            "default_transaction_deferrable"};

RouteReason names_route(const cache::ResolvedFacts& facts) {
  if (!facts.known) {
    return RouteReason::NamesUnknown;
  }
  if (facts.writes_unknown || !facts.writes.empty() || facts.volatile_functions) {
    return RouteReason::MayWrite;
  }
  if (facts.reads_unknown) {
    return RouteReason::NamesUnknown;
  }
  return facts.temporary || facts.unlogged || facts.foreign || facts.catalog ? RouteReason::NotOnReplicas
                                                                             : RouteReason::Replica;
}

}  // namespace

RouteReason text_route(const sql::StatementFacts& facts) {
  using sql::StatementKind;
  const bool is_read = facts.kind == StatementKind::Read || facts.kind == StatementKind::Explain ||
                       facts.kind == StatementKind::Empty;
  constexpr sql::Effects kHarmless = sql::Effect::UnknownFunction;  // resolve() knows it
  if (facts.multi || !is_read || !facts.reads_only || facts.locks_rows || facts.locks_tables ||
      (facts.effects & ~kHarmless) != 0) {
    return RouteReason::NotARead;
  }
  if (facts.asks_server) {
    return RouteReason::NotOnReplicas;
  }
  return facts.hint == sql::RouteHint::Primary ? RouteReason::HintPrimary : RouteReason::Replica;
}

// While the primary is lost nobody can change it, so what was known of it last is good for reads.
const cache::CatalogRef& DatabaseNames::catalog(Known when) {
  const uint64_t epoch = scope_->ddl_epoch.load(std::memory_order_relaxed);
  const cache::CatalogRef& current = reader_.current(scope_->catalog, epoch);
  if (current != nullptr) {
    return current;
  }
  const bool keeps = scope_->primary_lost.load(std::memory_order_relaxed) ||
                     (when == Known::Lately && !scope_->catalog.has_lapsed());
  return keeps ? reader_.last(scope_->catalog, epoch) : current;
}

const Meaning* DatabaseNames::meaning_of(const sql::FactsPtr& facts, const SettingsValues& settings,
                                         const NameOwner& owner) {
  return find(facts, settings, owner, Known::Now);
}

const Meaning* DatabaseNames::meaning_lately(const sql::FactsPtr& facts, const SettingsValues& settings,
                                             const NameOwner& owner) {
  return find(facts, settings, owner, Known::Lately);
}

const Meaning* DatabaseNames::meaning_anywhere(const sql::FactsPtr& facts) {
  if (!knows_catalog(Known::Lately)) {
    return nullptr;
  }
  const Key key{facts.get(), kAnywhere, 0};
  if (const auto found = meanings_.find(key); found != meanings_.end()) {
    return found->second.get();
  }
  auto meaning = std::make_unique<Meaning>();
  meaning->owner = facts;
  meaning->version = of_meanings_->version();
  meaning->facts = cache::resolve(*of_meanings_, *facts,
                                  {.search_path = {}, .may_have_temporary = false, .any_schema = true});
  if (meanings_.size() >= kMostMeanings) {
    meanings_.clear();
  }
  return meanings_.emplace(key, std::move(meaning)).first->second.get();
}

// And keeps the meanings that are asked for to it.
bool DatabaseNames::knows_catalog(Known when) {
  const cache::CatalogRef& known = catalog(when);
  if (known == nullptr) {
    return false;
  }
  const uint64_t generation = scope_->paths.generation();
  if (known != of_meanings_ || generation != paths_generation_) {
    meanings_.clear();
    bound_rules_.reset();
    of_meanings_ = known;
    paths_generation_ = generation;
    paths_ = scope_->paths.paths();
  }
  return true;
}

Meaning* DatabaseNames::find(const sql::FactsPtr& facts, const SettingsValues& settings,
                             const NameOwner& owner, Known when) {
  if (!knows_catalog(when)) {
    return nullptr;
  }
  const Key key{facts.get(), settings.startup_id, owner.user_id};
  if (const auto found = meanings_.find(key); found != meanings_.end()) {
    return found->second.get();
  }
  auto meaning = std::make_unique<Meaning>();
  if (!make(*meaning, facts, settings, owner)) {
    return nullptr;
  }
  if (meanings_.size() >= kMostMeanings) {
    meanings_.clear();
  }
  return meanings_.emplace(key, std::move(meaning)).first->second.get();
}

bool DatabaseNames::make(Meaning& meaning, const sql::FactsPtr& facts, const SettingsValues& settings,
                         const NameOwner& owner) {
  const std::string* given = find_startup(settings.startup, "search_path");
  std::optional<std::string> setting;
  if (given != nullptr) {
    setting = *given;
  } else if (paths_ != nullptr) {
    setting = paths_->of(*owner.role);
  }
  const auto path = setting ? cache::effective_search_path(*setting, *owner.role)
                            : std::optional<std::vector<std::string>>();
  if (!path) {
    return false;
  }
  meaning.owner = facts;
  meaning.version = of_meanings_->version();
  meaning.facts = cache::resolve(*of_meanings_, *facts, {.search_path = *path, .may_have_temporary = false});
  for (const cache::Oid table : meaning.facts.reads) {
    meaning.reads.push_back(&scope_->tables.of(table));
  }
  for (const cache::Oid table : meaning.facts.writes) {
    meaning.writes.push_back(&scope_->tables.of(table));
  }
  meaning.route = text_route(*facts);
  if (meaning.route == RouteReason::Replica) {
    meaning.route = names_route(meaning.facts);
  }
  for (const std::string_view name : kNotOnStandbys) {
    if (meaning.route == RouteReason::Replica && find_startup(settings.startup, name) != nullptr) {
      meaning.route = RouteReason::NotOnReplicas;
    }
  }
  return true;
}

void DatabaseNames::use_rules(cache::CacheRulesRef rules, std::string_view database,
                              cache::WorkerRuleCounts& counts) {
  if (rules == rules_) {
    return;
  }
  rules_ = std::move(rules);
  database_ = database;
  counts_ = &counts;
  bound_rules_.reset();
  meanings_.clear();
}

CacheVerdict DatabaseNames::judge(const sql::FactsPtr& facts, const SettingsValues& settings,
                                  const NameOwner& owner, const cache::Asker& asker) {
  Meaning* meaning = find(facts, settings, owner, Known::Now);
  if (meaning == nullptr || rules_ == nullptr) {
    return {};
  }
  if (bound_rules_ == nullptr) {
    bound_rules_ = std::make_unique<cache::DatabaseRules>(rules_, database_, *of_meanings_);
  }
  if (!meaning->is_judged || bound_rules_->asks_application()) {
    meaning->verdict = bound_rules_->judge(*facts, meaning->facts, asker);
    meaning->counts = meaning->verdict.rule != nullptr ? &counts_->of(meaning->verdict.rule->id) : nullptr;
    meaning->is_judged = true;
  }
  return {meaning->verdict.why, meaning, meaning->verdict.rule, meaning->counts, is_followed(*meaning)};
}

bool DatabaseNames::is_followed(Meaning& meaning) const {
  const uint64_t version = scope_->follower.covered_version();
  if (meaning.followed_version != version) {
    const CoveredTablesRef covered = scope_->follower.covered();
    const std::vector<cache::Oid>& reads = meaning.facts.reads;
    meaning.is_followed = std::includes(covered->begin(), covered->end(), reads.begin(), reads.end());
    meaning.followed_version = version;
  }
  return meaning.is_followed;
}

void DatabaseNames::refuse_shape(uint64_t fingerprint) {
  if (refused_.size() >= kMostRefused) {
    refused_.clear();
  }
  refused_[fingerprint] = true;
}

}  // namespace sportello::proxy
