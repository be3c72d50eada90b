// A byte that picks the secret and the rules, then a server's messages. Whatever it says, no password leaves
// in clear where that is not allowed, and nothing is sent once the login has failed.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/frame_decoder.h"
#include "protocol/invariant.h"
#include "proxy/pool/server_login.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sportello;
  using proxy::LoginProgress;
  using proxy::ServerLogin;
  constexpr std::string_view kPassword = "correct horse battery staple";
  if (size == 0) {
    return 0;
  }
  const uint8_t choice = data[0];
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);

  proxy::ServerLoginRequest request;
  request.user = "anna";
  request.database = "notai";
  request.max_scram_iterations = 2;  // hashing is not what is looked at here
  if ((choice & 3) == 0) {
    request.secret = auth::PlainPassword{auth::SecretString(kPassword)};
  } else if ((choice & 3) == 1) {
    request.secret = auth::Md5Hash{auth::SecretString("md5506dbff8d152e21c46cfa7334e282459")};
  } else if ((choice & 3) == 2) {
    request.secret = auth::ScramKeys{auth::sha256("client key"), auth::sha256("server key")};
  }
  request.end_point_hash = (choice & 4) != 0 ? "hash" : "";
  request.is_private = (choice & 8) != 0;

  ServerLogin login(std::move(request));
  std::string out;
  LoginProgress progress = login.start(out);
  WholeFrame frame;
  while (progress == LoginProgress::Waiting &&
         take_whole_frame(bytes, ServerLogin::kMaxMessageLength, frame) == FrameStatus::Header) {
    out.clear();
    progress = login.receive(frame.type, frame.body, out);
    bytes.remove_prefix(frame.total_bytes);
    invariant((choice & 8) != 0 || out.find(kPassword) == std::string::npos, "the link is not private");
    invariant(progress != LoginProgress::Failed || out.empty(), "a failed login sends nothing");
  }
  return 0;
}
