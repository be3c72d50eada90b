// The messages of streaming replication, which travel in CopyData (protocol-replication.html
// #PROTOCOL-REPLICATION-START-REPLICATION): from the server a piece of the log or a sign of life, from us how
// far we have come. What is in a piece is pgoutput.h's.
//
// One payload at a time, whole, as CopyData frames it; views live as long as its bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "protocol/replication/lsn.h"
#include "protocol/result.h"

namespace sportello::replication {

// 'w': what the output plugin wrote.
struct XLogData {
  Lsn start;
  Lsn end;  // of the log, when it was sent; logical slots give the message's own position
  std::string_view data;
};

// 'k'. With a logical slot all that is committed up to `end` has been sent before.
struct Keepalive {
  Lsn end;
  bool wants_reply = false;  // soon, or the server gives us up
};

using StreamMessage = std::variant<XLogData, Keepalive>;
Result<StreamMessage> decode_stream_message(std::string_view payload);

// 'r': all up to `flushed` is ours for good, the server need not keep it. `sent_at` is in microseconds since
// 2000-01-01, for the server's statistics.
struct StandbyStatus {
  Lsn flushed;
  int64_t sent_at = 0;
  bool wants_reply = false;  // a Keepalive, at once
};
std::string encode_standby_status(const StandbyStatus& status);

}  // namespace sportello::replication
