#include "protocol/tls/openssl_error.h"

#include <openssl/err.h>

namespace sportello::tls {

std::string take_openssl_error() {
  const unsigned long code = ERR_get_error();  // NOLINT: OpenSSL's type
  ERR_clear_error();
  if (code == 0) {
    return "unknown error";
  }
  const char* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : "error code " + std::to_string(code);
}

}  // namespace sportello::tls
