#include "protocol/frame_decoder.h"

namespace sportello {

FrameStatus take_whole_frame(std::string_view bytes, uint32_t max_length, WholeFrame& frame) {
  Frame header{};
  const FrameStatus status = peek_frame(bytes, header);
  if (status != FrameStatus::Header) {
    return status;
  }
  if (header.length > max_length) {
    return FrameStatus::Malformed;
  }
  if (bytes.size() < header.total_bytes()) {
    return FrameStatus::NeedMore;
  }
  frame = {header.type, bytes.substr(kFrameHeaderBytes, header.body_bytes()), header.total_bytes()};
  return FrameStatus::Header;
}

}  // namespace sportello
