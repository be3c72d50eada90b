// A transaction block that the client has begun and that no server knows of: BEGIN was answered here, and
// goes to a server in front of the first statement that needs one. Until then the transaction costs no link;
// if it ends before that, it never does.
//
// A block that is READ ONLY and READ COMMITTED takes a new snapshot for each of its statements, as if each
// were a transaction of its own. So its plain reads are sent as lone reads, and are answered by a replica
// under the same rule of freshness, or from memory; what the block's client sees of it is only the status in
// ReadyForQuery. Two things make that the same as a transaction on a server:
//   1. Reads that one server has answered go to that server until the end, which never goes back in time;
//   once
//      the primary has answered one, or is to, the block is begun there.
//   2. Whatever is more than a plain read, tells of its transaction (now(), pg_backend_pid()), or leaves a
//      portal that rows may be fetched from later, begins the block on the primary.
// What differs: between its statements such a block holds no lock on the tables that it has read.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "protocol/sql/statement_facts.h"

namespace sportello::proxy {

struct NodeRuntime;

// What was answered here, for SHOW STATS; since it was last taken.
struct BlockCounts {
  uint32_t commands = 0;      // BEGIN, COMMIT, ROLLBACK
  uint32_t transactions = 0;  // that ended
  bool began = false;
};

struct DeferredBlock {
  bool is_open = false;
  bool is_read_committed = false;  // for certain
  bool reads_alone = false;        // plain reads may be asked one by one
  bool failed = false;             // a read of it did
  bool has_read = false;           // something was answered, and no server knows that this block asked it
  std::string begin;               // what its client said
  std::shared_ptr<NodeRuntime> server;  // where its reads went
  BlockCounts counts;

  // Keeps the memory of `begin`, as there is a next one.
  void end() {
    is_open = false;
    server.reset();
  }
};

// False for nearly every text, without a look at its facts: its first token is another word than those of the
// statements that may need no server (BEGIN, START, COMMIT, END, ROLLBACK, ABORT, DISCARD, SET, SHOW).
bool may_need_no_server(std::string_view text);

}  // namespace sportello::proxy
