#include "protocol/replication/replication_messages.h"

#include "protocol/sqlstate.h"
#include "protocol/wire.h"

namespace sportello::replication {
namespace {

Error violation(std::string what) { return {sqlstate::kProtocolViolation, std::move(what)}; }

}  // namespace

Result<StreamMessage> decode_stream_message(std::string_view payload) {
  WireReader reader(payload);
  const char type = static_cast<char>(reader.u8());
  if (type == 'w') {
    XLogData piece;
    piece.start = {reader.u64()};
    piece.end = {reader.u64()};
    reader.u64();  // when it was sent, by the server's clock
    piece.data = reader.remaining();
    if (reader.ok()) return StreamMessage(piece);
  } else if (type == 'k') {
    Keepalive keepalive;
    keepalive.end = {reader.u64()};
    reader.u64();
    keepalive.wants_reply = reader.u8() != 0;
    if (reader.complete()) return StreamMessage(keepalive);
  } else if (reader.ok()) {
    return violation("a message of replication of an unknown type");
  }
  return violation("a message of replication of a wrong length");
}

std::string encode_standby_status(const StandbyStatus& status) {
  std::string payload;
  WireWriter(payload)
      .u8('r')
      .u64(status.flushed.value)  // written
      .u64(status.flushed.value)
      .u64(status.flushed.value)  // applied
      .u64(static_cast<uint64_t>(status.sent_at))
      .u8(status.wants_reply ? 1 : 0);
  return payload;
}

}  // namespace sportello::replication
