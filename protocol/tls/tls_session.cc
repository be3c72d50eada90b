#include "protocol/tls/tls_session.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "protocol/invariant.h"
#include "protocol/sqlstate.h"
#include "protocol/tls/openssl_error.h"

namespace sportello::tls {

// What OpenSSL reads from and writes to in place of a socket.
struct TlsSession::Io {
  std::string_view input;  // the caller's, for the length of one call
  std::string output;
  size_t sent = 0;  // bytes at the front of output

  static int read(BIO* bio, char* to, int size) {
    BIO_clear_retry_flags(bio);
    auto* io = static_cast<Io*>(BIO_get_data(bio));
    const size_t count = std::min(io->input.size(), static_cast<size_t>(std::max(size, 0)));
    if (count == 0) {
      BIO_set_retry_read(bio);
      return -1;
    }
    std::memcpy(to, io->input.data(), count);
    io->input.remove_prefix(count);
    return static_cast<int>(count);
  }
  static int write(BIO* bio, const char* from, int size) {
    BIO_clear_retry_flags(bio);
    static_cast<Io*>(BIO_get_data(bio))->output.append(from, static_cast<size_t>(std::max(size, 0)));
    return size;
  }
  static long control(BIO* /*bio*/, int command, long /*number*/, void* /*pointer*/) {  // NOLINT
    return command == BIO_CTRL_FLUSH ? 1 : 0;
  }

  static BIO* make_bio(Io* io) {
    static BIO_METHOD* const method = [] {
      BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "bytes in memory");
      invariant(made != nullptr, "OpenSSL makes BIO methods unless memory is short");
      BIO_meth_set_read(made, &Io::read);
      BIO_meth_set_write(made, &Io::write);
      BIO_meth_set_ctrl(made, &Io::control);
      return made;
    }();
    BIO* bio = BIO_new(method);
    invariant(bio != nullptr, "OpenSSL makes BIOs unless memory is short");
    BIO_set_data(bio, io);
    BIO_set_init(bio, 1);
    return bio;
  }
};

namespace {

struct FreeCertificate {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
using Certificate = std::unique_ptr<X509, FreeCertificate>;

struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};

bool is_address(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> address{};
  return inet_pton(AF_INET, host.c_str(), address.data()) == 1 ||
         inet_pton(AF_INET6, host.c_str(), address.data()) == 1;
}

Error already_failed() { return {sqlstate::kConnectionFailure, "the TLS connection has failed"}; }

// RFC 5929 section 4.1: the digest of the certificate's signature, but SHA-256 in place of MD5 and SHA-1.
const EVP_MD* end_point_digest(X509* certificate) {
  int digest = NID_undef;
  if (X509_get_signature_info(certificate, &digest, nullptr, nullptr, nullptr) != 1) {
    return nullptr;
  }
  if (digest == NID_md5 || digest == NID_sha1) {
    return EVP_sha256();
  }
  return digest == NID_undef ? nullptr : EVP_get_digestbynid(digest);
}

bool set_host(SSL* connection, const std::string& host, bool must_match) {
  if (is_address(host)) {
    return !must_match || X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(connection), host.c_str()) == 1;
  }
  const bool named = SSL_set_tlsext_host_name(connection, host.c_str()) == 1;
  SSL_set_hostflags(connection, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return named && (!must_match || SSL_set1_host(connection, host.c_str()) == 1);
}

}  // namespace

void TlsSession::Free::operator()(ssl_st* connection) const { SSL_free(connection); }

TlsSession::TlsSession(std::shared_ptr<const TlsContext> context)
    : context_(std::move(context)), io_(std::make_unique<Io>()), connection_(SSL_new(context_->native())) {
  invariant(connection_ != nullptr, "OpenSSL makes connections unless memory is short");
  // One BIO for both directions: SSL_set_bio takes one reference when they are the same.
  BIO* bio = Io::make_bio(io_.get());
  SSL_set_bio(connection_.get(), bio, bio);
}

TlsSession::TlsSession(TlsSession&&) noexcept = default;
TlsSession& TlsSession::operator=(TlsSession&& other) noexcept {
  // In this order: the old connection still points to the old Io.
  connection_ = std::move(other.connection_);
  io_ = std::move(other.io_);
  context_ = std::move(other.context_);
  is_established_ = other.is_established_;
  is_failed_ = other.is_failed_;
  return *this;
}
TlsSession::~TlsSession() = default;

TlsSession TlsSession::accept(std::shared_ptr<const TlsContext> context) {
  invariant(context->is_towards_clients(), "accept takes a context for clients");
  TlsSession session(std::move(context));
  SSL_set_accept_state(session.connection_.get());
  return session;
}

Result<TlsSession> TlsSession::connect(std::shared_ptr<const TlsContext> context, const std::string& host) {
  invariant(!context->is_towards_clients(), "connect takes a context for servers");
  const bool must_match = context->mode() == SslMode::VerifyFull;
  if (must_match && host.empty()) {
    return Error{sqlstate::kSqlclientUnableToEstablishConnection,
                 "a host name must be specified for a verified TLS connection"};
  }
  TlsSession session(std::move(context));
  ERR_clear_error();
  if (!host.empty() && !set_host(session.connection_.get(), host, must_match)) {
    return Error{sqlstate::kSqlclientUnableToEstablishConnection,
                 "\"" + host + "\" cannot be used as a host name for TLS: " + take_openssl_error()};
  }
  SSL_set_connect_state(session.connection_.get());
  return session;
}

Error TlsSession::failure(std::string_view what, int code) const {
  const std::string_view state =
      context_->is_towards_clients() ? sqlstate::kProtocolViolation : sqlstate::kConnectionFailure;
  const long verified = SSL_get_verify_result(connection_.get());  // NOLINT: OpenSSL's type
  std::string reason = code == SSL_ERROR_SYSCALL ? "unexpected end" : take_openssl_error();
  if (!is_established_ && verified != X509_V_OK &&
      SSL_get_verify_mode(connection_.get()) != SSL_VERIFY_NONE) {
    reason.append(": ").append(X509_verify_cert_error_string(verified));
  }
  return {state, std::string(what) + ": " + reason};
}

Result<bool> TlsSession::handshake(std::string_view& ciphertext) {
  invariant(!is_established_, "a handshake is done once");
  if (is_failed_) {
    return already_failed();
  }
  ERR_clear_error();
  io_->input = ciphertext;
  const int status = SSL_do_handshake(connection_.get());
  ciphertext = io_->input;
  io_->input = {};
  if (status == 1) {
    is_established_ = true;
    return true;
  }
  const int code = SSL_get_error(connection_.get(), status);
  if (code == SSL_ERROR_WANT_READ) {
    return false;
  }
  is_failed_ = true;
  return failure("TLS handshake failed", code);
}

Result<TlsSession::ReadResult> TlsSession::read(std::string_view& ciphertext, std::span<char> plaintext) {
  invariant(is_established_, "plaintext is read after the handshake");
  if (is_failed_) {
    return already_failed();
  }
  ERR_clear_error();
  ReadResult result;
  io_->input = ciphertext;
  int code = SSL_ERROR_NONE;
  while (result.bytes < plaintext.size()) {
    size_t count = 0;
    const int status = SSL_read_ex(connection_.get(), plaintext.data() + result.bytes,
                                   plaintext.size() - result.bytes, &count);
    if (status != 1) {
      code = SSL_get_error(connection_.get(), status);
      break;
    }
    result.bytes += count;
  }
  ciphertext = io_->input;
  io_->input = {};
  if (code == SSL_ERROR_NONE || code == SSL_ERROR_WANT_READ) {
    return result;
  }
  if (code == SSL_ERROR_ZERO_RETURN) {
    result.is_closed = true;
    return result;
  }
  is_failed_ = true;
  return failure("TLS connection broken", code);
}

bool TlsSession::has_pending() const { return is_established_ && SSL_pending(connection_.get()) > 0; }

Result<void> TlsSession::write(std::string_view plaintext) {
  invariant(is_established_, "plaintext is written after the handshake");
  if (is_failed_) {
    return already_failed();
  }
  if (plaintext.empty()) {
    return {};
  }
  ERR_clear_error();
  size_t written = 0;
  const int status = SSL_write_ex(connection_.get(), plaintext.data(), plaintext.size(), &written);
  if (status == 1) {
    invariant(written == plaintext.size(), "without partial writes OpenSSL writes all or nothing");
    return {};
  }
  // There is nothing to wait for: output is never full, and renegotiation is off.
  is_failed_ = true;
  return failure("TLS write failed", SSL_get_error(connection_.get(), status));
}

void TlsSession::shutdown() {
  if (is_established_ && !is_failed_) {
    ERR_clear_error();
    SSL_shutdown(connection_.get());
    ERR_clear_error();
  }
}

std::string_view TlsSession::ciphertext() const { return std::string_view(io_->output).substr(io_->sent); }

void TlsSession::drop_sent(size_t bytes) {
  invariant(bytes <= io_->output.size() - io_->sent, "no more is sent than there was");
  io_->sent += bytes;
  if (io_->sent == io_->output.size()) {
    // An idle connection holds no buffer.
    io_->output = {};
    io_->sent = 0;
  }
}

bool TlsSession::has_verified_peer() const {
  return is_established_ && SSL_get0_peer_certificate(connection_.get()) != nullptr &&
         SSL_get_verify_mode(connection_.get()) != SSL_VERIFY_NONE &&
         SSL_get_verify_result(connection_.get()) == X509_V_OK;
}

std::string TlsSession::peer_common_name() const {
  if (!has_verified_peer()) {
    return {};
  }
  X509_NAME* subject = X509_get_subject_name(SSL_get0_peer_certificate(connection_.get()));
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0) {
    return {};
  }
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
  if (size < 0) {
    ERR_clear_error();
    return {};
  }
  std::string name(reinterpret_cast<const char*>(utf8), static_cast<size_t>(size));
  OPENSSL_free(utf8);
  return name.find('\0') == std::string::npos ? name : std::string();
}

std::string TlsSession::peer_distinguished_name() const {
  if (!has_verified_peer()) {
    return {};
  }
  const std::unique_ptr<BIO, FreeBio> text(BIO_new(BIO_s_mem()));
  X509_NAME* subject = X509_get_subject_name(SSL_get0_peer_certificate(connection_.get()));
  if (text == nullptr || X509_NAME_print_ex(text.get(), subject, 0, XN_FLAG_RFC2253) < 0) {
    ERR_clear_error();
    return {};
  }
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(text.get(), &bytes);  // NOLINT: OpenSSL's type
  std::string name(bytes, static_cast<size_t>(std::max(size, 0L)));
  return name.find('\0') == std::string::npos ? name : std::string();
}

std::string TlsSession::end_point_hash() const {
  if (!is_established_) {
    return {};
  }
  X509* certificate = context_->is_towards_clients() ? SSL_get_certificate(connection_.get())
                                                     : SSL_get0_peer_certificate(connection_.get());
  const EVP_MD* digest = certificate == nullptr ? nullptr : end_point_digest(certificate);
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  unsigned size = 0;
  if (digest == nullptr || X509_digest(certificate, digest, hash.data(), &size) != 1) {
    ERR_clear_error();
    return {};
  }
  return {reinterpret_cast<const char*>(hash.data()), size};
}

std::string_view TlsSession::alpn() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(connection_.get(), &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

std::string_view TlsSession::protocol() const { return SSL_get_version(connection_.get()); }

std::string_view TlsSession::cipher() const { return SSL_get_cipher_name(connection_.get()); }

}  // namespace sportello::tls
