#include "protocol/tls/tls_context.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "tests/support/certificates.h"
#include "tests/support/temporary_directory.h"

namespace sportello::tls {
namespace {

using testing_support::CertificateAuthority;
using testing_support::CertificateFiles;
using testing_support::TemporaryDirectory;

class TlsContextTest : public testing::Test {
 protected:
  TlsContextTest() {
    CertificateAuthority authority("authority");
    const CertificateFiles files = authority.issue({.common_name = "localhost"});
    good_.cert_file = directory_.write("cert.pem", files.certificate);
    good_.key_file = directory_.write("key.pem", files.key);
    good_.ca_file = directory_.write("ca.pem", authority.certificate());
    good_.crl_file = directory_.write("crl.pem", authority.revoke_all());
    other_key_ = directory_.write("other.pem", authority.issue({.common_name = "other"}).key);
    garbage_ = directory_.write("garbage.pem", "garbage");
  }

  // The message of the error that both kinds of context answer.
  static std::string error_of(const TlsOptions& options) {
    const auto towards_clients = TlsContext::for_clients(options);
    const auto towards_servers = TlsContext::for_servers(options);
    EXPECT_EQ(towards_clients.ok(), towards_servers.ok());
    if (towards_clients.ok() || towards_servers.ok()) {
      return {};
    }
    EXPECT_EQ(towards_clients.error().sqlstate, "F0000");
    EXPECT_EQ(towards_clients.error().message, towards_servers.error().message);
    return towards_clients.error().message;
  }

  TemporaryDirectory directory_;
  TlsOptions good_;
  std::string other_key_;
  std::string garbage_;
};

TEST_F(TlsContextTest, IsMadeOfGoodSettingsInEveryMode) {
  for (const SslMode mode :
       {SslMode::Allow, SslMode::Prefer, SslMode::Require, SslMode::VerifyCa, SslMode::VerifyFull}) {
    good_.mode = mode;
    EXPECT_EQ(error_of(good_), "");
  }
}

TEST_F(TlsContextTest, NamesTheFileThatDoesNotDo) {
  for (std::string TlsOptions::*file :
       {&TlsOptions::cert_file, &TlsOptions::key_file, &TlsOptions::ca_file, &TlsOptions::crl_file}) {
    for (const std::string& path : {directory_.path("missing.pem"), garbage_}) {
      TlsOptions bad = good_;
      bad.*file = path;
      EXPECT_NE(error_of(bad).find("\"" + path + "\""), std::string::npos) << error_of(bad);
    }
  }
}

// S07
TEST_F(TlsContextTest, RefusesAKeyThatIsNotTheCertificates) {
  good_.key_file = other_key_;
  EXPECT_NE(error_of(good_).find(other_key_), std::string::npos);
}

// S66
TEST_F(TlsContextTest, RefusesAKeyThatOthersCanRead) {
  std::filesystem::permissions(good_.key_file, std::filesystem::perms::others_read,
                               std::filesystem::perm_options::add);
  EXPECT_NE(error_of(good_).find("group or world access"), std::string::npos);
}

// S07
TEST_F(TlsContextTest, RefusesProtocolsAndCiphersThatAreNone) {
  TlsOptions bad = good_;
  bad.min_protocol = "TLSv1.1";
  EXPECT_NE(error_of(bad).find("TLSv1.1"), std::string::npos);
  bad = good_;
  bad.min_protocol = "TLSv1.3";
  bad.max_protocol = "TLSv1.2";
  EXPECT_NE(error_of(bad), "");
  bad = good_;
  bad.ciphers = "ROT13";
  EXPECT_NE(error_of(bad).find("ROT13"), std::string::npos);
  bad = good_;
  bad.tls13_ciphers = "ROT13";
  EXPECT_NE(error_of(bad).find("ROT13"), std::string::npos);
}

TEST_F(TlsContextTest, VerifyingNeedsAnAuthority) {
  good_.ca_file.clear();
  good_.mode = SslMode::VerifyCa;
  EXPECT_NE(error_of(good_), "");
  good_.ca_file = "system";
  EXPECT_EQ(error_of(good_), "");
}

TEST_F(TlsContextTest, ACertificateIsOptionalOnlyTowardsServers) {
  TlsOptions bare;
  EXPECT_FALSE(TlsContext::for_clients(bare).ok());
  EXPECT_TRUE(TlsContext::for_servers(bare).ok());
  bare.cert_file = good_.cert_file;
  EXPECT_NE(error_of(bare), "");
}

}  // namespace
}  // namespace sportello::tls
