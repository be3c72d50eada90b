// Both logins against each other, end to end and in memory: a client (ServerLogin plays it, being one) logs
// in to the proxy, and the proxy, with no more than what it stores or has just learned, to a server
// (ClientLogin plays it). S22: for every method and stored secret on both legs, only the right password gets
// through.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "protocol/backend_messages.h"
#include "protocol/frame_decoder.h"
#include "proxy/pool/server_login.h"
#include "proxy/session/client_login.h"

namespace sportello::proxy {
namespace {

constexpr std::string_view kUser = "anna";
constexpr std::string_view kRight = "pass\u00A0w\u00F6rt";

struct Stored {
  std::string name;
  std::optional<auth::StoredSecret> secret;
};

std::vector<Stored> stored_secrets() {
  return {{"nobody", std::nullopt},
          {"nothing", auth::NoPassword{}},
          {"plain", auth::PlainPassword{auth::SecretString(kRight)}},
          {"md5", auth::Md5Hash{*auth::md5_hash(kRight, kUser)}},
          {"scram", auth::make_scram_verifier(auth::derive_scram_keys(kRight, "salty", 2), "salty", 2)}};
}

struct Method {
  std::string name;
  AuthMethod method;
};
const Method kMethods[] = {
    {"password", AuthMethod::Password}, {"md5", AuthMethod::Md5}, {"scram", AuthMethod::ScramSha256}};

// Carries whole messages between the two until one of them is done; true if both are content.
bool converse(ServerLogin& frontend, ClientLogin& backend) {
  std::string to_backend;
  std::string to_frontend;
  LoginProgress frontend_at = frontend.start(to_backend);
  to_backend.clear();  // the StartupMessage has been read
  LoginProgress backend_at = backend.start(to_frontend);
  const auto deliver = [](std::string& bytes, LoginProgress& progress, auto receive) {
    std::string_view rest = bytes;
    WholeFrame frame;
    while (progress == LoginProgress::Waiting &&
           take_whole_frame(rest, ServerLogin::kMaxMessageLength, frame) == FrameStatus::Header) {
      progress = receive(frame.type, frame.body);
      rest.remove_prefix(frame.total_bytes);
    }
    bytes.clear();
  };
  while (!to_frontend.empty() || !to_backend.empty()) {
    if (backend_at == LoginProgress::Done) {
      append_ready_for_query(to_frontend, TransactionStatus::Idle);
    }
    deliver(to_frontend, frontend_at,
            [&](char type, std::string_view body) { return frontend.receive(type, body, to_backend); });
    deliver(to_backend, backend_at,
            [&](char type, std::string_view body) { return backend.receive(type, body, to_frontend); });
  }
  return frontend_at == LoginProgress::Done && backend_at == LoginProgress::Done;
}

ClientLoginRequest gate(AuthMethod method, const std::optional<auth::StoredSecret>& secret) {
  return {.user = std::string(kUser), .method = method, .secret = secret, .allows_clear_text = true};
}

ServerLoginRequest knock(ServerSecret secret) {
  return {.user = std::string(kUser), .database = "notai", .secret = std::move(secret), .is_private = true};
}

// What the proxy can log in to a server with, after this client's login.
ServerSecret secret_towards_server(const auth::StoredSecret& stored, const ClientLogin& login) {
  if (login.scram_keys()) {
    return *login.scram_keys();
  }
  if (const auto* plain = std::get_if<auth::PlainPassword>(&stored)) {
    return *plain;
  }
  if (const auto* hash = std::get_if<auth::Md5Hash>(&stored)) {
    return *hash;
  }
  return auth::NoPassword{};
}

TEST(LoginMatrix, OnlyTheRightPasswordPassesTheProxy) {
  auth::VerifierSource verifiers(std::string(32, 's'), 2);
  for (const Method& method : kMethods) {
    for (const Stored& stored : stored_secrets()) {
      for (const std::string_view password :
           {kRight, std::string_view("wrong"), std::string_view("pass w"), std::string_view()}) {
        ClientLogin backend(gate(method.method, stored.secret), verifiers);
        ServerLogin frontend(knock(auth::PlainPassword{auth::SecretString(password)}));
        const bool can_pass = stored.secret && !std::holds_alternative<auth::NoPassword>(*stored.secret) &&
                              !(method.method == AuthMethod::ScramSha256 && stored.name == "md5");
        EXPECT_EQ(converse(frontend, backend), can_pass && password == kRight)
            << method.name << " with " << stored.name << " stored and password " << password;
      }
    }
  }
}

TEST(LoginMatrix, WhatTheProxyLearnedOpensTheServersThatItCan) {
  auth::VerifierSource verifiers(std::string(32, 's'), 2);
  for (const Method& client_method : kMethods) {
    for (const Stored& at_proxy : stored_secrets()) {
      ClientLogin login(gate(client_method.method, at_proxy.secret), verifiers);
      ServerLogin client(knock(auth::PlainPassword{auth::SecretString(kRight)}));
      if (!converse(client, login)) {
        continue;
      }
      for (const Method& server_method : kMethods) {
        for (const Stored& at_server : stored_secrets()) {
          ClientLogin server(gate(server_method.method, at_server.secret), verifiers);
          ServerLogin link(knock(secret_towards_server(*at_proxy.secret, login)));
          // PostgreSQL stores no passwords in clear.
          if (at_server.name == "plain") {
            continue;
          }
          const bool exists = at_server.name == "md5" || at_server.name == "scram";
          const bool asks_scram =
              server_method.name == "scram" || (server_method.name == "md5" && at_server.name != "md5");
          const bool asks_md5 = server_method.name == "md5" && at_server.name == "md5";
          const bool has_proof = at_proxy.name == "plain" || (asks_scram && at_proxy.name == "scram") ||
                                 (asks_md5 && at_proxy.name == "md5");
          const bool takes_it = exists && !(asks_scram && at_server.name == "md5");
          EXPECT_EQ(converse(link, server), has_proof && takes_it)
              << client_method.name << " with " << at_proxy.name << " at the proxy, " << server_method.name
              << " with " << at_server.name << " at the server";
        }
      }
    }
  }
}

}  // namespace
}  // namespace sportello::proxy
