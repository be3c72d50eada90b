// What is stored of a user's password, and the methods that compare it with what the user sends: clear text
// and MD5. The rules are PostgreSQL's (auth-password.html): what a stored secret is shows in its form; a hash
// or a verifier is never itself a password (it only ever meets what is derived from what the user typed); no
// secret admits an empty password.
//
// Nothing here talks; the conversations are proxy/session/client_login.h and proxy/pool/server_login.h.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "protocol/auth/scram.h"
#include "protocol/auth/secret_bytes.h"

namespace sportello::auth {

struct NoPassword {};
struct PlainPassword {
  SecretString text;
};
// "md5" and 32 hexadecimal digits: md5(password || user).
struct Md5Hash {
  SecretString text;
};
using StoredSecret = std::variant<NoPassword, PlainPassword, Md5Hash, ScramVerifier>;

// Reads pg_authid.rolpassword or a line of auth_file. What is neither an MD5 hash nor a verifier is a
// password in clear; nothing at all is NoPassword.
StoredSecret parse_stored_secret(std::string_view stored);

inline constexpr size_t kMd5SaltBytes = 4;
using Md5Salt = std::array<char, kMd5SaltBytes>;
Md5Salt make_md5_salt();

// The MD5 functions answer nothing where OpenSSL has no MD5 (a FIPS installation).
std::optional<SecretString> md5_hash(std::string_view password, std::string_view user);
// What goes over the wire: "md5" || md5(hash without its "md5" || salt).
std::optional<SecretString> md5_response(std::string_view hash, const Md5Salt& salt);

// Is `password`, as the user sent it in clear, the one that `secret` was made from?
bool check_clear_password(const StoredSecret& secret, std::string_view user, std::string_view password);
// Is `response` what a client that knows the password answers to `salt`? A ScramVerifier cannot tell: false.
bool check_md5_response(const StoredSecret& secret, std::string_view user, const Md5Salt& salt,
                        std::string_view response);

}  // namespace sportello::auth
