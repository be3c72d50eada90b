// What a client sends to our side of TLS, in pieces as long as the first byte says.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "protocol/invariant.h"
#include "protocol/tls/tls_session.h"
#include "tests/support/certificates.h"
#include "tests/support/temporary_directory.h"

namespace {

std::shared_ptr<const sportello::tls::TlsContext> make_context() {
  using namespace sportello;
  const testing_support::TemporaryDirectory directory;
  testing_support::CertificateAuthority authority("authority");
  const testing_support::CertificateFiles files = authority.issue({.common_name = "db"});
  auto context = tls::TlsContext::for_clients({.mode = tls::SslMode::Require,
                                               .ca_file = directory.write("ca", authority.certificate()),
                                               .cert_file = directory.write("cert", files.certificate),
                                               .key_file = directory.write("key", files.key)});
  invariant(context.ok(), "the files were just written");
  return *context;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using sportello::tls::TlsSession;
  static const auto context = make_context();
  if (size == 0) {
    return 0;
  }
  const size_t piece = data[0] + size_t{1};
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  TlsSession session = TlsSession::accept(context);
  for (size_t at = 0; at < bytes.size(); at += piece) {
    std::string_view view = bytes.substr(at, piece);
    if (!session.is_established()) {
      if (!session.handshake(view).ok()) {
        break;
      }
    }
    if (session.is_established()) {
      std::array<char, 64> plaintext{};
      if (!session.read(view, plaintext).ok()) {
        break;
      }
    }
    sportello::invariant(view.empty(), "a handshake takes all that it is given");
    session.drop_sent(session.ciphertext().size());
  }
  return 0;
}
