#include "tests/support/certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "protocol/invariant.h"

namespace sportello::testing_support {
namespace {

constexpr long kSecondsPerDay = 86'400;  // NOLINT: OpenSSL's type
constexpr long kAuthoritySerial = 1;     // NOLINT

void must(bool done) { invariant(done, "OpenSSL makes the certificates of a test"); }

std::shared_ptr<EVP_PKEY> own(EVP_PKEY* key) {
  must(key != nullptr);
  return {key, EVP_PKEY_free};
}

template <typename Write>
std::string pem_of(Write write) {
  BIO* bio = BIO_new(BIO_s_mem());
  must(bio != nullptr && write(bio) == 1);
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(bio, &bytes);  // NOLINT
  std::string text(bytes, static_cast<size_t>(size));
  BIO_free(bio);
  return text;
}

std::string key_pem(EVP_PKEY* key) {
  return pem_of(
      [key](BIO* bio) { return PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr); });
}

std::string certificate_pem(X509* certificate) {
  return pem_of([certificate](BIO* bio) { return PEM_write_bio_X509(bio, certificate); });
}

void add_extension(X509* certificate, X509* issuer, int name, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, name, value.c_str());
  must(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

void set_common_name(X509* certificate, const std::string& name) {
  X509_NAME* subject = X509_get_subject_name(certificate);
  must(X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
                                  reinterpret_cast<const unsigned char*>(name.data()),
                                  static_cast<int>(name.size()), -1, 0) == 1);
}

// Not signed yet.
std::shared_ptr<X509> draft(long serial, const std::string& common_name, EVP_PKEY* key, int days) {  // NOLINT
  std::shared_ptr<X509> certificate(X509_new(), X509_free);
  must(certificate != nullptr);
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), (days < 0 ? 2 * days : -1) * kSecondsPerDay);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), days * kSecondsPerDay);
  set_common_name(certificate.get(), common_name);
  X509_set_pubkey(certificate.get(), key);
  return certificate;
}

}  // namespace

CertificateAuthority::CertificateAuthority(const std::string& common_name)
    : key_(own(EVP_EC_gen("P-256"))), certificate_(draft(kAuthoritySerial, common_name, key_.get(), 30)) {
  X509_set_issuer_name(certificate_.get(), X509_get_subject_name(certificate_.get()));
  add_extension(certificate_.get(), certificate_.get(), NID_basic_constraints, "critical,CA:TRUE");
  add_extension(certificate_.get(), certificate_.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
  must(X509_sign(certificate_.get(), key_.get(), EVP_sha256()) > 0);
  pem_ = certificate_pem(certificate_.get());
}

CertificateFiles CertificateAuthority::issue(const CertificateRequest& request) {
  const std::shared_ptr<EVP_PKEY> key = own(EVP_EC_gen("P-256"));
  issued_.push_back(kAuthoritySerial + 1 + static_cast<long>(issued_.size()));  // NOLINT
  const std::shared_ptr<X509> certificate =
      draft(issued_.back(), request.common_name, key.get(), request.days);
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate_.get()));
  if (!request.alternative_names.empty()) {
    add_extension(certificate.get(), certificate_.get(), NID_subject_alt_name, request.alternative_names);
  }
  must(X509_sign(certificate.get(), key_.get(), EVP_get_digestbyname(request.digest.c_str())) > 0);
  return {certificate_pem(certificate.get()), key_pem(key.get())};
}

CertificateFiles CertificateAuthority::issue_ed25519(const std::string& common_name) {
  const std::shared_ptr<EVP_PKEY> key = own(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  const std::shared_ptr<X509> certificate = draft(kAuthoritySerial, common_name, key.get(), 30);
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate.get()));
  must(X509_sign(certificate.get(), key.get(), nullptr) > 0);
  return {certificate_pem(certificate.get()), key_pem(key.get())};
}

std::string CertificateAuthority::revoke_all() const {
  const std::unique_ptr<X509_CRL, void (*)(X509_CRL*)> list(X509_CRL_new(), X509_CRL_free);
  X509_CRL_set_version(list.get(), X509_CRL_VERSION_2);
  X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(certificate_.get()));
  const std::unique_ptr<ASN1_TIME, void (*)(ASN1_TIME*)> before(X509_gmtime_adj(nullptr, -kSecondsPerDay),
                                                                ASN1_TIME_free);
  const std::unique_ptr<ASN1_TIME, void (*)(ASN1_TIME*)> after(X509_gmtime_adj(nullptr, kSecondsPerDay),
                                                               ASN1_TIME_free);
  X509_CRL_set1_lastUpdate(list.get(), before.get());
  X509_CRL_set1_nextUpdate(list.get(), after.get());
  for (const long serial : issued_) {  // NOLINT
    X509_REVOKED* revoked = X509_REVOKED_new();
    const std::unique_ptr<ASN1_INTEGER, void (*)(ASN1_INTEGER*)> number(ASN1_INTEGER_new(),
                                                                        ASN1_INTEGER_free);
    ASN1_INTEGER_set(number.get(), serial);
    X509_REVOKED_set_serialNumber(revoked, number.get());
    X509_REVOKED_set_revocationDate(revoked, before.get());
    X509_CRL_add0_revoked(list.get(), revoked);
  }
  X509_CRL_sort(list.get());
  must(X509_CRL_sign(list.get(), key_.get(), EVP_sha256()) > 0);
  return pem_of([&list](BIO* bio) { return PEM_write_bio_X509_CRL(bio, list.get()); });
}

}  // namespace sportello::testing_support
