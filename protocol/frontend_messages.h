// What a client sends after it has logged in: the messages that the proxy acts on, as views into their
// bodies, and the ones it sends to servers itself. All others are relayed as the bytes they came in.
// protocol-message-formats.html.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sportello {

namespace frontend {
inline constexpr char kBind = 'B';
inline constexpr char kClose = 'C';
inline constexpr char kCopyData = 'd';
inline constexpr char kCopyDone = 'c';
inline constexpr char kCopyFail = 'f';
inline constexpr char kDescribe = 'D';
inline constexpr char kExecute = 'E';
inline constexpr char kFlush = 'H';
inline constexpr char kFunctionCall = 'F';
inline constexpr char kParse = 'P';
inline constexpr char kPassword = 'p';  // PasswordMessage, SASLInitialResponse, SASLResponse, GSSResponse
inline constexpr char kQuery = 'Q';
inline constexpr char kSync = 'S';
inline constexpr char kTerminate = 'X';
}  // namespace frontend

struct ParseMessage {
  std::string_view name;
  std::string_view query;
  std::string_view parameter_types;  // the count and the OIDs, as on the wire
};

// The part of a Bind in front of its parameters, which is all that a proxy has to change.
struct BindPrefix {
  std::string_view portal;
  std::string_view statement;
  size_t bytes = 0;  // of the body that both names and their NULs take
};

// Describe and Close name a statement ('S') or a portal ('P').
struct TargetMessage {
  char kind = 0;
  std::string_view name;
};

struct ExecuteMessage {
  std::string_view portal;
  uint32_t max_rows = 0;  // 0: all
};

// Each takes a whole body and answers nothing if it is not what the message's format says.
std::optional<std::string_view> decode_query(std::string_view body);
std::optional<ParseMessage> decode_parse(std::string_view body);
std::optional<TargetMessage> decode_target(std::string_view body);
std::optional<ExecuteMessage> decode_execute(std::string_view body);
// Takes the front of a body; nothing if both names are not there.
std::optional<BindPrefix> decode_bind_prefix(std::string_view front);

void append_query(std::string& out, std::string_view text);
void append_parse(std::string& out, std::string_view name, std::string_view query,
                  std::string_view parameter_types);
void append_target(std::string& out, char type, char kind, std::string_view name);
void append_sync(std::string& out);
void append_terminate(std::string& out);
void append_password(std::string& out, std::string_view body);

}  // namespace sportello
