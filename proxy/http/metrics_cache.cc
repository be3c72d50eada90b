#include "proxy/admin/admin_cache.h"
#include "proxy/http/metrics_page.h"

namespace sportello::proxy {
namespace {

using Type = MetricsText::Type;
using cache::RuleTotals;

constexpr double kMilli = 1e-3;
constexpr double kMicro = 1e-6;

template <typename Number>
void write_one(MetricsText& out, const char* name, Type type, const char* help, Number value) {
  out.family(name, type, help);
  out.sample({}, value);
}

void write_store(MetricsText& out, const cache::ResultCache& results) {
  write_one(out, "sportello_cache_results", Type::Gauge, "Results that are kept.", results.store.size());
  write_one(out, "sportello_cache_memory_bytes", Type::Gauge, "Memory that they take, overhead included.",
            results.store.used_bytes());
  write_one(out, "sportello_cache_max_memory_bytes", Type::Gauge, "max_memory of [cache].",
            results.store.max_bytes());
  write_one(out, "sportello_cache_evictions_total", Type::Counter, "Results that made room for others.",
            results.store.evictions());
  write_one(out, "sportello_cache_flights", Type::Gauge, "Misses that are being asked of a server now.",
            results.flights.in_the_air());
  write_one(out, "sportello_cache_flights_total", Type::Counter, "Misses that were asked of a server.",
            results.flights.flown());
  write_one(out, "sportello_cache_flights_joined_total", Type::Counter,
            "Misses that waited for the answer to another.", results.flights.joined());
}

// ---- rules ----

struct RuleLine {
  std::string name;
  double ttl_seconds = 0;
  RuleTotals totals;
};

struct RuleFamily {
  uint64_t (*count)(const RuleTotals& totals);
  const char* name;
  const char* help;
};

constexpr RuleFamily kRuleFamilies[] = {
    {[](const RuleTotals& totals) { return totals.hits(); }, "sportello_cache_rule_hits_total",
     "Reads that were answered from memory."},
    {[](const RuleTotals& totals) { return totals.joined; }, "sportello_cache_rule_joined_total",
     "Misses that the answer to another miss served."},
    {[](const RuleTotals& totals) { return totals.stored; }, "sportello_cache_rule_stored_total",
     "Results that were kept."},
    {[](const RuleTotals& totals) { return totals.not_stored; }, "sportello_cache_rule_not_stored_total",
     "Results that were not: a table was written meanwhile, or there was no room."},
    {[](const RuleTotals& totals) { return totals.bytes; }, "sportello_cache_rule_sent_bytes_total",
     "Bytes of answers from memory."},
    {[](const RuleTotals& totals) { return totals.shadow_hits; }, "sportello_cache_rule_shadow_hits_total",
     "With mode = \"shadow\": reads that would have been answered from memory."},
    {[](const RuleTotals& totals) { return totals.shadow_differences; },
     "sportello_cache_rule_shadow_differences_total",
     "Of these, those to which the server said something else."},
};

template <typename Reason, size_t kValues>
void write_reasons(MetricsText& out, const std::vector<RuleLine>& rules, const char* name, const char* help,
                   std::array<uint64_t, kValues> RuleTotals::*counts, size_t first) {
  out.family(name, Type::Counter, help);
  for (const RuleLine& rule : rules) {
    for (size_t i = first; i < kValues; i++) {
      out.sample({{"rule", rule.name}, {"reason", to_string(static_cast<Reason>(i))}},
                 (rule.totals.*counts)[i]);
    }
  }
}

void write_rules(MetricsText& out, const AdminView& view) {
  std::vector<RuleLine> rules;
  for (const cache::CacheRule& rule : view.config->cache_rules->rules()) {
    const auto found = view.rule_totals.find(rule.id);
    rules.push_back({rule.settings.name, static_cast<double>(rule.settings.ttl.count()) * kMilli,
                     found == view.rule_totals.end() ? RuleTotals() : found->second});
  }
  out.family("sportello_cache_rule_ttl_seconds", Type::Gauge,
             "How long a result of the rule is served at most.");
  for (const RuleLine& rule : rules) {
    out.sample({{"rule", rule.name}}, rule.ttl_seconds);
  }
  for (const RuleFamily& family : kRuleFamilies) {
    out.family(family.name, Type::Counter, family.help);
    for (const RuleLine& rule : rules) {
      out.sample({{"rule", rule.name}}, family.count(rule.totals));
    }
  }
  // What begins at zero is the good outcome of each: a hit, allowed, nothing refused.
  constexpr size_t kBad = 1;
  static_assert(static_cast<size_t>(cache::LookUp::Hit) == 0 &&
                static_cast<size_t>(cache::NotCached::Allowed) == 0 &&
                static_cast<size_t>(cache::Refusal::None) == 0);
  write_reasons<cache::LookUp>(out, rules, "sportello_cache_rule_misses_total",
                               "Reads that were looked for and not answered from memory.",
                               &RuleTotals::look_ups, kBad);
  write_reasons<cache::NotCached>(out, rules, "sportello_cache_rule_not_cached_total",
                                  "Reads that the rule takes and that were not looked for.",
                                  &RuleTotals::not_cached, kBad);
  write_reasons<cache::Refusal>(out, rules, "sportello_cache_rule_refused_total",
                                "Answers of servers that are not for keeping.", &RuleTotals::refused, kBad);
}

// ---- what holds, and the followers ----

struct Guarded {
  std::string database;
  CacheGuarantee guarantee;
};

template <typename Value>
void write_followers(MetricsText& out, const std::vector<Guarded>& all, const char* name, Type type,
                     const char* help, const Value& value) {
  out.family(name, type, help);
  for (const Guarded& each : all) {
    if (each.guarantee.follower.state != FollowerState::Off) {
      if (const auto known = value(each.guarantee.follower)) {
        out.sample({{"database", each.database}}, *known);
      }
    }
  }
}

std::optional<double> known_lag(int64_t lag, double unit) {
  return lag < 0 ? std::nullopt : std::optional(static_cast<double>(lag) * unit);
}

void write_guarantees(MetricsText& out, const std::vector<Guarded>& all) {
  out.family("sportello_cache_serves", Type::Gauge,
             "1: what is kept of the database is served, by the guarantee that it was configured for.");
  for (const Guarded& each : all) {
    out.sample({{"database", each.database}}, each.guarantee.is_served() ? 1 : 0);
  }
  out.family("sportello_cache_guarantee", Type::Gauge, "1, for the guarantee in force.");
  for (const Guarded& each : all) {
    out.sample({{"database", each.database},
                {"invalidation", each.guarantee.follows_log ? "wal" : "proxy"},
                {"guarantee", each.guarantee.words()}},
               1);
  }
  out.family("sportello_follower_state", Type::Gauge,
             "1 for the state of the follower of the database's log.");
  for (const Guarded& each : all) {
    for (const FollowerState state : {FollowerState::Off, FollowerState::Connecting, FollowerState::Preparing,
                                      FollowerState::Settling, FollowerState::Following}) {
      out.sample({{"database", each.database}, {"state", follower_state_name(state)}},
                 each.guarantee.follower.state == state ? 1 : 0);
    }
  }
  write_followers(out, all, "sportello_follower_guards", Type::Gauge,
                  "1: it is near enough to the log's end that what it guards is served.",
                  [](const FollowerFacts& facts) { return std::optional(facts.guards ? 1 : 0); });
  write_followers(out, all, "sportello_follower_wal_position_bytes", Type::Gauge,
                  "Up to where the log has been taken into account.",
                  [](const FollowerFacts& facts) { return std::optional(facts.applied.value); });
  write_followers(out, all, "sportello_follower_lag_bytes", Type::Gauge,
                  "From there to the log's end, where that is known.",
                  [](const FollowerFacts& facts) { return known_lag(facts.lag_bytes, 1); });
  write_followers(out, all, "sportello_follower_lag_seconds", Type::Gauge,
                  "Since when it is not at the log's end, where that is known.",
                  [](const FollowerFacts& facts) { return known_lag(facts.lag_us, kMicro); });
  write_followers(out, all, "sportello_follower_commits_total", Type::Counter,
                  "Commits in the log that touched tables of the publication.",
                  [](const FollowerFacts& facts) { return std::optional(facts.commits); });
  write_followers(out, all, "sportello_follower_fences", Type::Gauge,
                  "Of these, those that are not visible on the primary yet.",
                  [](const FollowerFacts& facts) { return std::optional(facts.fences); });
  write_followers(out, all, "sportello_follower_reconnects_total", Type::Counter,
                  "Times that the log could not be followed on, and everything was forgotten.",
                  [](const FollowerFacts& facts) { return std::optional(facts.reconnects); });
}

}  // namespace

void write_cache_metrics(MetricsText& out, const OperatorView& view,
                         const std::vector<std::shared_ptr<DatabaseRuntime>>& databases) {
  const RuntimeConfig& config = *view.shared.config;
  write_store(out, *view.shared.results);
  if (config.cache_rules == nullptr) {
    return;
  }
  write_rules(out, view.shared);
  std::vector<Guarded> guarded;
  for (const auto& database : databases) {
    if (config.caches(database->name)) {
      guarded.push_back({database->name, guarantee_of(*database, config.conf)});
    }
  }
  write_guarantees(out, guarded);
}

}  // namespace sportello::proxy
