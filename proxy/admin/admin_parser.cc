#include "proxy/admin/admin_parser.h"

#include <algorithm>
#include <charconv>
#include <span>

#include "protocol/sqlstate.h"
#include "proxy/admin/admin_tokens.h"
#include "proxy/admin/admin_words.h"
#include "proxy/admin/driver_commands.h"
#include "proxy/admin/driver_parameters.h"
#include "proxy/admin/driver_select.h"

namespace sportello::proxy {
namespace {

using sql::Token;
using sql::TokenKind;

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
  explicit Parser(std::span<const Token> tokens) : tokens_(tokens) {}

  Result<AdminCommand> parse() {
    if (tokens_.accept("SHOW")) {
      return show();
    }
    if (tokens_.accept("SELECT")) {
      return select();
    }
    if (tokens_.accept("SET")) {
      return set();
    }
    if (tokens_.accept("EXPLAIN")) {
      return explain();
    }
    for (const AdminVerbRow& row : admin_verbs()) {
      if (tokens_.accept(row.word)) {
        return console_command(row);
      }
    }
    auto command = read_driver_command(tokens_);
    return command ? Result<AdminCommand>(*std::move(command)) : invalid();
  }

 private:
  // Of the unknown command, as much as is good to read in a log.
  Error invalid() const {
    constexpr size_t kShown = 100;
    std::string shown(tokens_.text().substr(0, kShown));
    std::replace_if(
        shown.begin(), shown.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
    return syntax_error("invalid command '" + shown + "', use SHOW HELP;");
  }

  Result<AdminCommand> finished(AdminCommand command) const {
    if (!tokens_.at_end()) {
      return invalid();
    }
    return command;
  }

  // A statement's first word, or a parenthesis behind a name.
  bool begins_statement_at(size_t ahead) const {
    return is_one_of(tokens_.peek(ahead), kStatementWords) || (ahead > 0 && tokens_.peek(ahead).is('('));
  }

  // Of a database and a user, before a statement that is no string.
  size_t names_before_statement() const {
    constexpr size_t kMost = 2;
    for (size_t names = 0; names <= kMost; names++) {
      if (begins_statement_at(names)) {
        return names;
      }
      if (!tokens_.is_name(names)) {
        break;
      }
    }
    return 0;
  }

  void take_names(size_t names, AdminCommand& command) {
    if (names > 0) {
      command.argument = tokens_.take_name();
    }
    if (names > 1) {
      command.user = tokens_.take_name();
    }
  }

  // Behind names of database and user, what stands there up to the end is the statement, or the string that
  // stands there has it.
  Result<AdminCommand> explain() {
    AdminCommand command{.verb = AdminVerb::Explain, .tag = "EXPLAIN"};
    if (tokens_.at_end()) {
      return syntax_error("EXPLAIN wants a statement");
    }
    const size_t names = tokens_.left() - 1;
    const Token& last = tokens_.last();
    const bool is_text = last.kind == TokenKind::String || last.kind == TokenKind::DollarString;
    const bool named = (names == 0 || tokens_.is_name()) && (names < 2 || tokens_.is_name(1)) &&
                       !is_one_of(tokens_.peek(), kBeforeString);
    if (!is_text || names > 2 || !named) {
      take_names(names_before_statement(), command);
      command.statement = tokens_.rest();
      return command;
    }
    take_names(names, command);
    command.statement = string_value(last.text);
    if (command.statement.empty()) {
      return syntax_error("EXPLAIN wants a statement, in '…' or $$…$$");
    }
    return command;
  }

  Result<AdminCommand> console_command(const AdminVerbRow& row) {
    AdminCommand command{.verb = row.verb, .tag = std::string(row.word)};
    switch (row.argument) {
      case AdminArgument::None:
        break;
      case AdminArgument::OptionalDatabase:
      case AdminArgument::Database:
        if (tokens_.is_name()) {
          command.argument = tokens_.take_name();
        } else if (row.argument == AdminArgument::Database || !tokens_.at_end()) {
          return tokens_.at_end() ? syntax_error("a database is required") : invalid();
        }
        break;
      case AdminArgument::Client: {
        const std::string_view id = tokens_.peek().text;
        const auto parsed = std::from_chars(id.data(), id.data() + id.size(), command.client);
        if (tokens_.peek().kind != TokenKind::Number || parsed.ec != std::errc() ||
            parsed.ptr != id.data() + id.size()) {
          return syntax_error("KILL_CLIENT wants the id of a client, as SHOW CLIENTS shows it");
        }
        tokens_.skip(1);
        break;
      }
      case AdminArgument::Cache:
        if (!tokens_.accept("CACHE")) {
          return syntax_error("FLUSH wants CACHE");
        }
        command.tag = "FLUSH CACHE";
        if (tokens_.accept("TABLE")) {
          command.flush = FlushWish::Table;
        } else if (tokens_.accept("RULE")) {
          command.flush = FlushWish::Rule;
        }
        if (command.flush != FlushWish::All) {
          if (!tokens_.is_name()) {
            return syntax_error("FLUSH CACHE TABLE and RULE want a name");
          }
          command.argument = tokens_.take_name();
          if (command.flush == FlushWish::Table && tokens_.accept('.') && tokens_.is_name()) {
            command.argument += "." + tokens_.take_name();
          }
        }
        break;
      case AdminArgument::ShutdownMode:
        if (tokens_.accept("WAIT_FOR_SERVERS")) {
          command.shutdown = ShutdownWish::WaitForServers;
        } else if (tokens_.accept("WAIT_FOR_CLIENTS")) {
          command.shutdown = ShutdownWish::WaitForClients;
        }
        break;
    }
    return finished(std::move(command));
  }

  Result<AdminCommand> show() {
    if (!tokens_.is_name()) {
      return invalid();
    }
    std::string name = tokens_.take_name();
    if (same_word(name, "cache") && tokens_.accept("rules")) {
      name = "CACHE RULES";
    }
    if (const ShowTopic* topic = find_topic(name)) {
      return finished({.verb = AdminVerb::Show, .topic = *topic, .tag = "SHOW"});
    }
    if (same_word(name, "transaction") && tokens_.accept("isolation") && tokens_.accept("level")) {
      name = "transaction_isolation";
    } else if (same_word(name, "time") && tokens_.accept("zone")) {
      name = "TimeZone";
    }
    const DriverParameter* parameter = find_driver_parameter(name);
    if (parameter == nullptr) {
      return invalid();
    }
    AdminCommand command{.verb = AdminVerb::Select, .tag = "SHOW"};
    command.select.push_back(
        {{std::string(parameter->name)}, SelectItem::Source::Literal, std::string(parameter->value)});
    return finished(std::move(command));
  }

  Result<AdminCommand> set() {
    if (!tokens_.accept("SESSION")) {
      tokens_.accept("LOCAL");
    }
    if (tokens_.accept("CHARACTERISTICS") || tokens_.accept("TRANSACTION") || tokens_.accept("NAMES") ||
        (tokens_.peek().is_word("time") && tokens_.peek(1).is_word("zone"))) {
      return ignored_command("SET");
    }
    if (!tokens_.is_name()) {
      return invalid();
    }
    std::string name = tokens_.take_name();
    if (!tokens_.accept("TO") && tokens_.peek().text != "=") {
      return invalid();
    }
    if (find_driver_parameter(name) != nullptr) {
      return ignored_command("SET");
    }
    tokens_.skip(tokens_.peek().text == "=" ? 1 : 0);
    return AdminCommand{
        .verb = AdminVerb::SetConfig, .argument = std::move(name), .value = rest_as_value(), .tag = "SET"};
  }

  // What stands there, up to the end: one string's value, or the text as it is (such as scram-sha-256).
  std::string rest_as_value() const {
    if (tokens_.at_end()) {
      return "";
    }
    const Token& last = tokens_.last();
    if (tokens_.left() == 1 && last.kind == TokenKind::String) {
      return string_value(last.text);
    }
    return std::string(tokens_.rest());
  }

  Result<AdminCommand> select() {
    AdminCommand command{.verb = AdminVerb::Select, .tag = "SELECT 1"};
    do {
      auto item = read_select_item(tokens_);
      if (!item) {
        return invalid();
      }
      command.select.push_back(std::move(*item));
    } while (tokens_.accept(','));
    return finished(std::move(command));
  }

  AdminTokens tokens_;
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
      auto command = Parser(tokens).parse();
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

}  // namespace sportello::proxy
