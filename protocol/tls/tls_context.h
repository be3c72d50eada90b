// Certificates, keys and rules that many TLS connections share: OpenSSL's SSL_CTX made from plain settings.
// Towards clients we are the TLS server, towards PostgreSQL servers the TLS client; a context is for one of
// the two. It is immutable and shared by all threads; a reload makes a new one, and a connection keeps the
// one it began with. A setting or a file that does not do is an Error that names it, and nothing is made.
//
// Off in every context: versions before TLS 1.2, compression, renegotiation, session tickets and caches.
// Files are read when a context is made and never again. Connections are tls_session.h.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "protocol/result.h"

struct ssl_ctx_st;

namespace sportello::tls {

// libpq's sslmode (libpq-ssl.html). Towards clients: Allow and Prefer take either, Require takes TLS only,
// VerifyCa and VerifyFull also require a client certificate that `ca_file` signed.
enum class SslMode : uint8_t { Disable, Allow, Prefer, Require, VerifyCa, VerifyFull };

struct TlsOptions {
  SslMode mode = SslMode::Prefer;
  std::string min_protocol = "TLSv1.2";  // or TLSv1.3
  std::string max_protocol;              // empty: the newest
  std::string ciphers;                   // of TLS 1.2, OpenSSL's syntax; empty: ours
  std::string tls13_ciphers;             // empty: OpenSSL's
  // Who may sign the peer's certificate; "system": whom the machine trusts. Towards clients: asks them for a
  // certificate, and refuses a wrong one, in every mode.
  std::string ca_file;
  std::string crl_file;
  std::string cert_file;  // required towards clients
  std::string key_file;
};

inline constexpr std::string_view kAlpnPostgresql = "postgresql";

class TlsContext {
 public:
  // Neither is called with SslMode::Disable.
  static Result<std::shared_ptr<const TlsContext>> for_clients(const TlsOptions& options);
  static Result<std::shared_ptr<const TlsContext>> for_servers(const TlsOptions& options);

  SslMode mode() const { return mode_; }
  bool is_towards_clients() const { return is_towards_clients_; }
  ssl_ctx_st* native() const { return context_.get(); }

 private:
  struct Free {
    void operator()(ssl_ctx_st* context) const;
  };
  TlsContext(bool is_towards_clients, SslMode mode, ssl_ctx_st* context)
      : is_towards_clients_(is_towards_clients), mode_(mode), context_(context) {}
  static Result<std::shared_ptr<const TlsContext>> make(bool is_towards_clients, const TlsOptions& options);

  bool is_towards_clients_;
  SslMode mode_;
  std::unique_ptr<ssl_ctx_st, Free> context_;
};

}  // namespace sportello::tls
