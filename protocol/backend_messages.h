// What a server sends: the type bytes, the messages that the proxy reads, and those it sends to clients
// itself. protocol-message-formats.html.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sportello {

namespace backend {
inline constexpr char kAuthentication = 'R';
inline constexpr char kBackendKeyData = 'K';
inline constexpr char kBindComplete = '2';
inline constexpr char kCloseComplete = '3';
inline constexpr char kCommandComplete = 'C';
inline constexpr char kCopyBothResponse = 'W';
inline constexpr char kCopyData = 'd';
inline constexpr char kCopyDone = 'c';
inline constexpr char kCopyInResponse = 'G';
inline constexpr char kCopyOutResponse = 'H';
inline constexpr char kDataRow = 'D';
inline constexpr char kEmptyQueryResponse = 'I';
inline constexpr char kErrorResponse = 'E';
inline constexpr char kFunctionCallResponse = 'V';
inline constexpr char kNegotiateProtocolVersion = 'v';
inline constexpr char kNoData = 'n';
inline constexpr char kNoticeResponse = 'N';
inline constexpr char kNotificationResponse = 'A';
inline constexpr char kParameterDescription = 't';
inline constexpr char kParameterStatus = 'S';
inline constexpr char kParseComplete = '1';
inline constexpr char kPortalSuspended = 's';
inline constexpr char kReadyForQuery = 'Z';
inline constexpr char kRowDescription = 'T';
}  // namespace backend

// The codes of Authentication messages.
enum class Authentication : uint32_t {
  Ok = 0,
  CleartextPassword = 3,
  Md5Password = 5,
  Sasl = 10,
  SaslContinue = 11,
  SaslFinal = 12,
};

// ReadyForQuery's status byte.
enum class TransactionStatus : char { Idle = 'I', InBlock = 'T', Failed = 'E' };

struct ParameterStatus {
  std::string_view name;
  std::string_view value;
};

struct BackendKeyData {
  uint32_t process_id = 0;
  std::string_view secret_key;  // 4 bytes in protocol 3.0, up to 256 in 3.2
};

std::optional<ParameterStatus> decode_parameter_status(std::string_view body);
std::optional<TransactionStatus> decode_ready_for_query(std::string_view body);
std::optional<BackendKeyData> decode_backend_key_data(std::string_view body);
// The tag, such as "INSERT 0 1".
std::optional<std::string_view> decode_command_complete(std::string_view body);

void append_authentication(std::string& out, Authentication code, std::string_view data = {});
void append_parameter_status(std::string& out, std::string_view name, std::string_view value);
void append_backend_key_data(std::string& out, uint32_t process_id, std::string_view secret_key);
void append_ready_for_query(std::string& out, TransactionStatus status);
void append_command_complete(std::string& out, std::string_view tag);
void append_negotiate_protocol_version(std::string& out, uint32_t newest_minor,
                                       const std::vector<std::string>& unknown_options);
// A message without a body: ParseComplete, CloseComplete, EmptyQueryResponse, NoData, …
void append_empty(std::string& out, char type);

// One text column per name, and a row of such columns; for answers of our own (the admin console).
void append_text_row_description(std::string& out, const std::vector<std::string>& names);
void append_text_data_row(std::string& out, const std::vector<std::optional<std::string>>& values);

}  // namespace sportello
