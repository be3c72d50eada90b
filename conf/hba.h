#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
namespace sportello::conf {
struct HbaQuery { bool is_local = false; bool is_tls = false; std::array<uint8_t,16> address{}; std::string_view database, user; bool replication = false; };
enum class HbaMethod : uint8_t {Trust, Reject, Password, Md5, ScramSha256, Cert, Peer};
struct HbaRule { HbaMethod method; std::string map; };
class Hba { public: const HbaRule* match(const HbaQuery&) const; };
}
