// Where one message ends and the next begins: type byte, length word, body. Looks at bytes, holds none: the
// caller keeps what is not yet a whole header. The PostgreSQL manual,
// protocol-overview.html#PROTOCOL-MESSAGE-CONCEPTS.
#pragma once

#include <cstdint>
#include <string_view>

#include "protocol/wire.h"

namespace sportello {

// Type byte and length word.
inline constexpr size_t kFrameHeaderBytes = 5;
// What PostgreSQL takes at the most (PQ_LARGE_MESSAGE_LIMIT is one byte short of a gigabyte; COPY and Bind
// may be as long as the length word can say).
inline constexpr uint32_t kMaxFrameLength = 0x7fffffff;

struct Frame {
  char type;
  uint32_t length;  // as on the wire: counts itself, not the type byte; at least 4

  size_t body_bytes() const { return length - 4U; }
  size_t total_bytes() const { return length + 1UL; }
};

enum class FrameStatus : uint8_t {
  NeedMore,   // fewer than kFrameHeaderBytes bytes
  Header,     // the frame is known; its body may not be there yet
  Malformed,  // a length under 4 or over kMaxFrameLength: nothing after it can be believed
};

inline FrameStatus peek_frame(std::string_view bytes, Frame& frame) {
  if (bytes.size() < kFrameHeaderBytes) {
    return FrameStatus::NeedMore;
  }
  frame.type = bytes[0];
  frame.length = load_be32(bytes.data() + 1);
  return frame.length < 4 || frame.length > kMaxFrameLength ? FrameStatus::Malformed : FrameStatus::Header;
}

// A whole frame at the front of `bytes`, for conversations in which every message is small and bounded.
struct WholeFrame {
  char type = 0;
  std::string_view body;
  size_t total_bytes = 0;
};

// Header means `frame` is filled; NeedMore also while the body is incomplete. A length over `max_length` is
// Malformed.
FrameStatus take_whole_frame(std::string_view bytes, uint32_t max_length, WholeFrame& frame);

}  // namespace sportello
