// The messages of the startup phase, which carry no type byte: StartupMessage, SSLRequest, GSSENCRequest,
// CancelRequest. Decoding is bounded: PostgreSQL takes 10,000 bytes at most, and so do we, so that a client
// that has not logged in can make us hold no more. protocol-message-formats.html,
// protocol-flow.html#PROTOCOL-FLOW-START-UP.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "protocol/result.h"

namespace sportello {

inline constexpr uint32_t kMaxStartupBytes = 10'000;  // MAX_STARTUP_PACKET_LENGTH
inline constexpr uint32_t kProtocol30 = 3U << 16;
inline constexpr uint32_t kProtocol32 = (3U << 16) | 2U;
inline constexpr uint32_t kCancelRequestCode = (1234U << 16) | 5678U;
inline constexpr uint32_t kSslRequestCode = (1234U << 16) | 5679U;
inline constexpr uint32_t kGssEncRequestCode = (1234U << 16) | 5680U;

struct SslRequest {};
struct GssEncRequest {};

struct CancelRequest {
  uint32_t process_id = 0;
  std::string_view secret_key;  // 4 to 256 bytes; a view into the decoded bytes
};

struct StartupMessage {
  uint32_t protocol = kProtocol30;
  std::vector<std::pair<std::string, std::string>>
      parameters;                             // in the client's order, without the `_pq_.` ones
  std::vector<std::string> protocol_options;  // names of the `_pq_.` parameters

  // The last value given for a name, as PostgreSQL takes it; empty when there is none.
  std::string_view parameter(std::string_view name) const;
};

using StartupPacket = std::variant<SslRequest, GssEncRequest, CancelRequest, StartupMessage>;

enum class StartupStatus : uint8_t { NeedMore, Done, Malformed };

struct StartupDecoded {
  StartupStatus status = StartupStatus::NeedMore;
  size_t taken_bytes = 0;     // when Done
  StartupPacket packet = {};  // when Done
  Error error = {};           // when Malformed; without a SQLSTATE it is for the log alone
};

// The packet at the front of `bytes`. Protocol versions other than 3.x are Malformed with PostgreSQL's own
// words; 3.x with x > 2 decodes, and the caller answers with NegotiateProtocolVersion. Whose length is wrong
// is told nothing, as by PostgreSQL (COMMERROR): it may speak another protocol, or say Terminate before it
// began.
StartupDecoded decode_startup_packet(std::string_view bytes);

// Towards servers.
void append_startup_message(std::string& out, uint32_t protocol,
                            const std::vector<std::pair<std::string, std::string>>& parameters);
void append_ssl_request(std::string& out);
void append_cancel_request(std::string& out, uint32_t process_id, std::string_view secret_key);

}  // namespace sportello
