// What a server sends in CopyData while the log is followed: never more is read than there is, and what is
// decoded lies in it.
#include <cstdint>
#include <string_view>

#include "protocol/invariant.h"
#include "protocol/replication/pgoutput.h"
#include "protocol/replication/replication_messages.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sportello;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto message = replication::decode_stream_message(bytes);
  if (!message.ok()) return 0;
  const auto* piece = std::get_if<replication::XLogData>(&*message);
  if (piece == nullptr) return 0;
  invariant(bytes.ends_with(piece->data), "a piece is the message's end");
  const auto log = replication::decode_log_message(piece->data);
  if (!log.ok()) return 0;
  if (const auto* truncate = std::get_if<replication::Truncate>(&*log)) {
    invariant(truncate->relations.size() * 4 < size, "no more relations than bytes");
  }
  return 0;
}
