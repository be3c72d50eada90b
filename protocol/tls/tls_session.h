// One TLS connection without its socket: ciphertext in and out as bytes, plaintext out and in.
//
//     socket ──▶ ciphertext ──▶ handshake(), then read() ──▶ plaintext
//     socket ◀── ciphertext() ◀── handshake(), write(), shutdown() ◀── plaintext
//
// What came from the peer is taken from the front of the caller's view, record by record and no further than
// needed; what is left in the view when a call returns is the caller's to keep and give again. So nothing
// piles up in here but what has to be sent: ciphertext(), which the caller bounds by not writing more while
// it is long. After every call, failed ones too (they leave an alert), send ciphertext().
//
// One thread at a time. Rules and certificates are tls_context.h.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "protocol/result.h"
#include "protocol/tls/tls_context.h"

struct ssl_st;

namespace sportello::tls {

class TlsSession {
 public:
  // We are the TLS server, to a client. `context` is one for clients.
  static TlsSession accept(std::shared_ptr<const TlsContext> context);
  // We are the TLS client, to a server. `host` is its name or address: named to it (SNI), and checked against
  // its certificate in VerifyFull. Call handshake() with nothing to begin.
  static Result<TlsSession> connect(std::shared_ptr<const TlsContext> context, const std::string& host);

  TlsSession(TlsSession&&) noexcept;
  TlsSession& operator=(TlsSession&&) noexcept;
  ~TlsSession();

  // True once the handshake is complete.
  Result<bool> handshake(std::string_view& ciphertext);
  bool is_established() const { return is_established_; }

  struct ReadResult {
    size_t bytes = 0;        // of `plaintext` that were filled
    bool is_closed = false;  // the peer said goodbye; nothing comes after `bytes`
  };
  // Fills `plaintext` as far as it can. A result shorter than `plaintext` means that all of `ciphertext` was
  // taken, unless is_closed; after one as long, has_pending() says whether there is more. Only when
  // established.
  Result<ReadResult> read(std::string_view& ciphertext, std::span<char> plaintext);
  // Plaintext is ready although no more ciphertext may ever come: read() again, with nothing if need be.
  bool has_pending() const;
  // Only when established. Takes all of it.
  Result<void> write(std::string_view plaintext);
  // Says goodbye.
  void shutdown();

  std::string_view ciphertext() const;
  void drop_sent(size_t bytes);

  // Of a certificate the context has verified; "" where there is none. A common name with a NUL in it, which
  // would be read as another name, is "" as well.
  std::string peer_common_name() const;
  // As RFC 2253 writes it: "CN=anna,O=Studio".
  std::string peer_distinguished_name() const;
  bool has_verified_peer() const;

  // tls-server-end-point (RFC 5929 section 4): the hash of the TLS server's certificate, which is ours after
  // accept() and the peer's after connect(). "" where it is not defined, as with Ed25519.
  std::string end_point_hash() const;

  std::string_view alpn() const;
  std::string_view protocol() const;
  std::string_view cipher() const;

 private:
  struct Io;
  struct Free {
    void operator()(ssl_st* connection) const;
  };

  explicit TlsSession(std::shared_ptr<const TlsContext> context);
  Error failure(std::string_view what, int code) const;

  std::shared_ptr<const TlsContext> context_;
  std::unique_ptr<Io> io_;  // outlives connection_, which points to it
  std::unique_ptr<ssl_st, Free> connection_;
  bool is_established_ = false;
  bool is_failed_ = false;  // OpenSSL forbids further calls: all fail
};

}  // namespace sportello::tls
