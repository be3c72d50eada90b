#include "proxy/admin/driver_select.h"

#include <charconv>

#include "proxy/admin/driver_parameters.h"

namespace sportello::proxy {
namespace {

using sql::Token;
using sql::TokenKind;

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

std::optional<SelectItem> current_setting(AdminTokens& tokens) {
  if (!tokens.accept('(') || tokens.peek().kind != TokenKind::String || tokens.peek().text.front() != '\'') {
    return std::nullopt;
  }
  const DriverParameter* parameter = find_driver_parameter(unquote(tokens.peek().text, '\''));
  tokens.skip(1);
  if (tokens.accept(',')) {
    tokens.skip(1);  // missing_ok
  }
  if (!tokens.accept(')') || parameter == nullptr) {
    return std::nullopt;
  }
  return SelectItem{{"current_setting"}, SelectItem::Source::Literal, std::string(parameter->value)};
}

std::optional<SelectItem> function(AdminTokens& tokens) {
  if (tokens.peek().is_word("pg_catalog") && tokens.peek(1).is('.')) {
    tokens.skip(2);
  }
  if (tokens.accept("current_setting")) {
    return current_setting(tokens);
  }
  for (const FunctionRow& row : kFunctions) {
    if (!tokens.accept(row.name)) {
      continue;
    }
    if (tokens.accept('(') ? !tokens.accept(')') : row.needs_parentheses) {
      return std::nullopt;
    }
    return SelectItem{{std::string(row.name), row.type}, row.source, std::string(row.value)};
  }
  return std::nullopt;
}

std::optional<SelectItem> value(AdminTokens& tokens) {
  const Token token = tokens.peek();
  const std::string nameless = "?column?";
  if (token.kind == TokenKind::Number) {
    tokens.skip(1);
    int32_t number = 0;
    const auto parsed = std::from_chars(token.text.data(), token.text.data() + token.text.size(), number);
    const bool is_int4 = parsed.ec == std::errc() && parsed.ptr == token.text.data() + token.text.size();
    return SelectItem{{nameless, is_int4 ? AdminType::Int4 : AdminType::Text},
                      SelectItem::Source::Literal,
                      is_int4 ? std::to_string(number) : std::string(token.text)};
  }
  if (token.kind == TokenKind::String && token.text.front() == '\'' &&
      token.text.find('\n') == std::string_view::npos) {
    tokens.skip(1);
    return SelectItem{{nameless}, SelectItem::Source::Literal, unquote(token.text, '\'')};
  }
  if (tokens.accept("NULL")) {
    return SelectItem{{nameless}, SelectItem::Source::Null};
  }
  if (tokens.accept("TRUE") || tokens.accept("FALSE")) {
    return SelectItem{
        {"bool", AdminType::Bool}, SelectItem::Source::Literal, token.is_word("true") ? "t" : "f"};
  }
  return function(tokens);
}

}  // namespace

std::optional<SelectItem> read_select_item(AdminTokens& tokens) {
  auto item = value(tokens);
  if (!item) {
    return std::nullopt;
  }
  if (tokens.peek().text == "::" && tokens.peek(1).kind == TokenKind::Word) {
    tokens.skip(2);  // a cast changes nothing that a driver would notice
  }
  if (tokens.accept("AS") ? tokens.is_name() : tokens.is_name()) {
    item->column.name = tokens.take_name();
  }
  return item;
}

}  // namespace sportello::proxy
