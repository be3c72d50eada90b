// One answer that a server link owes. Every request that goes to a server (and some that do not) leaves one
// of these in the link's queue; every answer is matched with the front of it. That is how the proxy knows
// whose an answer is, whether the client may see it, when a link is free, and what an error made the server
// skip.
//
// The queue's rules (protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY):
//   1. Parse, Bind, Close, Describe, Execute are answered by one completing message each; Sync, Query,
//   FunctionCall by
//      ReadyForQuery. CopyEnd (CopyDone or CopyFail) has no answer: it marks where a COPY's data ended.
//   2. An ErrorResponse answers the front. If that is Query or FunctionCall, ReadyForQuery follows; otherwise
//   the server
//      skips everything up to the next Sync, and so do we.
//   3. A Sync that the server reads while it is in COPY-in is ignored by it and owes nothing.
#pragma once

#include <cstdint>
#include <type_traits>

#include "protocol/sql/statement_facts.h"
#include "proxy/stats/query_table.h"

namespace sportello::proxy {

enum class Request : uint8_t {
  Parse,
  Bind,
  DescribeStatement,
  DescribePortal,
  Execute,
  Close,
  Sync,
  Query,
  FunctionCall,
  CopyEnd,
};

// Its answer ends with ReadyForQuery.
inline bool ends_with_ready(Request request) {
  return request == Request::Query || request == Request::Sync || request == Request::FunctionCall;
}

enum class Delivery : uint8_t {
  Forward,  // the client's own: it sees the answer
  Swallow,  // ours: the client sees nothing of it, but for an error of a Parse made on its behalf
  Invent,   // the client's own, but never sent: the answer is made up when its turn comes
};

// What a statement does when it succeeds, beside its answer; a bit each, in Consequences.
enum class OwedEffect : uint8_t {
  ChangesCatalog = 1,  // DDL: statements prepared from now on are planned anew
  DiscardsAll = 2,     // DISCARD ALL
  DeallocatesAll = 4,  // DEALLOCATE ALL
  MayWrite = 8,        // outside a transaction: if the link dies, its outcome is unknown
  Commits = 16,        // a transaction's outcome is unknown if the link dies before the answer
  MayRollBack = 32,    // what stands before it in its batch may not have happened after all
  Piecemeal = 64,      // of MayWrite: outside a block, its last act may not be the only one to commit
};

// What makes the outcome of a statement unknown if its link dies.
inline constexpr uint8_t kWritesAndCommits =
    static_cast<uint8_t>(OwedEffect::MayWrite) | static_cast<uint8_t>(OwedEffect::Commits);

// RESET goes back to what the client had at login, which the link's own defaults may not be. A bit per
// Tracked says which; this one: those that the server reports with the link's defaults (of several statements
// in one text it is not known what each resets).
inline constexpr uint16_t kRestoresReported = 0x8000;
inline constexpr uint16_t kRestoresAll = 0x7fff;

// What hangs on a statement beside its answer.
struct Consequences {
  uint64_t pins = 0;      // what it may leave on the link
  uint16_t restores = 0;  // settings, as above
  uint8_t effects = 0;    // of OwedEffect
  // A SET or RESET of one parameter outside a transaction: from its success on, the session carries it from
  // link to link. Or a RESET within one, which goes back to what the client gave at login.
  // LinkState::followed holds it.
  const sql::StatementFacts* follows = nullptr;

  void add(OwedEffect effect) { effects |= static_cast<uint8_t>(effect); }
  bool is_empty() const { return pins == 0 && restores == 0 && effects == 0 && follows == nullptr; }
};

// Made, kept for another run, and taken out again for every message: no more than a cache line, copied as it
// lies there.
struct OwedAnswer {
  Request request = Request::Sync;
  Delivery delivery = Delivery::Forward;
  uint8_t name_changes = 0;     // how many pending changes of VirtualStatements hang on it
  bool of_unnamed : 1 = false;  // Parse of the client's unnamed statement under a name of ours
  bool is_raw : 1 = false;      // Parse of the link's unnamed statement
  bool failed : 1 = false;      // an ErrorResponse came for it; Query, FunctionCall: ReadyForQuery is to come
  bool began : 1 = false;       // an answer of it has reached the client
  bool plain_read : 1 = false;  // Query: one statement that only reads
  bool completed : 1 = false;   // Query: the last that came of it was CommandComplete
  bool asks_shape : 1 = false;  // the last of what on_bind() has asked, and waits for
  bool stale_rows : 1 = false;  // its error stands for 0A000, which the server does not know of
  uint32_t rows_here = 0;       // DataRows of it since the last command was complete
  Consequences then = {};
  // Parse, Close under a name of ours: what the link gains or loses; Parse of the link's unnamed statement:
  // what that is; Describe: whose shape its answer tells. 0: none.
  uint64_t statement_id = 0;
  QueryRef query = {};  // Query, Execute: whose answer is counted (stats/query_table.h)
  uint64_t rows = 0;    // of the commands that are complete

  bool has(OwedEffect effect) const { return (then.effects & static_cast<uint8_t>(effect)) != 0; }
  bool prepares() const { return request == Request::Parse && !is_raw && statement_id != 0; }
  bool prepares_raw() const { return request == Request::Parse && is_raw && statement_id != 0; }
  bool describes() const {
    return (request == Request::DescribePortal || request == Request::DescribeStatement) && statement_id != 0;
  }
  // Its coming to its end changes nothing that anybody knows, beside its place in the queue.
  bool ends_plainly() const {
    return name_changes == 0 && !asks_shape && then.is_empty() && request != Request::Parse &&
           request != Request::Close;
  }
};

static_assert(std::is_trivially_copyable_v<OwedAnswer> && sizeof(OwedAnswer) <= 64);

}  // namespace sportello::proxy
