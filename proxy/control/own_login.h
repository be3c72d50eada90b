// How we log in to a server for ourselves: to look users up, to ask how it is. libpq's keywords, complete, so
// that nothing the environment says counts (PGOPTIONS, PGSERVICE, …). I/O-free.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proxy/runtime_config.h"

namespace sportello::proxy {

struct OwnLogin {
  std::vector<std::pair<std::string, std::string>> keywords;  // the password is among them
  bool has_hash_only = false;  // of the user's password, with which nobody can log in
  std::string name;            // for the log: user, database, host

  // clang-tidy 14 takes the 0 that the compiler writes here for a null pointer.
  auto operator<=>(const OwnLogin&) const = default;  // NOLINT(modernize-use-nullptr)
};

struct OwnLoginWish {
  std::string user;
  std::string dbname;
  std::string purpose;  // behind "sportello " in application_name
  std::string options;  // "-c name=value …"
};

OwnLogin own_login(const RuntimeConfig& config, const conf::ServerAddress& address, const OwnLoginWish& wish);

// As monitor_user (of the database, or of all), else as the user of the address, else as auth_user: for
// questions about the server itself. Nothing: nobody is named.
std::optional<OwnLogin> monitor_login(const RuntimeConfig& config, const std::string& database);
// The same at another of its servers. `keeps_path`: with the role's own search_path, which is asked for; such
// questions name the schema of all that they use.
std::optional<OwnLogin> monitor_login_at(const RuntimeConfig& config, const std::string& database,
                                         const conf::ServerAddress& address, bool keeps_path);

}  // namespace sportello::proxy
