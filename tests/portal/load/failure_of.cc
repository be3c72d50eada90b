#include "tests/portal/load/failure_of.h"

#include <algorithm>
#include <string>
#include <string_view>

namespace sportello::portal {
namespace {

constexpr size_t kSqlstateLength = 5;

std::string first_line(std::string_view text) { return std::string(text.substr(0, text.find('\n'))); }

bool is_sqlstate(std::string_view text) {
  return text.size() == kSqlstateLength && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
         });
}

// "FATAL:  53300: sorry, …": between the two spaces after the severity and the next colon.
std::string sqlstate_in(std::string_view message) {
  constexpr std::string_view kAfterSeverity = ":  ";
  for (auto at = message.find(kAfterSeverity); at != std::string_view::npos;
       at = message.find(kAfterSeverity, at + 1)) {
    const auto candidate = message.substr(at + kAfterSeverity.size(), kSqlstateLength);
    if (is_sqlstate(candidate)) return std::string(candidate);
  }
  return {};
}

}  // namespace

Failure failure_of(const PGresult* result) {
  const char* sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const char* message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  return {sqlstate != nullptr ? sqlstate : "08006",
          message != nullptr ? message : first_line(PQresultErrorMessage(result))};
}

Failure failure_of(const PGconn* connection, const char* otherwise) {
  const std::string_view message = PQerrorMessage(connection);
  auto sqlstate = sqlstate_in(message);
  return {sqlstate.empty() ? otherwise : std::move(sqlstate), first_line(message)};
}

}  // namespace sportello::portal
