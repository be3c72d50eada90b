// What the WalFollower asks a primary in SQL, and what the answers mean. For a session whose search_path is
// pg_catalog alone. I/O-free.
#pragma once

#include <optional>
#include <string>

#include "cache/xid_snapshot.h"
#include "protocol/replication/lsn.h"
#include "protocol/result.h"
#include "proxy/net/pq_rows.h"
#include "proxy/router/follower_status.h"

namespace sportello::proxy {

// Once a connection: can this server's log be followed?
extern const char* const kWalServerQuestion;
struct WalServer {
  std::string system;  // its identifier, as IDENTIFY_SYSTEM gives it
  WalLayout layout;
};
Result<WalServer> read_wal_server(const PqRows& rows);

// Again and again: what is visible, and how far is the log? With the publication's name.
extern const char* const kWalClockQuestion;
struct WalClock {
  cache::XidSnapshot snapshot;
  Lsn inserted;
  Lsn flushed;
  uint32_t timeline = 0;
  std::string publication;  // a mark of what it is; empty: there is none
};
Result<WalClock> read_wal_clock(const PqRows& rows);

// Of which tables does the publication tell every change? With its name.
extern const char* const kWalCoverageQuestion;
constexpr size_t kMostCovered = 1'000'000;
Result<CoveredTables> read_wal_coverage(const PqRows& rows);

// IDENTIFY_SYSTEM (protocol-replication.html#PROTOCOL-REPLICATION-IDENTIFY-SYSTEM).
struct WalIdentity {
  std::string system;
  uint32_t timeline = 0;
};
Result<WalIdentity> read_wal_identity(const PqRows& rows);

}  // namespace sportello::proxy
