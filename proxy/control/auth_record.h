// What auth_query's answer says of one user. I/O-free.
//
// The query gives the user's name, the secret, and, if it likes, the time until which the secret is good, as
// PgBouncer's and pg_shadow have them (view-pg-shadow.html). The session it runs in has DateStyle = ISO and
// TimeZone = UTC, so that the time is read in one way only. A row of another user is no row: nobody becomes
// somebody else by what a query makes of a name (CVE-2015-6817).
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/result.h"
#include "proxy/net/pq_rows.h"

namespace sportello::proxy {

using WallTime = std::chrono::sys_time<std::chrono::microseconds>;

struct AuthRecord {
  bool known = false;
  std::string secret;                   // empty: the user has none
  std::optional<WallTime> valid_until;  // empty: forever

  // As PostgreSQL's own check: good before, not at, that time.
  bool is_expired(WallTime now) const { return valid_until && *valid_until < now; }
};

Result<AuthRecord> read_auth_record(const PqRows& answer, const std::string& user);

// A timestamp as PostgreSQL writes it with DateStyle ISO: "2026-11-23 10:00:00.5+00", "infinity", a date
// alone, years of many digits or BC. What is outside of WallTime's range is the nearest end of it.
// datatype-datetime.html#DATATYPE-DATETIME-OUTPUT.
std::optional<WallTime> parse_timestamp(std::string_view text);

}  // namespace sportello::proxy
