#include "protocol/tls/tls_context.h"

#include <openssl/ssl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "protocol/invariant.h"
#include "protocol/sqlstate.h"
#include "protocol/tls/openssl_error.h"

namespace sportello::tls {
namespace {

// Towards clients only suites with forward secrecy and authenticated encryption; what an old server of ours
// can do is not ours to choose.
constexpr const char* kClientCiphers = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:!aNULL";
constexpr const char* kServerCiphers = "HIGH:!aNULL:!eNULL:!3DES:!MD5";
constexpr std::string_view kSystemCa = "system";

using Failure = std::optional<Error>;

Error bad_setting(std::string message) { return {sqlstate::kConfigFileError, std::move(message)}; }

Error bad_file(std::string_view what, const std::string& path) {
  const std::string reason = take_openssl_error();
  return bad_setting("could not load " + std::string(what) + " \"" + path + "\": " + reason);
}

Failure set_protocols(SSL_CTX* context, const TlsOptions& options) {
  const auto version_of = [](std::string_view name) -> std::optional<int> {
    if (name == "TLSv1.2") {
      return TLS1_2_VERSION;
    }
    return name == "TLSv1.3" ? std::optional(TLS1_3_VERSION) : std::nullopt;
  };
  const std::optional<int> min = version_of(options.min_protocol);
  const std::optional<int> max =
      options.max_protocol.empty() ? TLS1_3_VERSION : version_of(options.max_protocol);
  if (!min || !max) {
    return bad_setting("TLS protocol \"" + (min ? options.max_protocol : options.min_protocol) +
                       "\" is not one of TLSv1.2, TLSv1.3");
  }
  if (*min > *max) {
    return bad_setting("the oldest TLS protocol allowed is newer than the newest");
  }
  SSL_CTX_set_min_proto_version(context, *min);
  SSL_CTX_set_max_proto_version(context, *max);
  return {};
}

Failure set_ciphers(SSL_CTX* context, bool is_towards_clients, const TlsOptions& options) {
  const char* ciphers = !options.ciphers.empty() ? options.ciphers.c_str()
                        : is_towards_clients     ? kClientCiphers
                                                 : kServerCiphers;
  if (SSL_CTX_set_cipher_list(context, ciphers) != 1) {
    return bad_setting("no usable TLS cipher in \"" + std::string(ciphers) + "\": " + take_openssl_error());
  }
  if (!options.tls13_ciphers.empty() &&
      SSL_CTX_set_ciphersuites(context, options.tls13_ciphers.c_str()) != 1) {
    return bad_setting("no usable TLS 1.3 cipher in \"" + options.tls13_ciphers +
                       "\": " + take_openssl_error());
  }
  return {};
}

// The rule of PostgreSQL: ours and read by us alone, or root's and read by its group at the most.
Failure check_key_file_mode(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) {
    return bad_setting("could not read private key file \"" + path + "\": " + std::strerror(errno));
  }
  if (!S_ISREG(status.st_mode)) {
    return bad_setting("private key file \"" + path + "\" is not a regular file");
  }
  if (status.st_uid != geteuid() && status.st_uid != 0) {
    return bad_setting("private key file \"" + path + "\" must be owned by the proxy's user or root");
  }
  const mode_t forbidden =
      status.st_uid == geteuid() && geteuid() != 0 ? S_IRWXG | S_IRWXO : S_IWGRP | S_IXGRP | S_IRWXO;
  if ((status.st_mode & forbidden) != 0) {
    return bad_setting("private key file \"" + path + "\" has group or world access");
  }
  return {};
}

Failure load_certificate(SSL_CTX* context, bool is_required, const TlsOptions& options) {
  if (options.cert_file.empty() != options.key_file.empty()) {
    return bad_setting("a TLS certificate file and its key file are set together or not at all");
  }
  if (options.cert_file.empty()) {
    return is_required ? Failure(bad_setting("TLS towards clients needs a certificate file and a key file"))
                       : Failure();
  }
  if (SSL_CTX_use_certificate_chain_file(context, options.cert_file.c_str()) != 1) {
    return bad_file("certificate file", options.cert_file);
  }
  if (Failure mode = check_key_file_mode(options.key_file)) {
    return mode;
  }
  if (SSL_CTX_use_PrivateKey_file(context, options.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    return bad_file("private key file", options.key_file);
  }
  if (SSL_CTX_check_private_key(context) != 1) {
    return bad_setting("private key file \"" + options.key_file +
                       "\" does not belong to certificate file \"" + options.cert_file +
                       "\": " + take_openssl_error());
  }
  return {};
}

Failure load_authorities(SSL_CTX* context, bool is_towards_clients, const TlsOptions& options) {
  if (options.ca_file == kSystemCa) {
    if (SSL_CTX_set_default_verify_paths(context) != 1) {
      return bad_file("certificate authorities of", options.ca_file);
    }
  } else if (!options.ca_file.empty()) {
    if (SSL_CTX_load_verify_locations(context, options.ca_file.c_str(), nullptr) != 1) {
      return bad_file("root certificate file", options.ca_file);
    }
    if (is_towards_clients) {
      SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(options.ca_file.c_str()));
    }
  }
  if (!options.crl_file.empty()) {
    X509_STORE* store = SSL_CTX_get_cert_store(context);
    if (X509_STORE_load_locations(store, options.crl_file.c_str(), nullptr) != 1) {
      return bad_file("certificate revocation list file", options.crl_file);
    }
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  }
  return {};
}

Failure set_verification(SSL_CTX* context, bool is_towards_clients, const TlsOptions& options) {
  const bool must_verify = options.mode >= SslMode::VerifyCa;
  if (must_verify && options.ca_file.empty()) {
    return bad_setting("verifying TLS certificates needs a root certificate file, or \"system\"");
  }
  if (is_towards_clients) {
    const int wanted = options.ca_file.empty() ? SSL_VERIFY_NONE : SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE;
    SSL_CTX_set_verify(context, wanted | (must_verify ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), nullptr);
  } else {
    SSL_CTX_set_verify(context, must_verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  }
  return {};
}

// A client that speaks ALPN must speak `postgresql`; one that does not is the session's to judge.
int choose_alpn(SSL* /*connection*/, const unsigned char** chosen, unsigned char* chosen_size,
                const unsigned char* offered, unsigned offered_size, void* /*context*/) {
  const std::string_view list(reinterpret_cast<const char*>(offered), offered_size);
  for (size_t at = 0; at < list.size();) {
    const size_t size = static_cast<uint8_t>(list[at]);
    const std::string_view name = list.substr(at + 1, size);
    if (name == kAlpnPostgresql) {
      *chosen = offered + at + 1;
      *chosen_size = static_cast<unsigned char>(size);
      return SSL_TLSEXT_ERR_OK;
    }
    at += size + 1;
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

void set_alpn(SSL_CTX* context, bool is_towards_clients) {
  if (is_towards_clients) {
    SSL_CTX_set_alpn_select_cb(context, choose_alpn, nullptr);
    return;
  }
  std::string list(1, static_cast<char>(kAlpnPostgresql.size()));
  list += kAlpnPostgresql;
  // 0 is success here, unlike everywhere else.
  const bool done = SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>(list.data()),
                                            static_cast<unsigned>(list.size())) == 0;
  invariant(done, "a constant and well-formed ALPN list is accepted");
}

void set_fixed_rules(SSL_CTX* context, bool is_towards_clients) {
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_SINGLE_DH_USE |
                                   SSL_OP_SINGLE_ECDH_USE);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  // An idle connection gives its record buffers back: 34 kB each.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  // Nobody is there to type the pass phrase of a key.
  SSL_CTX_set_default_passwd_cb(context, [](char*, int, int, void*) { return -1; });
  if (is_towards_clients) {
    SSL_CTX_set_dh_auto(context, 1);
  }
}

}  // namespace

void TlsContext::Free::operator()(ssl_ctx_st* context) const { SSL_CTX_free(context); }

Result<std::shared_ptr<const TlsContext>> TlsContext::make(bool is_towards_clients,
                                                           const TlsOptions& options) {
  invariant(options.mode != SslMode::Disable, "no context is needed where TLS is disabled");
  SSL_CTX* native = SSL_CTX_new(is_towards_clients ? TLS_server_method() : TLS_client_method());
  invariant(native != nullptr, "OpenSSL makes contexts unless memory is short");
  std::shared_ptr<const TlsContext> made(new TlsContext(is_towards_clients, options.mode, native));
  set_fixed_rules(native, is_towards_clients);
  set_alpn(native, is_towards_clients);
  Failure failure = set_protocols(native, options);
  if (!failure) {
    failure = set_ciphers(native, is_towards_clients, options);
  }
  if (!failure) {
    failure = load_certificate(native, is_towards_clients, options);
  }
  if (!failure) {
    failure = load_authorities(native, is_towards_clients, options);
  }
  if (!failure) {
    failure = set_verification(native, is_towards_clients, options);
  }
  if (failure) {
    return *std::move(failure);
  }
  return made;
}

Result<std::shared_ptr<const TlsContext>> TlsContext::for_clients(const TlsOptions& options) {
  return make(true, options);
}

Result<std::shared_ptr<const TlsContext>> TlsContext::for_servers(const TlsOptions& options) {
  return make(false, options);
}

}  // namespace sportello::tls
