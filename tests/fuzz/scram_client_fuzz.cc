// A server's mechanism list and two SCRAM messages, a line each. Nobody who does not know the verifier is
// ever believed.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "protocol/auth/scram_client.h"
#include "protocol/invariant.h"

namespace {

std::string_view take_line(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sportello::auth;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  // Keys instead of a password: deriving would be all that is measured.
  const ScramKeys keys{sha256("client key"), sha256("server key")};
  ScramClient client({.secret = keys, .end_point_hash = size % 2 == 0 ? "hash" : "", .nonce = "x"});
  if (client.start(take_line(text)).ok() && client.respond(take_line(text)).ok()) {
    sportello::invariant(!client.verify(take_line(text)).ok(), "the server key is not in the input");
  }
  return 0;
}
