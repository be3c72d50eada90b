#include "proxy/setup/server_survey.h"

#include <algorithm>
#include <charconv>

#include "cache/cache_rules.h"
#include "cache/catalog_load.h"
#include "cache/relation_closure.h"
#include "protocol/sql/statement_parser.h"
#include "proxy/control/own_login.h"
#include "proxy/net/pq_connection.h"

namespace sportello::proxy {
namespace {

constexpr std::chrono::milliseconds kConnectDeadline{5'000};
constexpr std::chrono::milliseconds kAnswerDeadline{20'000};
constexpr size_t kMostTables = 100'000;

constexpr const char* kServer =
    "SELECT current_setting('server_version_num'), pg_is_in_recovery(), current_user,"
    " (SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = current_user),"
    " (SELECT rolsuper OR pg_has_role(oid, 'pg_monitor', 'usage') FROM pg_roles WHERE rolname = "
    "current_user),"
    " current_setting('wal_level'), current_setting('max_replication_slots'), "
    "current_setting('max_wal_senders'),"
    " (SELECT count(*) FROM pg_replication_slots), (SELECT count(*) FROM pg_stat_replication)";

constexpr const char* kPublication =
    "SELECT pubinsert AND pubupdate AND pubdelete AND pubtruncate, pubviaroot FROM pg_publication WHERE "
    "pubname = $1";

// By OIDs, as text with commas.
constexpr const char* kTables =
    "SELECT c.oid, format('%I.%I', n.nspname, c.relname), c.relkind, c.relpersistence, c.relreplident,"
    " CASE c.relreplident WHEN 'f' THEN true WHEN 'i' THEN EXISTS (SELECT FROM pg_index i WHERE i.indrelid = "
    "c.oid"
    " AND i.indisreplident) WHEN 'd' THEN k.columns IS NOT NULL ELSE false END, k.columns,"
    " EXISTS (SELECT FROM pg_publication_tables t WHERE t.pubname = $2 AND t.schemaname = n.nspname"
    " AND t.tablename = c.relname AND (to_jsonb(t) ->> 'rowfilter') IS NULL)"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN LATERAL"
    " (SELECT '(' || string_agg(quote_ident(a.attname), ', ' ORDER BY o.place) || ')' FROM pg_index i"
    " CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY o(number, place)"
    " JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = o.number"
    " WHERE i.indrelid = c.oid AND i.indisprimary) k(columns) ON true"
    " WHERE c.oid = ANY (('{' || $1 || '}')::oid[]) ORDER BY 2";

int number_of(const std::optional<std::string>& text) {
  int number = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), number);
  return number;
}

// One thing after the other, each waited for.
class Conversation {
 public:
  std::string connect(const OwnLogin& login, PqConnection::Keywords keywords) {
    std::string why;
    connection_.connect(std::move(keywords), kConnectDeadline, [&](const Result<void>& result) {
      why = result.ok() ? "" : result.error().message;
      loop_.stop();
      is_done_ = true;
    });
    wait();
    if (connection_.lacked_password()) {
      why += login.has_hash_only ? "; auth_file has only a hash of its password"
                                 : "; no password is known for it";
    }
    return why;
  }

  Result<PqRows> ask(const PqQuery& query) {
    Result<PqRows> answer{PqRows()};
    connection_.query(query, kAnswerDeadline, [&](Result<PqRows> result) {
      answer = std::move(result);
      loop_.stop();
      is_done_ = true;
    });
    wait();
    return answer;
  }

 private:
  void wait() {
    if (!is_done_) loop_.run();
    is_done_ = false;
  }

  EventLoop loop_;
  bool is_done_ = false;
  PqConnection connection_{loop_};
};

Result<cache::CatalogRef> load_catalog(Conversation& server) {
  cache::CatalogLoad load;
  while (const auto question = load.next()) {
    PqQuery query{.sql = question->sql, .parameters = {}, .most_rows = question->most_rows};
    if (question->has_mark) query.parameters.emplace_back();
    Result<PqRows> rows = server.ask(query);
    if (!rows.ok()) return std::move(rows).error();
    if (Result<void> taken = load.answered(rows->rows); !taken.ok()) return std::move(taken).error();
  }
  return std::move(load).build();
}

// What a statement of a rule reads, its names looked up as by somebody with no search_path of his own.
void add_tables_of(const conf::CacheRule& rule, const cache::Catalog& catalog,
                   std::vector<cache::Oid>& tables, DatabaseFacts& facts) {
  std::string scratch;
  const sql::Shape shape = sql::measure_shape(rule.query, true, scratch);
  const std::vector<std::string> path = {"pg_catalog", "public"};
  const cache::ResolvedFacts resolved =
      cache::resolve(catalog, sql::parse_statement(rule.query, shape), {path, false});
  tables.insert(tables.end(), resolved.reads.begin(), resolved.reads.end());
  if (!resolved.known) {
    facts.rule_problems.push_back("cache rule \"" + rule.name + "\": not all is known of its query" +
                                  (resolved.reasons.empty() ? "" : ": " + resolved.reasons.front()));
  }
}

bool holds_for(const conf::CacheRule& rule, const std::string& database) {
  return rule.databases.empty() ||
         std::find(rule.databases.begin(), rule.databases.end(), database) != rule.databases.end();
}

std::string survey_rules(Conversation& server, const RuntimeConfig& config, const std::string& database,
                         DatabaseFacts& facts) {
  Result<cache::CatalogRef> catalog = load_catalog(server);
  if (!catalog.ok()) return catalog.error().message;
  const auto rules = std::make_shared<cache::CacheRules>(config.conf.cache);
  const cache::DatabaseRules bound(rules, database, **catalog);
  facts.rule_problems = bound.problems();
  std::vector<cache::Oid> tables = bound.tables();
  for (const conf::CacheRule& rule : config.conf.cache.rules) {
    if (!rule.query.empty() && holds_for(rule, database)) add_tables_of(rule, **catalog, tables, facts);
  }
  std::sort(tables.begin(), tables.end());
  tables.erase(std::unique(tables.begin(), tables.end()), tables.end());
  std::string list;
  for (const cache::Oid table : tables) list += (list.empty() ? "" : ",") + std::to_string(table);
  const Result<PqRows> rows = server.ask(
      {.sql = kTables, .parameters = {list, config.conf.cache.publication}, .most_rows = kMostTables});
  if (!rows.ok()) return rows.error().message;
  for (const PqRow& row : rows->rows) {
    facts.tables.push_back({.oid = static_cast<uint32_t>(std::stoul(row[0].value_or("0"))),
                            .name = row[1].value_or(""),
                            .kind = row[2].value_or("r")[0],
                            .persistence = row[3].value_or("p")[0],
                            .identity = row[4].value_or("d")[0],
                            .has_key = row[5] == "t",
                            .key_columns = row[6].value_or(""),
                            .is_covered = row[7] == "t"});
  }
  return "";
}

std::string survey_publication(Conversation& server, const std::string& name, DatabaseFacts& facts) {
  const Result<PqRows> rows = server.ask({.sql = kPublication, .parameters = {name}});
  if (!rows.ok()) return rows.error().message;
  facts.has_publication = !rows->rows.empty();
  if (facts.has_publication) {
    facts.publishes_all_kinds = rows->rows[0][0] == "t";
    facts.publishes_by_root = rows->rows[0][1] == "t";
  }
  return "";
}

std::string survey_itself(Conversation& server, DatabaseFacts& facts) {
  const Result<PqRows> rows = server.ask({.sql = kServer, .parameters = {}});
  if (!rows.ok()) return rows.error().message;
  const PqRow& row = rows->rows.at(0);
  facts.version = number_of(row[0]);
  facts.in_recovery = row[1] == "t";
  facts.user = row[2].value_or("");
  facts.may_replicate = row[3] == "t";
  facts.may_monitor = row[4] == "t";
  facts.wal_level = row[5].value_or("");
  facts.max_slots = number_of(row[6]);
  facts.max_senders = number_of(row[7]);
  facts.used_slots = number_of(row[8]);
  facts.used_senders = number_of(row[9]);
  return "";
}

// pg_hba.conf may let it in for questions and not for replication.
std::string try_replication(const OwnLogin& login) {
  Conversation server;
  PqConnection::Keywords keywords = login.keywords;
  keywords.emplace_back("replication", "database");
  return server.connect(login, std::move(keywords));
}

}  // namespace

DatabaseFacts survey_server(const RuntimeConfig& config, const SurveyWish& wish) {
  DatabaseFacts facts;
  const auto login = monitor_login_at(config, wish.database, wish.address, false);
  if (!login) {
    facts.unreachable = "nobody to log in as; set monitor_user";
    return facts;
  }
  Conversation server;
  facts.unreachable = server.connect(*login, login->keywords);
  if (facts.unreachable.empty()) facts.unreachable = survey_itself(server, facts);
  if (!facts.unreachable.empty() || !wish.for_rules) return facts;
  facts.unreachable = survey_publication(server, config.conf.cache.publication, facts);
  if (facts.unreachable.empty()) facts.unreachable = survey_rules(server, config, wish.database, facts);
  if (facts.unreachable.empty() && facts.may_replicate) facts.replication_refused = try_replication(*login);
  return facts;
}

PrimaryFacts survey_primary(const RuntimeConfig& config, const std::string& database, bool for_rules) {
  const conf::Database& entry = *config.database(database);
  std::vector<conf::ServerAddress> servers{entry.primary};
  servers.insert(servers.end(), entry.candidates.begin(), entry.candidates.end());
  size_t primary = 0;
  for (size_t i = 0; i < servers.size() && servers.size() > 1; i++) {
    const DatabaseFacts facts = survey_server(config, {database, servers[i], false});
    if (facts.unreachable.empty() && !facts.in_recovery) {
      primary = i;
      break;
    }
  }
  PrimaryFacts found{.address = servers[primary], .facts = {}, .others = servers};
  found.others.erase(found.others.begin() + static_cast<std::ptrdiff_t>(primary));
  found.facts = survey_server(config, {database, found.address, for_rules});
  return found;
}

}  // namespace sportello::proxy
