// A byte that picks the method and the secret, then a client's messages. Nobody gets in: the password is not
// in the input.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/frame_decoder.h"
#include "protocol/invariant.h"
#include "proxy/session/client_login.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sportello;
  using proxy::AuthMethod;
  using proxy::ClientLogin;
  using proxy::LoginProgress;
  static const std::string secret = auth::random_bytes(32);
  static auth::VerifierSource verifiers(secret, 1);
  if (size == 0) {
    return 0;
  }
  const uint8_t choice = data[0];
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);

  constexpr AuthMethod kMethods[] = {AuthMethod::Password, AuthMethod::Md5, AuthMethod::ScramSha256,
                                     AuthMethod::Reject};
  proxy::ClientLoginRequest request;
  request.user = "anna";
  request.method = kMethods[choice & 3];
  request.allows_clear_text = true;
  request.end_point_hash = (choice & 4) != 0 ? "hash" : "";
  switch (choice >> 3 & 3) {
    case 0:
      request.secret = auth::PlainPassword{auth::SecretString(secret)};
      break;
    case 1:
      request.secret = auth::Md5Hash{*auth::md5_hash(secret, "anna")};
      break;
    case 2:
      request.secret = verifiers.mock("anna");
      break;
    default:
      break;
  }

  ClientLogin login(std::move(request), verifiers);
  std::string out;
  LoginProgress progress = login.start(out);
  WholeFrame frame;
  while (progress == LoginProgress::Waiting &&
         take_whole_frame(bytes, login.max_message_length(), frame) == FrameStatus::Header) {
    progress = login.receive(frame.type, frame.body, out);
    bytes.remove_prefix(frame.total_bytes);
  }
  invariant(progress != LoginProgress::Done, "the password is not in the input");
  return 0;
}
