#include "proxy/admin/admin_cache.h"

#include <algorithm>
#include <cmath>

#include "cache/relation_closure.h"
#include "protocol/sqlstate.h"
#include "proxy/pool/pool_runtime.h"

namespace sportello::proxy {
namespace {

constexpr double kWhole = 100.0;
constexpr double kTenths = 10.0;

// In percent, with one decimal; nothing where nothing was asked.
AdminValue hit_rate(const cache::RuleTotals& totals) {
  const uint64_t good = totals.hits() + totals.joined;
  const uint64_t asked = totals.hits() + totals.misses();
  if (asked == 0) {
    return std::nullopt;
  }
  const double rate = std::round(static_cast<double>(good) * kWhole * kTenths / static_cast<double>(asked));
  std::string text = std::to_string(rate / kTenths);
  return text.substr(0, text.find('.') + 2);
}

template <typename Reason, size_t kValues>
void append_reasons(std::string& out, const std::array<uint64_t, kValues>& counts) {
  for (size_t i = 0; i < kValues; i++) {
    if (counts[i] > 0) {
      out += (out.empty() ? "" : "; ");
      out.append(to_string(static_cast<Reason>(i))).append(": ").append(std::to_string(counts[i]));
    }
  }
}

// Why reads that the rule takes were not hits.
std::string reasons_of(const cache::RuleTotals& totals) {
  std::string reasons;
  auto misses = totals.look_ups;
  misses[static_cast<size_t>(cache::LookUp::Hit)] = 0;
  append_reasons<cache::LookUp>(reasons, misses);
  append_reasons<cache::NotCached>(reasons, totals.not_cached);
  append_reasons<cache::Refusal>(reasons, totals.refused);
  if (totals.not_stored > 0) {
    reasons += (reasons.empty() ? "" : "; ") + std::string("written meanwhile, or no room: ") +
               std::to_string(totals.not_stored);
  }
  return reasons;
}

uint64_t sum(const auto& counts) {
  uint64_t all = 0;
  for (const uint64_t count : counts) {
    all += count;
  }
  return all;
}

Error no_such(const char* what, const std::string& name) {
  return {sqlstate::kInvalidParameterValue, std::string("there is no ") + what + " \"" + name + "\""};
}

}  // namespace

std::string_view CacheGuarantee::words() const {
  if (!knows_catalog) {
    return "the catalog is not known: nothing is served";
  }
  if (!follows_log) {
    return "writes through this proxy at once, others within the rules' ttl";
  }
  return follower.guards ? "writes through this proxy at once, others as soon as the log tells"
                         : "the log is not followed: nothing is served but untracked_tables";
}

CacheGuarantee guarantee_of(const DatabaseRuntime& database, const conf::Config& conf) {
  const cache::CatalogSlot::Entry known = database.scope.catalog.entry();
  return {.knows_catalog = known.catalog != nullptr && known.ddl_epoch == database.scope.ddl_epoch.load(),
          .follows_log = conf.cache.invalidation == conf::Invalidation::Wal,
          .follower = database.scope.follower.facts()};
}

void show_cache(AdminTable& table, const AdminView& view) {
  const cache::ResultCache& results = *view.results;
  for (const auto& database : view.databases) {
    if (!view.config->caches(database->name)) {
      continue;
    }
    const CacheGuarantee guarantee = guarantee_of(*database, view.config->conf);
    const FollowerFacts& facts = guarantee.follower;
    const auto told = [](int64_t lag) { return lag < 0 ? std::nullopt : AdminValue(std::to_string(lag)); };
    const bool is_there = facts.state != FollowerState::Off;
    table.add(database->name, guarantee.follows_log ? "wal" : "proxy", std::string(guarantee.words()),
              std::string(follower_state_name(facts.state)),
              is_there ? AdminValue(to_string(facts.applied)) : std::nullopt, told(facts.lag_bytes),
              told(facts.lag_us), facts.commits, facts.fences, facts.reconnects, facts.last_error,
              results.store.size(), results.store.used_bytes(), results.store.max_bytes(),
              results.store.evictions(), results.flights.in_the_air(), results.flights.flown(),
              results.flights.joined());
  }
}

void show_cache_rules(AdminTable& table, const AdminView& view) {
  if (view.config->cache_rules == nullptr) {
    return;
  }
  for (const cache::CacheRule& rule : view.config->cache_rules->rules()) {
    const auto found = view.rule_totals.find(rule.id);
    const cache::RuleTotals totals = found == view.rule_totals.end() ? cache::RuleTotals() : found->second;
    table.add(rule.settings.name, std::string(conf::to_string(rule.settings.mode)), rule.settings.ttl.count(),
              totals.hits(), totals.misses(), totals.joined, hit_rate(totals), totals.stored,
              totals.not_stored, sum(totals.refused), sum(totals.not_cached), totals.bytes,
              totals.look_ups[static_cast<size_t>(cache::LookUp::Invalidated)], totals.shadow_hits,
              totals.shadow_differences, reasons_of(totals));
  }
}

Result<void> flush_cache(const AdminCommand& command, const AdminView& view, cache::ResultCache& results) {
  switch (command.flush) {
    case FlushWish::All:
      for (const auto& database : view.databases) {
        cache::invalidate(database->scope.tables.all());
      }
      results.store.flush();
      return {};
    case FlushWish::Rule: {
      const auto& rules = view.config->cache_rules;
      const uint64_t id = cache::rule_id(command.argument);
      const bool exists =
          rules != nullptr && std::any_of(rules->rules().begin(), rules->rules().end(),
                                          [&](const cache::CacheRule& rule) { return rule.id == id; });
      if (!exists) {
        return no_such("cache rule", command.argument);
      }
      results.store.flush_rule(id);
      return {};
    }
    case FlushWish::Table: {
      bool found = false;
      for (const auto& database : view.databases) {
        const cache::CatalogRef catalog = database->scope.catalog.entry().catalog;
        const cache::Relation* relation =
            catalog != nullptr ? cache::relation_called(*catalog, command.argument) : nullptr;
        if (relation == nullptr) {
          continue;
        }
        found = true;
        for (const cache::Oid table : cache::closure_of_reads(*catalog, {relation->oid}).tables) {
          cache::invalidate(database->scope.tables.of(table));
        }
      }
      return found ? Result<void>() : no_such("table", command.argument);
    }
  }
  return {};
}

}  // namespace sportello::proxy
