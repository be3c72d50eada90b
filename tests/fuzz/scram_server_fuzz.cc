// A client's two SCRAM messages, a line each, after a line with the mechanism. Nobody who does not know the
// password is ever proven.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "protocol/auth/scram_server.h"
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
  const std::string_view mechanism = take_line(text);
  ScramVerifier verifier;
  verifier.salt = "salt";
  verifier.stored_key = sha256("nobody knows what this is the digest of");
  ScramServer server(
      {.verifier = verifier, .end_point_hash = mechanism.size() % 2 == 0 ? "hash" : "", .nonce = "x"});
  if (server.respond_first(mechanism, take_line(text)).ok()) {
    const auto outcome = server.respond_final(take_line(text));
    sportello::invariant(!outcome.ok() || !outcome->is_proven, "the password is not in the input");
  }
  (void)parse_scram_verifier(text);
  return 0;
}
