// What the output plugin pgoutput says of the log, protocol version 1 (protocol-logicalrep-message-formats
// .html): transactions one after the other, in the order of their commits, each as Begin, changes, Commit.
//
// Only which relation was changed, by which transaction, and where it committed is decoded. Rows are never
// looked at: what follows a relation's OID may be anything. Relation, Type and Origin messages describe what
// we have no use for, so they, and messages of applications, are all Skipped.
#pragma once

#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

#include "protocol/replication/lsn.h"
#include "protocol/result.h"

namespace sportello::replication {

struct Begin {
  uint32_t xid = 0;  // the lower half of what pg_current_snapshot() shows
};

struct Change {
  uint32_t relation = 0;
};

struct Truncate {
  std::vector<uint32_t> relations;
};

struct Commit {
  Lsn commit;  // where its record begins
  Lsn end;     // and ends: who has seen all up to there has seen the transaction
};

struct Skipped {};

using LogMessage = std::variant<Begin, Change, Truncate, Commit, Skipped>;
Result<LogMessage> decode_log_message(std::string_view data);

}  // namespace sportello::replication
