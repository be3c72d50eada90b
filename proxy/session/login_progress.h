// How far a login has come, towards a client (client_login.h) and towards a server (server_login.h).
#pragma once

#include <cstdint>

namespace sportello::proxy {

enum class LoginProgress : uint8_t {
  Waiting,  // for the peer's next message
  Done,
  Failed,
};

}  // namespace sportello::proxy
