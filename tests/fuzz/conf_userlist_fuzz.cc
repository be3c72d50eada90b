// Any bytes as auth_file: every problem has its line, and no diagnostic shows one.
#include <cstdint>
#include <string>

#include "conf/userlist.h"
#include "protocol/invariant.h"

using namespace sportello::conf;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Userlist list =
      parse_userlist({.path = "users", .text = std::string(reinterpret_cast<const char*>(data), size)});
  for (const Diagnostic& diagnostic : list.diagnostics) {
    sportello::invariant(diagnostic.at.line > 0, "a problem has its line");
    sportello::invariant(diagnostic.source_line.empty(), "a secret is not shown");
  }
  for (const auto& [user, secret] : list.secrets) sportello::invariant(!user.empty(), "a user has a name");
  return 0;
}
