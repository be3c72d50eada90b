#include "protocol/tls/tls_session.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <optional>
#include <random>
#include <string>

#include "protocol/invariant.h"
#include "tests/support/certificates.h"
#include "tests/support/temporary_directory.h"

namespace sportello::tls {
namespace {

using testing_support::CertificateAuthority;
using testing_support::CertificateFiles;
using testing_support::CertificateRequest;
using testing_support::TemporaryDirectory;

// One side of a conversation in memory: a session, and the ciphertext that it has been given but not taken.
struct Side {
  TlsSession session;
  std::string arrived = {};
  std::string plaintext = {};
  bool is_closed = false;
  std::optional<Error> error = {};

  // Gives the session what has arrived, as an edge does.
  void pump() {
    if (error) {
      return;
    }
    std::string_view view = arrived;
    if (!session.is_established()) {
      const Result<bool> done = session.handshake(view);
      if (!done) {
        error = done.error();
      }
    }
    while (!error && session.is_established() && !is_closed) {
      std::array<char, 100> buffer{};
      const Result<TlsSession::ReadResult> read = session.read(view, buffer);
      if (!read) {
        error = read.error();
        break;
      }
      plaintext.append(buffer.data(), read->bytes);
      is_closed = read->is_closed;
      if (read->bytes < buffer.size()) {
        break;
      }
    }
    arrived.erase(0, arrived.size() - view.size());
  }
};

// Carries ciphertext to and fro in pieces of at most `piece` bytes until nobody has anything to say.
void converse(Side& client, Side& server, size_t piece = SIZE_MAX) {
  const auto carry = [piece](Side& from, Side& to) {
    bool moved = false;
    while (!from.session.ciphertext().empty()) {
      const std::string_view bytes = from.session.ciphertext().substr(0, piece);
      to.arrived.append(bytes);
      from.session.drop_sent(bytes.size());
      to.pump();
      moved = true;
    }
    return moved;
  };
  client.pump();
  while (carry(client, server) | carry(server, client)) {
  }
}

class TlsSessionTest : public testing::Test {
 protected:
  TlsSessionTest() : authority_("authority") {
    client_options_.ca_file = directory_.write("ca.pem", authority_.certificate());
    client_options_.mode = SslMode::VerifyFull;
    give(server_options_, {.common_name = "db", .alternative_names = "DNS:db.example,IP:127.0.0.1"});
  }

  void give(TlsOptions& options, const CertificateFiles& files) {
    const std::string number = std::to_string(++given_);
    options.cert_file = directory_.write("cert" + number, files.certificate);
    options.key_file = directory_.write("key" + number, files.key);
  }
  void give(TlsOptions& options, const CertificateRequest& request) {
    give(options, authority_.issue(request));
  }

  Side client(const std::string& host = "db.example") const {
    auto context = TlsContext::for_servers(client_options_);
    invariant(context.ok(), "the client's settings are good");
    return {TlsSession::connect(*context, host).value()};
  }
  Side server() const {
    auto context = TlsContext::for_clients(server_options_);
    invariant(context.ok(), "the server's settings are good");
    return {TlsSession::accept(*context)};
  }
  // Whether the two came to terms.
  bool meets(const std::string& host = "db.example") const {
    Side one = client(host);
    Side other = server();
    converse(one, other);
    return one.session.is_established() && other.session.is_established() && !one.error && !other.error;
  }

  TemporaryDirectory directory_;
  CertificateAuthority authority_;
  TlsOptions client_options_;
  TlsOptions server_options_;
  int given_ = 0;
};

TEST_F(TlsSessionTest, CarriesBytesBothWaysInPiecesOfAnySize) {
  std::string text(40'000, '\0');
  std::mt19937 random(7);
  std::generate(text.begin(), text.end(), [&] { return static_cast<char>(random()); });
  for (const size_t piece : {SIZE_MAX, size_t{1}, size_t{7}, size_t{16'389}}) {
    Side one = client();
    Side other = server();
    converse(one, other, piece);
    ASSERT_TRUE(one.session.is_established() && other.session.is_established()) << piece;
    ASSERT_TRUE(one.session.write(text).ok());
    ASSERT_TRUE(other.session.write(text).ok());
    converse(one, other, piece);
    EXPECT_EQ(one.plaintext, text) << piece;
    EXPECT_EQ(other.plaintext, text) << piece;
    one.session.shutdown();
    converse(one, other, piece);
    EXPECT_TRUE(other.is_closed) << piece;
  }
}

TEST_F(TlsSessionTest, LeavesWhatItWasNotAskedForWithTheCaller) {
  Side one = client();
  Side other = server();
  converse(one, other);
  ASSERT_TRUE(one.session.write(std::string(50'000, 'x')).ok());
  const std::string sent(one.session.ciphertext());
  std::string_view view = sent;
  std::array<char, 10> buffer{};
  const auto read = other.session.read(view, buffer);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->bytes, buffer.size());
  EXPECT_GT(view.size(), 30'000U);
}

TEST_F(TlsSessionTest, SaysThatPlaintextIsReadyWhenTheCallersSpanWasFull) {
  Side one = client();
  Side other = server();
  converse(one, other);
  EXPECT_FALSE(other.session.has_pending());
  ASSERT_TRUE(one.session.write("hello").ok());
  std::string_view view = one.session.ciphertext();
  std::array<char, 4> buffer{};
  EXPECT_EQ(other.session.read(view, buffer)->bytes, 4U);
  EXPECT_TRUE(view.empty());
  EXPECT_TRUE(other.session.has_pending());
  EXPECT_EQ(other.session.read(view, buffer)->bytes, 1U);
  EXPECT_FALSE(other.session.has_pending());
}

TEST_F(TlsSessionTest, HoldsNoBufferWhenAllIsSent) {
  Side one = client();
  Side other = server();
  converse(one, other);
  EXPECT_TRUE(one.session.ciphertext().empty());
  EXPECT_TRUE(one.session.write("").ok());
  EXPECT_TRUE(one.session.ciphertext().empty());
}

// S06
TEST_F(TlsSessionTest, VerifyFullChecksTheNameOrTheAddress) {
  EXPECT_TRUE(meets("db.example"));
  EXPECT_TRUE(meets("127.0.0.1"));
  EXPECT_FALSE(meets("other.example"));
  EXPECT_FALSE(meets("127.0.0.2"));
  EXPECT_FALSE(meets("db"));  // the common name does not count beside alternative names
  client_options_.mode = SslMode::VerifyCa;
  EXPECT_TRUE(meets("other.example"));
  const auto no_host = TlsSession::connect(
      *TlsContext::for_servers({.mode = SslMode::VerifyFull, .ca_file = client_options_.ca_file}), "");
  EXPECT_FALSE(no_host.ok());
}

// S06
TEST_F(TlsSessionTest, RefusesAnUnknownAuthorityExpiredAndRevokedCertificates) {
  client_options_.mode = SslMode::VerifyCa;
  ASSERT_TRUE(meets());
  client_options_.crl_file = directory_.write("crl", authority_.revoke_all());
  EXPECT_FALSE(meets());
  client_options_.crl_file.clear();

  give(server_options_, {.common_name = "db", .days = -1});
  EXPECT_FALSE(meets());
  CertificateAuthority stranger("authority");
  give(server_options_, stranger.issue({.common_name = "db"}));
  EXPECT_FALSE(meets());
  client_options_.mode = SslMode::Require;
  EXPECT_TRUE(meets());
}

TEST_F(TlsSessionTest, SaysWhyACertificateWasRefused) {
  give(server_options_, {.common_name = "db.example", .days = -1});
  Side one = client();
  Side other = server();
  converse(one, other);
  ASSERT_TRUE(one.error);
  EXPECT_NE(one.error->message.find("certificate has expired"), std::string::npos) << one.error->message;
  // The server learns of it by an alert, sent although the handshake failed.
  ASSERT_TRUE(other.error);
  EXPECT_EQ(other.error->sqlstate, "08P01");
}

TEST_F(TlsSessionTest, KnowsAVerifiedClientByItsCertificate) {
  server_options_.ca_file = client_options_.ca_file;
  give(client_options_, {.common_name = "anna"});
  Side one = client();
  Side other = server();
  converse(one, other);
  EXPECT_TRUE(other.session.has_verified_peer());
  EXPECT_EQ(other.session.peer_common_name(), "anna");
  EXPECT_EQ(other.session.peer_distinguished_name(), "CN=anna");
}

TEST_F(TlsSessionTest, ACommonNameWithANulIsNone) {
  server_options_.ca_file = client_options_.ca_file;
  give(client_options_, {.common_name = std::string("anna\0.evil", 10)});
  Side one = client();
  Side other = server();
  converse(one, other);
  EXPECT_TRUE(other.session.has_verified_peer());
  EXPECT_EQ(other.session.peer_common_name(), "");
}

TEST_F(TlsSessionTest, AClientCertificateIsRequiredOnlyWhereItIsVerified) {
  server_options_.ca_file = client_options_.ca_file;
  EXPECT_TRUE(meets());
  server_options_.mode = SslMode::VerifyCa;
  EXPECT_FALSE(meets());
  CertificateAuthority stranger("stranger");
  give(client_options_, stranger.issue({.common_name = "anna"}));
  server_options_.mode = SslMode::Prefer;
  EXPECT_FALSE(meets());
}

TEST_F(TlsSessionTest, BothSidesBindToTheServersCertificate) {
  for (const auto& [digest, size] :
       {std::pair("SHA256", 32U), std::pair("SHA384", 48U), std::pair("SHA512", 64U)}) {
    give(server_options_, {.common_name = "db", .alternative_names = "DNS:db.example", .digest = digest});
    Side one = client();
    Side other = server();
    converse(one, other);
    EXPECT_EQ(one.session.end_point_hash().size(), size);
    EXPECT_EQ(one.session.end_point_hash(), other.session.end_point_hash());
  }
}

TEST_F(TlsSessionTest, ThereIsNothingToBindToWithoutADigest) {
  client_options_.mode = SslMode::Require;
  give(server_options_, CertificateAuthority::issue_ed25519("db"));
  Side one = client();
  Side other = server();
  converse(one, other);
  ASSERT_TRUE(one.session.is_established());
  EXPECT_EQ(one.session.end_point_hash(), "");
  EXPECT_EQ(other.session.end_point_hash(), "");
}

TEST_F(TlsSessionTest, BothSidesAgreeOnPostgresqlByAlpn) {
  Side one = client();
  Side other = server();
  converse(one, other);
  EXPECT_EQ(one.session.alpn(), kAlpnPostgresql);
  EXPECT_EQ(other.session.alpn(), kAlpnPostgresql);
}

// S04
TEST_F(TlsSessionTest, OtherProtocolsByAlpnAreRefusedAndNoneIsSeen) {
  for (const bool speaks_http : {true, false}) {
    auto context = TlsContext::for_servers({.mode = SslMode::Require});
    ASSERT_TRUE(context.ok());
    const unsigned char http[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
    SSL_CTX_set_alpn_protos((*context)->native(), speaks_http ? http : nullptr,
                            speaks_http ? sizeof http : 0);
    Side one{TlsSession::connect(*context, "db.example").value()};
    Side other = server();
    converse(one, other);
    EXPECT_EQ(other.session.is_established(), !speaks_http);
    EXPECT_EQ(other.session.alpn(), "");
  }
}

TEST_F(TlsSessionTest, KeepsToTheVersionsAllowed) {
  server_options_.min_protocol = "TLSv1.3";
  Side one = client();
  Side other = server();
  converse(one, other);
  EXPECT_EQ(other.session.protocol(), "TLSv1.3");
  client_options_.max_protocol = "TLSv1.2";
  EXPECT_FALSE(meets());
  server_options_.min_protocol = "TLSv1.2";
  EXPECT_TRUE(meets());
}

// S07
TEST_F(TlsSessionTest, RefusesVersionsAndSuitesThatAreTooWeak) {
  auto context = TlsContext::for_servers({.mode = SslMode::Require});
  SSL_CTX* native = (*context)->native();
  SSL_CTX_set_min_proto_version(native, TLS1_VERSION);
  SSL_CTX_set_max_proto_version(native, TLS1_1_VERSION);
  SSL_CTX_set_security_level(native, 0);
  Side old_version{TlsSession::connect(*context, "").value()};
  Side refusing = server();
  converse(old_version, refusing);
  EXPECT_FALSE(refusing.session.is_established());

  client_options_.max_protocol = "TLSv1.2";
  client_options_.ciphers = "ECDHE-ECDSA-AES128-SHA";
  EXPECT_FALSE(meets());
}

// S07
TEST_F(TlsSessionTest, RefusesToRenegotiate) {
  client_options_.max_protocol = "TLSv1.2";
  auto context = TlsContext::for_servers(client_options_);
  SSL_CTX_clear_options((*context)->native(), SSL_OP_NO_RENEGOTIATION);
  // OpenSSL hands the connection out only in here.
  static SSL* connection = nullptr;
  SSL_CTX_set_info_callback((*context)->native(),
                            [](const SSL* ssl, int, int) { connection = const_cast<SSL*>(ssl); });
  Side one{TlsSession::connect(*context, "db.example").value()};
  Side other = server();
  converse(one, other);
  ASSERT_TRUE(one.session.is_established());
  ASSERT_NE(connection, nullptr);
  SSL_renegotiate(connection);
  SSL_do_handshake(connection);
  EXPECT_FALSE(one.session.ciphertext().empty());
  converse(one, other);
  EXPECT_TRUE(one.error);
  EXPECT_EQ(SSL_num_renegotiations(connection), 1);
  EXPECT_FALSE(SSL_is_init_finished(connection));
}

TEST_F(TlsSessionTest, GarbageEndsTheHandshake) {
  for (const std::string_view garbage :
       {"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x00\x02\x01\x02", "\x80\x2e\x01"}) {
    Side other = server();
    other.arrived = std::string(garbage) + std::string(100, '\0');
    other.pump();
    EXPECT_TRUE(other.error) << garbage;
    EXPECT_FALSE(other.session.is_established());
  }
}

TEST_F(TlsSessionTest, AFlippedBitEndsTheConnection) {
  Side one = client();
  Side other = server();
  converse(one, other);
  ASSERT_TRUE(one.session.write("hello").ok());
  other.arrived = std::string(one.session.ciphertext());
  other.arrived.back() = static_cast<char>(other.arrived.back() ^ 1);
  other.pump();
  EXPECT_TRUE(other.error);
  EXPECT_EQ(other.plaintext, "");
  EXPECT_FALSE(other.session.write("after that").ok());
}

}  // namespace
}  // namespace sportello::tls
