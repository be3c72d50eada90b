#include "proxy/admin/admin_explain.h"

#include <algorithm>
#include <iterator>

#include "cache/catalog.h"
#include "conf/enum_names.h"
#include "protocol/sqlstate.h"
#include "proxy/admin/admin_queries.h"
#include "proxy/pool/pool_runtime.h"
#include "proxy/router/database_names.h"
#include "proxy/router/router.h"
#include "proxy/worker.h"

namespace sportello::proxy {
namespace {

// As sql::StatementKind has them.
constexpr std::string_view kKindNames[] = {"empty",
                                           "read",
                                           "write",
                                           "DDL",
                                           "BEGIN",
                                           "COMMIT",
                                           "ROLLBACK",
                                           "SAVEPOINT",
                                           "RELEASE",
                                           "ROLLBACK TO",
                                           "PREPARE TRANSACTION",
                                           "COMMIT PREPARED",
                                           "ROLLBACK PREPARED",
                                           "SET",
                                           "SHOW",
                                           "PREPARE",
                                           "EXECUTE",
                                           "DEALLOCATE",
                                           "DECLARE",
                                           "FETCH",
                                           "CLOSE",
                                           "LISTEN",
                                           "UNLISTEN",
                                           "NOTIFY",
                                           "COPY",
                                           "LOCK",
                                           "EXPLAIN",
                                           "CALL",
                                           "DO",
                                           "LOAD",
                                           "DISCARD",
                                           "utility",
                                           "several statements",
                                           "unknown"};
static_assert(static_cast<size_t>(sql::StatementKind::Unknown) + 1 == std::size(kKindNames));

// Pools may keep a node out for reasons of their own; that is not asked here.
class AnyNode final : public NodeFilter {
 public:
  bool may_use(size_t) override { return true; }
};

std::string joined(const auto& items, auto&& text_of) {
  std::string out;
  for (const auto& item : items) {
    out.append(out.empty() ? "" : ", ").append(text_of(item));
  }
  return out;
}

std::string names_of(const std::vector<sql::RelationName>& names) {
  return joined(names, [](const sql::RelationName& each) {
    return each.schema.empty() ? each.name : each.schema + "." + each.name;
  });
}

std::string tables_of(const std::vector<cache::Oid>& tables, const cache::Catalog& catalog) {
  return joined(tables, [&](cache::Oid each) { return catalog.name_of(each); });
}

void add_facts(AdminTable& table, const sql::StatementFacts& facts) {
  const auto kind = static_cast<size_t>(facts.multi ? sql::StatementKind::Multi : facts.kind);
  table.add("kind", kKindNames[kind]);
  if (facts.fingerprint != 0) {
    table.add("fingerprint", fingerprint_text(facts.fingerprint));
  }
  const auto add = [&](std::string_view step, const std::string& result) {
    if (!result.empty()) {
      table.add(step, result);
    }
  };
  add("reads", names_of(facts.reads));
  add("writes", names_of(facts.writes));
  add("functions", joined(facts.functions, [](const std::string& each) { return each; }));
}

void add_meaning(AdminTable& table, const cache::ResolvedFacts& meaning, const cache::Catalog& catalog) {
  table.add("tables read", meaning.reads_unknown ? "any" : tables_of(meaning.reads, catalog));
  table.add("tables written", meaning.writes_unknown ? "any" : tables_of(meaning.writes, catalog));
  for (const std::string& reason : meaning.reasons) {
    table.add("note", reason);
  }
}

// Which rule takes it, and whether it would be answered from memory; if not, why.
void add_cache(AdminTable& table, const RuntimeConfig& config, const CacheVerdict& verdict,
               const DatabaseScope& scope) {
  if (verdict.rule == nullptr) {
    table.add("cached", verdict.meaning == nullptr ? "no: the catalog is not known"
                                                   : "no: " + std::string(to_string(verdict.why)));
    return;
  }
  const conf::CacheRule& rule = verdict.rule->settings;
  table.add("cache rule", rule.name);
  if (verdict.why != cache::NotCached::Allowed) {
    table.add("cached", "no: " + std::string(to_string(verdict.why)));
    return;
  }
  const bool by_log = config.conf.cache.invalidation == conf::Invalidation::Wal && !rule.untracked_tables;
  const cache::NotCached guard = !by_log                   ? cache::NotCached::Allowed
                                 : !verdict.is_followed    ? cache::NotCached::NotFollowed
                                 : scope.follower.guards() ? cache::NotCached::Allowed
                                                           : cache::NotCached::Unguarded;
  std::string words = guard == cache::NotCached::Allowed ? "yes" : "no: " + std::string(to_string(guard));
  if (guard == cache::NotCached::Allowed) {
    words += ", for " + std::to_string(rule.ttl.count()) + " ms at most";
    words += rule.shared ? ", shared by all users" : ", for this user alone";
    words += rule.mode == conf::CacheMode::Shadow ? "; in shadow: the server answers all the same" : "";
  }
  table.add("cached", words);
}

std::string position_words(const cache::FreshnessBoard& board, uint64_t sequence) {
  const std::optional<Lsn> position = board.position_of(sequence);
  return "write " + std::to_string(sequence) +
         (position ? " at " + to_string(*position) : ", whose position is not known yet");
}

void add_nodes(AdminTable& table, const NodeSet& set, conf::Freshness freshness,
               const cache::ReadNeeds& needs) {
  for (size_t i = 0; i < set.nodes.size(); i++) {
    const NodeRuntime& node = *set.nodes[i];
    const auto lag = std::chrono::microseconds(node.lag_us.load());
    std::string words(node_role_name(node.role.load()));
    words += node.reachable.load() ? "" : ", not reachable";
    if (i > 0) {
      const bool reached = freshness == conf::Freshness::Bounded
                               ? lag.count() >= 0 && lag <= set.max_lag
                               : node.position->reached() >= needs.last_write;
      words += ", at write " + std::to_string(node.position->reached());
      words += lag.count() < 0 ? ", lag not known" : ", lag " + std::to_string(lag.count()) + " us";
      words += reached ? ": has come far enough" : ": has not come far enough";
    }
    words += ", " + std::to_string(node.in_flight.load()) + " in flight, weight " +
             std::to_string(node.address.weight);
    table.add("node " + server_name(node.address), words);
  }
}

struct Asked {
  std::shared_ptr<DatabaseRuntime> database;
  std::string role;
};

Result<Asked> who_asks(const AdminCommand& command, const AdminView& view) {
  std::string name = command.argument;
  if (name.empty()) {
    for (const auto& [configured, entry] : view.config->conf.databases) {
      if (configured != "*" && !name.empty()) {
        return Error{sqlstate::kInvalidParameterValue, "there are several databases", "",
                     "Say which: EXPLAIN database statement."};
      }
      name = configured != "*" ? configured : name;
    }
  }
  const auto found = std::find_if(view.databases.begin(), view.databases.end(),
                                  [&](const auto& each) { return each->name == name; });
  if (found == view.databases.end()) {
    return Error{sqlstate::kInvalidCatalogName, "no such database, or nobody has used it yet: " + name};
  }
  return Asked{*found, view.config->server_user(name, command.user)};
}

}  // namespace

AdminColumns explain_columns() { return {{"step", AdminType::Text}, {"result", AdminType::Text}}; }

Result<AdminTable> explain(const AdminCommand& command, const AdminView& view, Worker& worker) {
  const auto asked = who_asks(command, view);
  if (!asked) {
    return asked.error();
  }
  DatabaseScope& scope = asked->database->scope;
  AdminTable table{explain_columns(), {}};
  const sql::FactsPtr facts = worker.session_context().facts->look_up(command.statement, true);
  add_facts(table, *facts);

  // Its own, so that this role's names are nobody else's.
  DatabaseNames names{std::shared_ptr<DatabaseScope>(asked->database, &scope)};
  const Settings settings = intern_settings(SettingsValues());
  const Meaning* meaning = names.meaning_of(facts, *settings, {0, &asked->role});
  const cache::CatalogRef catalog = scope.catalog.entry().catalog;
  if (meaning != nullptr && catalog != nullptr) {
    add_meaning(table, meaning->facts, *catalog);
  }

  if (view.config->caches(asked->database->name)) {
    cache::WorkerRuleCounts counted_nowhere;
    names.use_rules(view.config->cache_rules, asked->database->name, counted_nowhere);
    const cache::Asker asker{.user = command.user, .application_name = ""};
    add_cache(table, *view.config, names.judge(facts, *settings, {0, &asked->role}, asker), scope);
  }

  const NodeSetRef set = asked->database->current_nodes();
  if (set == nullptr || set->nodes.size() < 2) {
    table.add("goes to", "the primary: the database has no replicas");
    return table;
  }
  RouteReason reason = text_route(*facts);
  if (reason == RouteReason::Replica && worker.names(asked->database)->is_refused(facts->fingerprint)) {
    reason = RouteReason::ShapeRefused;
  }
  if (reason == RouteReason::Replica) {
    reason = meaning != nullptr ? meaning->route : RouteReason::NamesUnknown;
  }
  Route route{0, reason};
  if (reason == RouteReason::Replica) {
    const conf::Freshness freshness =
        view.config->client_settings(asked->database->name, command.user).freshness;
    const cache::ReadNeeds needs = read_needs(freshness, meaning->reads, scope.tables.all(), 0);
    table.add("freshness", conf::to_string(freshness));
    table.add("floor", position_words(scope.board, needs.last_write));
    AnyNode any;
    route = choose_node(*set, freshness, needs, any);
    add_nodes(table, *set, freshness, needs);
  }
  const std::string where =
      route.node == 0 ? "the primary" : "the replica at " + server_name(set->nodes[route.node]->address);
  table.add("goes to", where + ": " + std::string(route_reason_words(route.reason)));
  if (set->routing != conf::Routing::On) {
    table.add("note", "routing is not on: all goes to the primary");
  }
  return table;
}

}  // namespace sportello::proxy
