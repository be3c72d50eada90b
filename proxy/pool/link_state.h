// What the proxy knows of the server at the other end of a link: how far its conversation has come, what is
// set and prepared there, and what it owes us. Plain data without I/O: ServerLink owns it, the session that
// holds the link works on it, and it moves with the link from worker to worker.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "protocol/backend_messages.h"
#include "protocol/invariant.h"
#include "protocol/result.h"
#include "protocol/sql/facts_table.h"
#include "proxy/pool/link_statements.h"
#include "proxy/pool/owed_answer.h"
#include "proxy/ring_queue.h"
#include "proxy/session/session_settings.h"
#include "proxy/session/statement.h"

namespace sportello::proxy {

// The requests of a lone batch (begun outside a transaction, ended by one Sync or being one Query), kept
// until its first answer reaches the client, so that it can be sent once more: to the same link when a
// statement there has to be prepared anew, to another when the link died and the batch only reads.
struct Replay {
  struct Part {
    OwedAnswer owed;
    StatementRef statement;    // prepared before this part, nullptr: needs none
    uint32_t size = 0;         // bytes of `bytes`
    bool raw_unnamed = false;  // `statement` is used as the link's unnamed statement
    sql::FactsPtr followed;    // what `owed.then.follows` points to

    Part(const OwedAnswer& is_owed, const StatementRef& needs, size_t bytes, bool raw)
        : owed(is_owed), statement(needs), size(static_cast<uint32_t>(bytes)), raw_unnamed(raw) {}
  };

  static constexpr size_t kMaxBytes = 16UL << 10;
  // A server that goes down takes link after link with it; one that dies without a word may have died of the
  // batch.
  static constexpr unsigned kMostRuns = 40;
  static constexpr unsigned kMostWordlessRuns = 3;

  bool usable = false;    // false: not begun, too long, or part of its answer has been sent
  bool complete = false;  // its Sync or Query has been sent
  bool only_reads = true;
  bool of_lone_read = false;   // a replica may answer it
  bool healing = false;        // an error was kept from the client; sent again when the server is ready
  bool fleeing = false;        // a replica's answer is kept from the client; the primary is to be asked
  bool server_leaves = false;  // it said so: the batch is not why
  bool asks_shapes = false;    // before it is sent again, to a link whose statements may be other ones
  unsigned runs = 0;           // that were in vain
  size_t answered = 0;         // parts whose answer has come
  std::string bytes;
  std::vector<Part> parts;

  void begin() {
    drop();
    usable = true;
  }
  // `front` and `rest` are its message.
  void add(const OwedAnswer& owed, const StatementRef& needs, bool raw_unnamed, std::string_view front,
           std::string_view rest) {
    const size_t size = front.size() + rest.size();
    if (bytes.size() + size > kMaxBytes) {
      drop();
      return;
    }
    bytes.append(front).append(rest);
    parts.emplace_back(owed, needs, size, raw_unnamed);
  }
  void drop() {
    usable = false;
    complete = false;
    only_reads = true;
    of_lone_read = false;
    healing = false;
    fleeing = false;
    server_leaves = false;
    asks_shapes = false;
    runs = 0;
    answered = 0;
    bytes.clear();
    parts.clear();
  }
};

struct LinkState {
  uint32_t process_id = 0;  // of the server's process; 0: it has not said
  TransactionStatus status = TransactionStatus::Idle;
  RingQueue<OwedAnswer> owed;
  std::vector<sql::FactsPtr> followed;  // what Consequences::follows points to, of what is owed
  bool unsynced = false;                // an extended-query message was sent after the last Sync
  bool skips_to_sync = false;   // the server skips what it is sent until a Sync that we have yet to send
  bool copy_in = false;         // the server takes CopyData
  bool tainted = false;         // holds state of a session that is gone: cleaned before anyone else gets it
  uint32_t body_left = 0;       // bytes of the server's current message that have not come
  bool body_forwarded = false;  // and whether the client gets them
  // The server has ended its session, and the transaction that was open with it; nothing comes behind this.
  std::unique_ptr<Error> goodbye;

  Settings settings;        // in force now
  Settings login_settings;  // what RESET ALL goes back to
  uint32_t reported = 0;    // bit per Tracked: the server reports it

  // The session (ClientSession::serial) whose statements may have called nextval() here last; 0: nobody's.
  uint64_t sequence_user = 0;

  LinkStatements statements;
  uint64_t unnamed_id = 0;     // the statement its unnamed one is; 0: not one that we may rely on
  uint64_t unnamed_batch = 0;  // in which its Parse was sent, unanswered; 0: it is certain
  Replay replay;

  const sql::StatementFacts* keep_followed(const sql::FactsPtr& facts) {
    followed.push_back(facts);
    return facts.get();
  }
  const sql::FactsPtr& followed_facts(const sql::StatementFacts* facts) const {
    const auto found =
        std::find_if(followed.begin(), followed.end(), [&](const auto& at) { return at.get() == facts; });
    invariant(found != followed.end(), "what is owed is held");
    return *found;
  }
  // The client waits for a ReadyForQuery that the server has been asked for: the server will say something
  // soon, and has no reason to say anything before that (protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY).
  bool ready_is_due() const {
    return !owed.empty() && !copy_in && ends_with_ready(owed.back().request) &&
           owed.back().delivery == Delivery::Forward;
  }
  bool reports(Tracked parameter) const { return (reported >> static_cast<unsigned>(parameter)) & 1U; }

  // Nothing is owed and no transaction is open: whoever comes next finds a server that waits for a command.
  bool at_rest() const {
    return owed.empty() && status == TransactionStatus::Idle && !unsynced && !skips_to_sync && !copy_in;
  }
};

}  // namespace sportello::proxy
