// SASLprep (RFC 4013) as PostgreSQL applies it to passwords before they are hashed: pure ASCII is left alone,
// and a password that is no valid UTF-8, or that the profile forbids, is used as the bytes it is. Character
// tables are libidn's (RFC 3454, Unicode 3.2); normalisation is libunistring's, of Unicode 14 as in
// PostgreSQL 15.
#pragma once

#include <string_view>

#include "protocol/auth/secret_bytes.h"

namespace sportello::auth {

SecretString saslprep(std::string_view password);

}  // namespace sportello::auth
