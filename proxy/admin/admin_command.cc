#include "proxy/admin/admin_command.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "protocol/sql/lexer.h"
#include "protocol/sqlstate.h"

namespace sportello::proxy {
namespace {

using sql::Token;
using sql::TokenKind;

bool same_word(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return sql::to_lower(x) == sql::to_lower(y); });
}

// ---- the tables ----

enum class Argument : uint8_t { None, OptionalDatabase, Database, Client, ShutdownMode, Cache };

struct VerbRow {
  std::string_view word;
  AdminVerb verb;
  Argument argument;
  std::string_view help;
};

constexpr VerbRow kVerbs[] = {
    {"RELOAD", AdminVerb::Reload, Argument::None, "RELOAD"},
    {"PAUSE", AdminVerb::Pause, Argument::OptionalDatabase, "PAUSE [<db>]"},
    {"RESUME", AdminVerb::Resume, Argument::OptionalDatabase, "RESUME [<db>]"},
    {"DISABLE", AdminVerb::Disable, Argument::Database, "DISABLE <db>"},
    {"ENABLE", AdminVerb::Enable, Argument::Database, "ENABLE <db>"},
    {"RECONNECT", AdminVerb::Reconnect, Argument::OptionalDatabase, "RECONNECT [<db>]"},
    {"KILL", AdminVerb::Kill, Argument::OptionalDatabase, "KILL [<db>]"},
    {"KILL_CLIENT", AdminVerb::KillClient, Argument::Client, "KILL_CLIENT <id>"},
    {"FLUSH", AdminVerb::FlushCache, Argument::Cache, "FLUSH CACHE [TABLE <table>|RULE <rule>]"},
    {"SUSPEND", AdminVerb::Suspend, Argument::None, "SUSPEND"},
    {"SHUTDOWN", AdminVerb::Shutdown, Argument::ShutdownMode, "SHUTDOWN [WAIT_FOR_SERVERS|WAIT_FOR_CLIENTS]"},
    {"WAIT_CLOSE", AdminVerb::WaitClose, Argument::OptionalDatabase, "WAIT_CLOSE [<db>]"},
};

struct TopicRow {
  std::string_view word;
  ShowTopic topic;
};

constexpr TopicRow kTopics[] = {
    {"HELP", ShowTopic::Help},
    {"CONFIG", ShowTopic::Config},
    {"DATABASES", ShowTopic::Databases},
    {"POOLS", ShowTopic::Pools},
    {"QUERIES", ShowTopic::Queries},
    {"CLIENTS", ShowTopic::Clients},
    {"SERVERS", ShowTopic::Servers},
    {"USERS", ShowTopic::Users},
    {"VERSION", ShowTopic::Version},
    {"STATS", ShowTopic::Stats},
    {"STATS_TOTALS", ShowTopic::StatsTotals},
    {"STATS_AVERAGES", ShowTopic::StatsAverages},
    {"TOTALS", ShowTopic::Totals},
    {"LISTS", ShowTopic::Lists},
    {"MEM", ShowTopic::Mem},
    {"NODES", ShowTopic::Nodes},
    {"ROUTES", ShowTopic::Routes},
    {"TABLES", ShowTopic::Tables},
    {"CACHE RULES", ShowTopic::CacheRules},
    {"CACHE", ShowTopic::Cache},
    {"STATE", ShowTopic::State},
    {"SOCKETS", ShowTopic::Sockets},
    {"ACTIVE_SOCKETS", ShowTopic::ActiveSockets},
    {"FDS", ShowTopic::Fds},
    {"PEERS", ShowTopic::Peers},
    {"PEER_POOLS", ShowTopic::PeerPools},
    {"DNS_HOSTS", ShowTopic::DnsHosts},
    {"DNS_ZONES", ShowTopic::DnsZones},
};

constexpr DriverParameter kParameters[] = {
    {"application_name", ""},
    {"bytea_output", "hex"},
    {"client_encoding", "UTF8", true},
    {"client_min_messages", "notice"},
    {"DateStyle", "ISO, MDY", true},
    {"default_transaction_isolation", "read committed"},
    {"default_transaction_read_only", "off", true},
    {"extra_float_digits", "1"},
    {"idle_in_transaction_session_timeout", "0"},
    {"in_hot_standby", "off", true},
    {"integer_datetimes", "on", true},
    {"IntervalStyle", "postgres", true},
    {"is_superuser", "off", true},
    {"jit", "off"},
    {"lock_timeout", "0"},
    {"max_identifier_length", "63"},
    {"row_security", "on"},
    {"search_path", ""},
    {"server_encoding", "UTF8", true},
    {"server_version", "15.0 (Sportello)", true},
    {"server_version_num", "150000"},
    {"standard_conforming_strings", "on", true},
    {"statement_timeout", "0"},
    {"synchronous_commit", "on"},
    {"TimeZone", "GMT", true},
    {"transaction_isolation", "read committed"},
    {"transaction_read_only", "off"},
};

const DriverParameter* find_parameter(std::string_view name) {
  const auto* found = std::find_if(std::begin(kParameters), std::end(kParameters),
                                   [&](const DriverParameter& each) { return same_word(each.name, name); });
  return found == std::end(kParameters) ? nullptr : found;
}

// The functions that drivers and agents call on a server they do not know yet.
struct FunctionRow {
  std::string_view name;
  bool needs_parentheses;
  AdminType type;
  SelectItem::Source source;
  std::string_view value = "";
};

constexpr FunctionRow kFunctions[] = {
    {"version", true, AdminType::Text, SelectItem::Source::Version},
    {"current_database", true, AdminType::Text, SelectItem::Source::Database},
    {"current_catalog", false, AdminType::Text, SelectItem::Source::Database},
    {"current_schema", false, AdminType::Text, SelectItem::Source::Schema},
    {"current_user", false, AdminType::Text, SelectItem::Source::User},
    {"session_user", false, AdminType::Text, SelectItem::Source::User},
    {"user", false, AdminType::Text, SelectItem::Source::User},
    {"pg_backend_pid", true, AdminType::Int4, SelectItem::Source::ProcessId},
    {"pg_is_in_recovery", true, AdminType::Bool, SelectItem::Source::Literal, "f"},
    {"pg_advisory_unlock_all", true, AdminType::Text, SelectItem::Source::Literal, ""},
};

// ---- one command ----

std::string unquote(std::string_view text, char quote) {
  std::string out;
  text = text.substr(1, text.size() - 2);
  for (size_t i = 0; i < text.size(); i++) {
    out.push_back(text[i]);
    if (text[i] == quote) {
      i++;
    }
  }
  return out;
}

// Of '…' and $tag$…$tag$; of other strings nothing.
std::string string_value(std::string_view text) {
  if (text.starts_with('\'')) {
    return unquote(text, '\'');
  }
  if (text.starts_with('$')) {
    const size_t tag = text.find('$', 1) + 1;
    return std::string(text.substr(tag, text.size() - 2 * tag));
  }
  return "";
}

// Statements that may have a string as their second or third word.
constexpr std::string_view kBeforeString[] = {"SELECT",   "LOAD",    "DO",  "COMMIT",
                                              "ROLLBACK", "PREPARE", "SHOW"};

// What statements begin with: before one of these, other names are those of a database and a user.
constexpr std::string_view kStatementWords[] = {
    "ABORT",    "ALTER",   "ANALYZE", "BEGIN",   "CALL",    "CHECKPOINT", "CLOSE",    "CLUSTER",
    "COMMENT",  "COMMIT",  "COPY",    "CREATE",  "DECLARE", "DEALLOCATE", "DELETE",   "DISCARD",
    "DO",       "DROP",    "END",     "EXECUTE", "EXPLAIN", "FETCH",      "GRANT",    "IMPORT",
    "INSERT",   "LISTEN",  "LOAD",    "LOCK",    "MERGE",   "MOVE",       "NOTIFY",   "PREPARE",
    "REASSIGN", "REFRESH", "REINDEX", "RELEASE", "RESET",   "REVOKE",     "ROLLBACK", "SAVEPOINT",
    "SECURITY", "SELECT",  "SET",     "SHOW",    "START",   "TABLE",      "TRUNCATE", "UNLISTEN",
    "UPDATE",   "VACUUM",  "VALUES",  "WITH"};

template <size_t kCount>
bool is_one_of(const Token& token, const std::string_view (&words)[kCount]) {
  return token.kind == TokenKind::Word &&
         std::any_of(std::begin(words), std::end(words),
                     [&](std::string_view word) { return same_word(token.text, word); });
}

Error syntax_error(std::string message) {
  return {sqlstate::kSyntaxError, std::move(message), "", "The console knows:\n" + admin_help()};
}

class Parser {
 public:
  // `tokens` are those of one command, its semicolon taken off, at least one.
  Parser(std::span<const Token> tokens, std::string_view text) : tokens_(tokens), text_(text) {}

  Result<AdminCommand> parse() {
    if (accept("SHOW")) {
      return show();
    }
    if (accept("SELECT")) {
      return select();
    }
    if (accept("SET")) {
      return set();
    }
    if (accept("EXPLAIN")) {
      return explain();
    }
    for (const VerbRow& row : kVerbs) {
      if (accept(row.word)) {
        return console_command(row);
      }
    }
    return driver_command();
  }

 private:
  const Token& peek(size_t ahead = 0) const {
    static const Token end;
    return at_ + ahead < tokens_.size() ? tokens_[at_ + ahead] : end;
  }
  bool at_end() const { return at_ >= tokens_.size(); }
  bool is_name() const { return is_name_at(0); }
  bool is_name_at(size_t ahead) const {
    return peek(ahead).kind == TokenKind::Word || peek(ahead).kind == TokenKind::QuotedIdentifier;
  }

  bool accept(std::string_view word) {
    if (peek().kind != TokenKind::Word || !same_word(peek().text, word)) {
      return false;
    }
    at_++;
    return true;
  }
  bool accept(char punctuation) {
    if (!peek().is(punctuation)) {
      return false;
    }
    at_++;
    return true;
  }

  std::string take_name() {
    const Token& token = tokens_[at_++];
    return token.kind == TokenKind::QuotedIdentifier ? unquote(token.text, '"') : std::string(token.text);
  }

  // Of the unknown command, as much as is good to read in a log.
  Error invalid() const {
    constexpr size_t kShown = 100;
    std::string shown(text_.substr(0, kShown));
    std::replace_if(
        shown.begin(), shown.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
    return syntax_error("invalid command '" + shown + "', use SHOW HELP;");
  }

  Result<AdminCommand> finished(AdminCommand command) const {
    if (!at_end()) {
      return invalid();
    }
    return command;
  }
  // What follows does not matter.
  static AdminCommand ignored(std::string_view tag) {
    return {.verb = AdminVerb::Ignored, .tag = std::string(tag)};
  }

  // A statement's first word, or a parenthesis behind a name.
  bool begins_statement_at(size_t ahead) const {
    return is_one_of(peek(ahead), kStatementWords) || (ahead > 0 && peek(ahead).is('('));
  }

  // Of a database and a user, before a statement that is no string.
  size_t names_before_statement() const {
    constexpr size_t kMost = 2;
    for (size_t names = 0; names <= kMost; names++) {
      if (begins_statement_at(names)) {
        return names;
      }
      if (!is_name_at(names)) {
        break;
      }
    }
    return 0;
  }

  void take_names(size_t names, AdminCommand& command) {
    if (names > 0) {
      command.argument = take_name();
    }
    if (names > 1) {
      command.user = take_name();
    }
  }

  // Behind names of database and user, what stands there up to the end is the statement, or the string that
  // stands there has it.
  Result<AdminCommand> explain() {
    AdminCommand command{.verb = AdminVerb::Explain, .tag = "EXPLAIN"};
    if (at_end()) {
      return syntax_error("EXPLAIN wants a statement");
    }
    const size_t names = tokens_.size() - at_ - 1;
    const Token& last = tokens_.back();
    const bool is_text = last.kind == TokenKind::String || last.kind == TokenKind::DollarString;
    const bool named =
        (names == 0 || is_name()) && (names < 2 || is_name_at(1)) && !is_one_of(peek(), kBeforeString);
    if (!is_text || names > 2 || !named) {
      take_names(names_before_statement(), command);
      const char* begin = peek().text.data();
      command.statement.assign(begin, last.text.data() + last.text.size());
      return command;
    }
    take_names(names, command);
    command.statement = string_value(last.text);
    if (command.statement.empty()) {
      return syntax_error("EXPLAIN wants a statement, in '…' or $$…$$");
    }
    return command;
  }

  Result<AdminCommand> console_command(const VerbRow& row) {
    AdminCommand command{.verb = row.verb, .tag = std::string(row.word)};
    switch (row.argument) {
      case Argument::None:
        break;
      case Argument::OptionalDatabase:
      case Argument::Database:
        if (is_name()) {
          command.argument = take_name();
        } else if (row.argument == Argument::Database || !at_end()) {
          return at_end() ? syntax_error("a database is required") : invalid();
        }
        break;
      case Argument::Client: {
        const std::string_view id = peek().text;
        const auto parsed = std::from_chars(id.data(), id.data() + id.size(), command.client);
        if (peek().kind != TokenKind::Number || parsed.ec != std::errc() ||
            parsed.ptr != id.data() + id.size()) {
          return syntax_error("KILL_CLIENT wants the id of a client, as SHOW CLIENTS shows it");
        }
        at_++;
        break;
      }
      case Argument::Cache:
        if (!accept("CACHE")) {
          return syntax_error("FLUSH wants CACHE");
        }
        command.tag = "FLUSH CACHE";
        if (accept("TABLE")) {
          command.flush = FlushWish::Table;
        } else if (accept("RULE")) {
          command.flush = FlushWish::Rule;
        }
        if (command.flush != FlushWish::All) {
          if (!is_name()) {
            return syntax_error("FLUSH CACHE TABLE and RULE want a name");
          }
          command.argument = take_name();
          if (command.flush == FlushWish::Table && accept('.') && is_name()) {
            command.argument += "." + take_name();
          }
        }
        break;
      case Argument::ShutdownMode:
        if (accept("WAIT_FOR_SERVERS")) {
          command.shutdown = ShutdownWish::WaitForServers;
        } else if (accept("WAIT_FOR_CLIENTS")) {
          command.shutdown = ShutdownWish::WaitForClients;
        }
        break;
    }
    return finished(std::move(command));
  }

  Result<AdminCommand> show() {
    if (!is_name()) {
      return invalid();
    }
    std::string name = take_name();
    if (same_word(name, "cache") && accept("rules")) {
      name = "CACHE RULES";
    }
    for (const TopicRow& row : kTopics) {
      if (same_word(name, row.word)) {
        return finished({.verb = AdminVerb::Show, .topic = row.topic, .tag = "SHOW"});
      }
    }
    if (same_word(name, "transaction") && accept("isolation") && accept("level")) {
      name = "transaction_isolation";
    } else if (same_word(name, "time") && accept("zone")) {
      name = "TimeZone";
    }
    const DriverParameter* parameter = find_parameter(name);
    if (parameter == nullptr) {
      return invalid();
    }
    AdminCommand command{.verb = AdminVerb::Select, .tag = "SHOW"};
    command.select.push_back(
        {{std::string(parameter->name)}, SelectItem::Source::Literal, std::string(parameter->value)});
    return finished(std::move(command));
  }

  Result<AdminCommand> set() {
    if (!accept("SESSION")) {
      accept("LOCAL");
    }
    if (accept("CHARACTERISTICS") || accept("TRANSACTION") || accept("NAMES") ||
        (peek().is_word("time") && peek(1).is_word("zone"))) {
      return ignored("SET");
    }
    if (!is_name()) {
      return invalid();
    }
    std::string name = take_name();
    if (!accept("TO") && peek().text != "=") {
      return invalid();
    }
    if (find_parameter(name) != nullptr) {
      return ignored("SET");
    }
    at_ += peek().text == "=" ? 1 : 0;
    return AdminCommand{
        .verb = AdminVerb::SetConfig, .argument = std::move(name), .value = rest_as_value(), .tag = "SET"};
  }

  // What stands there, up to the end: one string's value, or the text as it is (such as scram-sha-256).
  std::string rest_as_value() const {
    if (at_end()) {
      return "";
    }
    const Token& last = tokens_.back();
    if (at_ + 1 == tokens_.size() && last.kind == TokenKind::String) {
      return string_value(last.text);
    }
    const char* begin = peek().text.data();
    return std::string(begin, last.text.data() + last.text.size());
  }

  Result<AdminCommand> select() {
    AdminCommand command{.verb = AdminVerb::Select, .tag = "SELECT 1"};
    do {
      auto item = select_item();
      if (!item) {
        return invalid();
      }
      command.select.push_back(std::move(*item));
    } while (accept(','));
    return finished(std::move(command));
  }

  std::optional<SelectItem> select_item() {
    auto item = value();
    if (!item) {
      return std::nullopt;
    }
    if (peek().text == "::" && peek(1).kind == TokenKind::Word) {
      at_ += 2;  // a cast changes nothing that a driver would notice
    }
    if (accept("AS") ? is_name() : is_name()) {
      item->column.name = take_name();
    }
    return item;
  }

  std::optional<SelectItem> value() {
    const Token token = peek();
    const std::string nameless = "?column?";
    if (token.kind == TokenKind::Number) {
      at_++;
      int32_t number = 0;
      const auto parsed = std::from_chars(token.text.data(), token.text.data() + token.text.size(), number);
      const bool is_int4 = parsed.ec == std::errc() && parsed.ptr == token.text.data() + token.text.size();
      return SelectItem{{nameless, is_int4 ? AdminType::Int4 : AdminType::Text},
                        SelectItem::Source::Literal,
                        is_int4 ? std::to_string(number) : std::string(token.text)};
    }
    if (token.kind == TokenKind::String && token.text.front() == '\'' &&
        token.text.find('\n') == std::string_view::npos) {
      at_++;
      return SelectItem{{nameless}, SelectItem::Source::Literal, unquote(token.text, '\'')};
    }
    if (accept("NULL")) {
      return SelectItem{{nameless}, SelectItem::Source::Null};
    }
    if (accept("TRUE") || accept("FALSE")) {
      return SelectItem{
          {"bool", AdminType::Bool}, SelectItem::Source::Literal, token.is_word("true") ? "t" : "f"};
    }
    return function();
  }

  std::optional<SelectItem> function() {
    if (peek().is_word("pg_catalog") && peek(1).is('.')) {
      at_ += 2;
    }
    if (accept("current_setting")) {
      return current_setting();
    }
    for (const FunctionRow& row : kFunctions) {
      if (!accept(row.name)) {
        continue;
      }
      if (accept('(') ? !accept(')') : row.needs_parentheses) {
        return std::nullopt;
      }
      return SelectItem{{std::string(row.name), row.type}, row.source, std::string(row.value)};
    }
    return std::nullopt;
  }

  std::optional<SelectItem> current_setting() {
    if (!accept('(') || peek().kind != TokenKind::String || peek().text.front() != '\'') {
      return std::nullopt;
    }
    const DriverParameter* parameter = find_parameter(unquote(tokens_[at_++].text, '\''));
    if (accept(',')) {
      at_++;  // missing_ok
    }
    if (!accept(')') || parameter == nullptr) {
      return std::nullopt;
    }
    return SelectItem{{"current_setting"}, SelectItem::Source::Literal, std::string(parameter->value)};
  }

  Result<AdminCommand> driver_command() {
    if (accept("BEGIN")) {
      return AdminCommand{.verb = AdminVerb::Begin, .tag = "BEGIN"};
    }
    if (accept("START")) {
      return accept("TRANSACTION") ? AdminCommand{.verb = AdminVerb::Begin, .tag = "START TRANSACTION"}
                                   : Result<AdminCommand>(invalid());
    }
    if (accept("COMMIT") || accept("END")) {
      return AdminCommand{.verb = AdminVerb::Commit, .tag = "COMMIT"};
    }
    if (accept("ROLLBACK") || accept("ABORT")) {
      if (!accept("TRANSACTION")) {
        accept("WORK");
      }
      return AdminCommand{.verb = accept("TO") ? AdminVerb::RollbackTo : AdminVerb::Rollback,
                          .tag = "ROLLBACK"};
    }
    if (accept("SAVEPOINT")) {
      return AdminCommand{.verb = AdminVerb::Savepoint, .tag = "SAVEPOINT"};
    }
    if (accept("RELEASE")) {
      return AdminCommand{.verb = AdminVerb::Savepoint, .tag = "RELEASE"};
    }
    if (accept("DEALLOCATE")) {
      accept("PREPARE");
      if (accept("ALL")) {
        return finished({.verb = AdminVerb::Deallocate, .tag = "DEALLOCATE ALL"});
      }
      if (!is_name()) {
        return invalid();
      }
      return finished({.verb = AdminVerb::Deallocate, .argument = take_name(), .tag = "DEALLOCATE"});
    }
    if (accept("DISCARD")) {
      return accept("ALL") ? AdminCommand{.verb = AdminVerb::Deallocate, .tag = "DISCARD ALL"}
                           : ignored("DISCARD");
    }
    if (accept("RESET")) {
      return ignored("RESET");
    }
    if (accept("UNLISTEN")) {
      return ignored("UNLISTEN");
    }
    if (accept("CLOSE") && accept("ALL")) {
      return ignored("CLOSE CURSOR ALL");
    }
    return invalid();
  }

  std::span<const Token> tokens_;
  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

Result<std::vector<AdminCommand>> parse_admin_text(std::string_view text) {
  std::vector<AdminCommand> commands;
  std::vector<Token> tokens;
  sql::Lexer lexer(text);
  for (;;) {
    const Token token = lexer.next();
    if (token.kind == TokenKind::Error) {
      return syntax_error("syntax error at or near \"" + std::string(token.text.substr(0, 20)) + "\"");
    }
    const bool ends = token.kind == TokenKind::End || token.is(';');
    if (!ends) {
      tokens.push_back(token);
      continue;
    }
    if (!tokens.empty()) {
      const char* begin = tokens.front().text.data();
      const char* end = tokens.back().text.data() + tokens.back().text.size();
      auto command = Parser(tokens, {begin, static_cast<size_t>(end - begin)}).parse();
      if (!command) {
        return std::move(command).error();
      }
      commands.push_back(*std::move(command));
      tokens.clear();
    }
    if (token.kind == TokenKind::End) {
      return commands;
    }
  }
}

bool is_harmless(const AdminCommand& command) {
  switch (command.verb) {
    case AdminVerb::FlushCache:
    case AdminVerb::Reload:
    case AdminVerb::Pause:
    case AdminVerb::Resume:
    case AdminVerb::Disable:
    case AdminVerb::Enable:
    case AdminVerb::Kill:
    case AdminVerb::KillClient:
    case AdminVerb::Reconnect:
    case AdminVerb::WaitClose:
    case AdminVerb::Suspend:
    case AdminVerb::Shutdown:
    case AdminVerb::SetConfig:
      return false;
    case AdminVerb::Show:
      return command.topic != ShowTopic::Fds;
    case AdminVerb::Explain:
    case AdminVerb::Begin:
    case AdminVerb::Commit:
    case AdminVerb::Rollback:
    case AdminVerb::Savepoint:
    case AdminVerb::RollbackTo:
    case AdminVerb::Deallocate:
    case AdminVerb::Ignored:
    case AdminVerb::Select:
      return true;
  }
  return false;
}

std::span<const DriverParameter> driver_parameters() { return kParameters; }

std::string admin_help() {
  std::string help = "\tSHOW ";
  for (const TopicRow& row : kTopics) {
    help += row.word;
    help += '|';
  }
  help.pop_back();
  help += "\n\tEXPLAIN [<db> [<user>]] <statement>";
  help += "\n\tSET <setting> = '<value>'";
  for (const VerbRow& row : kVerbs) {
    if (!row.help.empty()) {
      help += "\n\t";
      help += row.help;
    }
  }
  return help;
}

}  // namespace sportello::proxy
