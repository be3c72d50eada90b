#include "protocol/auth/scram_server.h"

#include "protocol/auth/base64.h"
#include "protocol/invariant.h"
#include "protocol/sqlstate.h"

namespace sportello::auth {
namespace {

Error malformed(std::string detail) {
  return {sqlstate::kProtocolViolation, "malformed SCRAM message", std::move(detail)};
}

// Where the client-first-message-bare begins: after the flag's and the authzid's commas. 0: not there.
size_t gs2_header_size(std::string_view message) {
  const size_t flag_end = message.find(',');
  const size_t authzid_end = flag_end == std::string_view::npos ? flag_end : message.find(',', flag_end + 1);
  return authzid_end == std::string_view::npos ? 0 : authzid_end + 1;
}

}  // namespace

std::string ScramServer::mechanism_list(bool has_channel_binding) {
  std::string list;
  if (has_channel_binding) {
    list.append(kScramSha256Plus).push_back('\0');
  }
  list.append(kScramSha256).push_back('\0');
  list.push_back('\0');
  return list;
}

// RFC 5802 section 6: which flag is allowed depends on the mechanism chosen and on what we offered. Answers
// the rest of the message.
Result<std::string_view> ScramServer::check_gs2_header(std::string_view mechanism, std::string_view message) {
  const bool offers_binding = !settings_.end_point_hash.empty();
  is_bound_ = mechanism == kScramSha256Plus;
  if (!(mechanism == kScramSha256 || (is_bound_ && offers_binding))) {
    return Error{sqlstate::kProtocolViolation, "client selected an invalid SASL authentication mechanism"};
  }
  const size_t size = gs2_header_size(message);
  if (size == 0) {
    return malformed("The GS2 header is incomplete.");
  }
  gs2_header_ = message.substr(0, size);
  const std::string_view flag = message.substr(0, message.find(','));
  const std::string_view authzid = message.substr(flag.size() + 1, size - flag.size() - 2);
  if (!authzid.empty()) {
    return authzid.starts_with("a=") ? Error{sqlstate::kFeatureNotSupported,
                                             "client uses authorization identity, but it is not supported"}
                                     : malformed("Unexpected attribute in the GS2 header.");
  }
  if (is_bound_) {
    if (!flag.starts_with("p=")) {
      return malformed(
          "The client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include channel binding "
          "data.");
    }
    if (flag.substr(2) != kTlsServerEndPoint) {
      return Error{sqlstate::kProtocolViolation, "unsupported SCRAM channel-binding type"};
    }
  } else if (flag.starts_with("p=")) {
    return malformed(
        "The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes channel "
        "binding data.");
  } else if (flag == "y" && offers_binding) {
    // The client believes that we do not offer what we do offer: somebody took it off the list on the way.
    return Error{
        sqlstate::kInvalidAuthorization, "SCRAM channel binding negotiation error",
        "The client supports SCRAM channel binding but thinks the server does not.  However, this server "
        "does support channel binding."};
  } else if (flag != "n" && flag != "y") {
    return malformed("Unexpected channel-binding flag.");
  }
  return message.substr(size);
}

Result<std::string> ScramServer::respond_first(std::string_view mechanism, std::string_view message) {
  invariant(server_first_.empty(), "one exchange a ScramServer");
  if (message.size() > kMaxMessageBytes || message.find('\0') != std::string_view::npos) {
    return malformed("Message length does not match input length.");
  }
  const Result<std::string_view> bare = check_gs2_header(mechanism, message);
  if (!bare) {
    return bare.error();
  }
  if (bare->starts_with("m=")) {
    return Error{sqlstate::kFeatureNotSupported, "client requires an unsupported SCRAM extension"};
  }
  ScramAttributes attributes(*bare);
  // The user is the one of the StartupMessage; the name in here is not looked at, as in PostgreSQL.
  const std::optional<std::string_view> user = attributes.take('n');
  const std::optional<std::string_view> client_nonce = attributes.take('r');
  if (!user || !client_nonce || !is_scram_nonce(*client_nonce)) {
    return malformed("The client-first-message needs a user name and a printable nonce.");
  }
  while (!attributes.at_end()) {
    if (!attributes.take_any()) {
      return malformed("Attribute expected.");
    }
  }
  client_first_bare_ = *bare;
  nonce_ = std::string(*client_nonce) + settings_.nonce;
  server_first_ = "r=" + nonce_ + ",s=" + base64_encode(settings_.verifier.salt) +
                  ",i=" + std::to_string(settings_.verifier.iterations);
  return server_first_;
}

Result<ScramServer::Outcome> ScramServer::respond_final(std::string_view message) {
  invariant(!server_first_.empty(), "respond_first comes before respond_final");
  if (message.size() > kMaxMessageBytes || message.find('\0') != std::string_view::npos) {
    return malformed("Message length does not match input length.");
  }
  ScramAttributes attributes(message);
  const std::optional<std::string_view> binding = attributes.take('c');
  const std::string expected_binding = gs2_header_ + (is_bound_ ? settings_.end_point_hash : std::string());
  if (!binding) {
    return malformed("Channel binding attribute expected.");
  }
  if (!equal_secrets(*binding, base64_encode(expected_binding))) {
    // With binding: the client saw another certificate, so somebody sits in between.
    return is_bound_ ? Error{sqlstate::kInvalidAuthorization, "SCRAM channel binding check failed"}
                     : Error{sqlstate::kProtocolViolation,
                             "unexpected SCRAM channel-binding attribute in client-final-message"};
  }
  if (attributes.take('r') != nonce_) {
    return Error{sqlstate::kProtocolViolation, "invalid SCRAM response", "Nonce does not match."};
  }
  const std::string_view before_last = attributes.rest();
  std::optional<ScramAttributes::Attribute> attribute;
  size_t proof_at = 0;  // of the attribute, in before_last
  do {
    proof_at = before_last.size() - attributes.rest().size();
    attribute = attributes.take_any();
  } while (attribute && attribute->name != 'p');
  const std::optional<std::string> proof = attribute ? base64_decode(attribute->value) : std::nullopt;
  if (!proof || proof->size() != SecretKey::kBytes) {
    return malformed("Malformed proof in client-final-message.");
  }
  if (!attributes.at_end()) {
    return malformed("Garbage found at the end of client-final-message.");
  }
  const size_t without_proof = message.size() - before_last.size() + proof_at - 1;

  const std::string auth_message =
      client_first_bare_ + ',' + server_first_ + ',' + std::string(message.substr(0, without_proof));
  const SecretKey signature = hmac_sha256(settings_.verifier.stored_key.view(), auth_message);
  SecretKey client_proof;
  std::copy(proof->begin(), proof->end(), client_proof.data());
  const SecretKey client_key = exclusive_or(client_proof, signature);
  const bool matches = equal_secrets(sha256(client_key.view()).view(), settings_.verifier.stored_key.view());
  const SecretKey server_signature = hmac_sha256(settings_.verifier.server_key.view(), auth_message);
  if (!matches || settings_.is_doomed) {
    return Outcome{};
  }
  return Outcome{
      true, "v=" + base64_encode(server_signature.view()), {client_key, settings_.verifier.server_key}};
}

}  // namespace sportello::auth
