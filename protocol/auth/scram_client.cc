#include "protocol/auth/scram_client.h"

#include <algorithm>

#include "protocol/auth/base64.h"
#include "protocol/invariant.h"
#include "protocol/sqlstate.h"
#include "protocol/wire.h"

namespace sportello::auth {
namespace {

Error malformed(std::string detail) {
  return {sqlstate::kProtocolViolation, "malformed SCRAM message from the server", std::move(detail)};
}

Error refused(std::string message) {
  return {sqlstate::kSqlclientUnableToEstablishConnection, std::move(message)};
}

struct Offered {
  bool plain = false;
  bool plus = false;
};

// Names, each with its NUL, and an empty one at the end.
std::optional<Offered> parse_mechanism_list(std::string_view list) {
  Offered offered;
  WireReader reader(list);
  for (;;) {
    const std::string_view name = reader.cstring();
    if (name.empty()) {
      break;
    }
    offered.plain |= name == kScramSha256;
    offered.plus |= name == kScramSha256Plus;
  }
  return reader.complete() ? std::optional(offered) : std::nullopt;
}

}  // namespace

Result<ScramClient::Initial> ScramClient::start(std::string_view mechanism_list) {
  const std::optional<Offered> offered = parse_mechanism_list(mechanism_list);
  if (!offered) {
    return malformed("The list of mechanisms is not terminated.");
  }
  const bool can_bind =
      !settings_.end_point_hash.empty() && settings_.channel_binding != ChannelBinding::Disable;
  const bool binds = can_bind && offered->plus;
  if (!binds && settings_.channel_binding == ChannelBinding::Require) {
    return refused("channel binding is required, but the server did not offer it or the link has no TLS");
  }
  if (!binds && !offered->plain) {
    return refused("none of the server's SASL authentication mechanisms are supported");
  }
  // 'y' lets a server that does offer binding notice that its offer was taken off the list.
  gs2_header_ = binds ? "p=" + std::string(kTlsServerEndPoint) + ",," : can_bind ? "y,," : "n,,";
  client_first_bare_ = "n=,r=" + settings_.nonce;
  return Initial{binds ? kScramSha256Plus : kScramSha256, gs2_header_ + client_first_bare_};
}

Result<std::string> ScramClient::respond(std::string_view server_first) {
  invariant(!client_first_bare_.empty(), "start comes before respond");
  ScramAttributes attributes(server_first);
  const std::optional<std::string_view> nonce = attributes.take('r');
  if (!nonce || !is_scram_nonce(*nonce)) {
    return malformed("A printable nonce is expected.");
  }
  if (!nonce->starts_with(settings_.nonce) || nonce->size() == settings_.nonce.size()) {
    return Error{sqlstate::kProtocolViolation, "invalid SCRAM response", "Nonce does not match."};
  }
  const std::optional<std::string_view> salt_text = attributes.take('s');
  const std::optional<std::string> salt = salt_text ? base64_decode(*salt_text) : std::nullopt;
  if (!salt || salt->empty()) {
    return malformed("A salt is expected.");
  }
  const std::optional<std::string_view> count = attributes.take('i');
  const std::optional<uint32_t> iterations = count ? parse_scram_iterations(*count) : std::nullopt;
  if (!iterations || !attributes.at_end()) {
    return malformed("An iteration count, and nothing after it, is expected.");
  }
  if (*iterations > std::min(settings_.max_iterations, kMaxScramIterations)) {
    return refused("the server asks for " + std::to_string(*iterations) +
                   " SCRAM iterations, which is more than is allowed");
  }
  used_ = {*salt, *iterations, keys_for(*salt, *iterations)};

  const bool binds = gs2_header_.starts_with('p');
  const std::string without_proof =
      "c=" + base64_encode(gs2_header_ + (binds ? settings_.end_point_hash : std::string())) +
      ",r=" + std::string(*nonce);
  auth_message_ = client_first_bare_ + ',' + std::string(server_first) + ',' + without_proof;
  const SecretKey& client_key = used_.keys.client_key;
  const SecretKey signature = hmac_sha256(sha256(client_key.view()).view(), auth_message_);
  return without_proof + ",p=" + base64_encode(exclusive_or(client_key, signature).view());
}

Result<void> ScramClient::verify(std::string_view server_final) {
  invariant(!auth_message_.empty(), "respond comes before verify");
  if (server_final.starts_with("e=")) {
    return refused("the server refused the SCRAM exchange");
  }
  ScramAttributes attributes(server_final);
  const std::optional<std::string_view> text = attributes.take('v');
  const std::optional<std::string> signature = text ? base64_decode(*text) : std::nullopt;
  if (!signature || signature->size() != SecretKey::kBytes || !attributes.at_end()) {
    return malformed("A server signature is expected.");
  }
  if (!equal_secrets(hmac_sha256(used_.keys.server_key.view(), auth_message_).view(), *signature)) {
    return refused("incorrect server signature: the server does not know this user's password");
  }
  return {};
}

ScramKeys ScramClient::keys_for(std::string_view salt, uint32_t iterations) const {
  if (const auto* keys = std::get_if<ScramKeys>(&settings_.secret)) {
    return *keys;
  }
  const std::optional<DerivedScramKeys>& derived = settings_.derived;
  if (derived && derived->salt == salt && derived->iterations == iterations) {
    return derived->keys;
  }
  return derive_scram_keys(std::get<PlainPassword>(settings_.secret).text.view(), salt, iterations);
}

}  // namespace sportello::auth
