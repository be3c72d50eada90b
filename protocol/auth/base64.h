// Base 64 (RFC 4648 section 4) as SCRAM needs it: padded, no white space, and nothing accepted but what an
// encoder writes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sportello::auth {

std::string base64_encode(std::string_view bytes);
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace sportello::auth
