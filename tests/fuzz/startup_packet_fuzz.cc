// A client's first bytes. What is decoded has come whole, and decodes the same with more behind it.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/invariant.h"
#include "protocol/startup_messages.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sportello;
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const StartupDecoded decoded = decode_startup_packet(bytes);
  if (decoded.status == StartupStatus::NeedMore) {
    invariant(size < kMaxStartupBytes, "no more is waited for than a packet can hold");
    return 0;
  }
  if (decoded.status == StartupStatus::Malformed) {
    invariant(decoded.error.sqlstate.size() == 5 || decoded.error.sqlstate.empty(),
              "a refusal has its SQLSTATE, or none");
    invariant(!decoded.error.message.empty(), "the log is told why");
    return 0;
  }
  invariant(decoded.taken_bytes <= size && decoded.taken_bytes >= 8, "what was taken was there");
  const StartupDecoded front = decode_startup_packet(std::string_view(bytes).substr(0, decoded.taken_bytes));
  invariant(front.status == StartupStatus::Done && front.packet.index() == decoded.packet.index(),
            "what comes behind a packet does not change it");
  const StartupDecoded early =
      decode_startup_packet(std::string_view(bytes).substr(0, decoded.taken_bytes - 1));
  invariant(early.status == StartupStatus::NeedMore, "a packet is not done before its last byte");
  return 0;
}
