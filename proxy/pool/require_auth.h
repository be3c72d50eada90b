// How a server may ask for our proof, libpq's require_auth and channel_binding (libpq-connect.html): a server
// that has been taken over, or somebody between us and it, must not talk us into a weaker method.
#pragma once

#include <cstdint>
#include <string_view>

#include "protocol/auth/scram_client.h"
#include "protocol/result.h"

namespace sportello::proxy {

struct RequireAuth {
  bool allows_none = true;  // the server asks for nothing (trust, or a client certificate)
  bool allows_clear_text = true;
  // Without it a password goes in clear over TLS and Unix sockets only.
  bool allows_clear_text_unencrypted = false;
  bool allows_md5 = true;
  bool allows_scram = true;
  auth::ChannelBinding channel_binding = auth::ChannelBinding::Prefer;
};

// "scram-sha-256,md5" allows just these, "!password,!none" all but these; "" allows all. Naming "password"
// allows it without encryption, too.
Result<RequireAuth> parse_require_auth(std::string_view text);

}  // namespace sportello::proxy
