// Certificates for tests, made on the spot: an authority, what it signs, and what it revokes. PEM texts.
#pragma once

#include <openssl/types.h>

#include <memory>
#include <string>
#include <vector>

namespace sportello::testing_support {

struct CertificateRequest {
  std::string common_name;
  std::string alternative_names = {};  // "DNS:db.example,IP:127.0.0.1"; empty: none
  int days = 30;                       // until it expires; negative: has expired
  std::string digest = "SHA256";       // of the signature
};

struct CertificateFiles {
  std::string certificate;
  std::string key;
};

class CertificateAuthority {
 public:
  explicit CertificateAuthority(const std::string& common_name);

  const std::string& certificate() const { return pem_; }
  CertificateFiles issue(const CertificateRequest& request);
  // Signed by itself with Ed25519, whose signatures have no digest.
  static CertificateFiles issue_ed25519(const std::string& common_name);
  // A revocation list of all certificates issued so far.
  std::string revoke_all() const;

 private:
  std::shared_ptr<EVP_PKEY> key_;
  std::shared_ptr<X509> certificate_;
  std::string pem_;
  std::vector<long> issued_;  // NOLINT: OpenSSL's type of serial numbers
};

}  // namespace sportello::testing_support
