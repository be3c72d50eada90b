// Where, as whom and with what words auth_query is run for the clients of a database, as the configuration
// says: the database of auth_dbname, else that of the client, each by its entry or that of "*". I/O-free.
#pragma once

#include <compare>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proxy/runtime_config.h"

namespace sportello::proxy {

// Two databases with equal targets share a connection and its answers; a reload that changes anything here
// makes another target.
struct AuthTarget {
  std::vector<std::pair<std::string, std::string>> keywords;  // libpq's; the password is among them
  std::string query;
  bool has_hash_only = false;  // of auth_user's password, with which nobody can log in
  std::string name;            // for the log: user, database, host

  // clang-tidy 14 takes the 0 that the compiler writes here for a null pointer.
  auto operator<=>(const AuthTarget&) const = default;  // NOLINT(modernize-use-nullptr)
};

// The longest that a look-up may take; the server itself gives up a query a little earlier.
inline constexpr std::chrono::milliseconds kAuthQueryDeadline{5'000};
inline constexpr std::chrono::milliseconds kAuthStatementTimeout{4'500};

// Where the users of a database's clients are looked up.
const std::string& auth_database(const RuntimeConfig& config, const std::string& client_database);

// Nothing: no auth_user, no auth_query, or no entry to reach the database by.
// `primary_of`: where a database's primary is now, if that is known.
using PrimaryOf = std::function<std::optional<conf::ServerAddress>(const std::string& database)>;
std::optional<AuthTarget> auth_target(const RuntimeConfig& config, const std::string& database,
                                      const PrimaryOf& primary_of = nullptr);

}  // namespace sportello::proxy
