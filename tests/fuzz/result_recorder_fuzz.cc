// A server's answer in pieces to ResultRecorder: the same at every cut, never more than its limit, and what
// it keeps is whole messages. The first byte says how Bind asked for formats.
#include <cstdint>
#include <string_view>

#include "cache/result_recorder.h"
#include "protocol/frame_decoder.h"
#include "protocol/invariant.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sportello;
  constexpr uint64_t kLimit = 4096;
  if (size == 0) return 0;
  const std::vector<int16_t> formats(data[0] % 3, static_cast<int16_t>(data[0] % 2));
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);

  cache::ResultRecorder whole(kLimit, formats), by_byte(kLimit, formats);
  whole.feed(bytes);
  for (const char& byte : bytes) by_byte.feed({&byte, 1});
  invariant(whole.refusal() == by_byte.refusal(), "cuts change nothing");
  const cache::CachedResultRef result = whole.result();
  invariant((result != nullptr) == (whole.refusal() == cache::Refusal::None), "a result, or a reason");
  if (result == nullptr) return 0;
  invariant(result->messages() == by_byte.result()->messages(), "cuts change nothing");
  invariant(result->messages().size() <= kLimit, "the limit holds");
  std::string_view rest = result->messages();
  while (!rest.empty()) {
    Frame frame{};
    invariant(peek_frame(rest, frame) == FrameStatus::Header && frame.total_bytes() <= rest.size(),
              "whole messages are kept");
    rest.remove_prefix(frame.total_bytes());
  }
  std::string described;
  if (result->form().description) result->append_statement_description(described);
  return 0;
}
