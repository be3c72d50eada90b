// The messages of both peers, a function each, so that a test reads like the conversation that it scripts.
// client:: is what a client sends, server:: what a server does.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/backend_messages.h"
#include "protocol/error_response.h"
#include "protocol/frontend_messages.h"
#include "protocol/wire.h"

namespace sportello::proxy::client {

inline std::string message(char type, std::string_view body) {
  std::string out;
  WireWriter(out).begin(type).bytes(body).end();
  return out;
}

inline std::string query(std::string_view text) {
  std::string out;
  append_query(out, text);
  return out;
}

inline std::string parse(std::string_view name, std::string_view text,
                         const std::vector<uint32_t>& types = {}) {
  std::string list;
  WireWriter writer(list);
  writer.u16(static_cast<uint16_t>(types.size()));
  for (const uint32_t type : types) {
    writer.u32(type);
  }
  std::string out;
  append_parse(out, name, text, list);
  return out;
}

inline std::string bind(std::string_view portal, std::string_view statement,
                        const std::vector<std::string>& values = {}) {
  std::string out;
  WireWriter writer(out);
  writer.begin(frontend::kBind)
      .cstring(portal)
      .cstring(statement)
      .u16(0)
      .u16(static_cast<uint16_t>(values.size()));
  for (const std::string& value : values) {
    writer.u32(static_cast<uint32_t>(value.size())).bytes(value);
  }
  writer.u16(0).end();
  return out;
}

inline std::string describe(char kind, std::string_view name) {
  std::string out;
  append_target(out, frontend::kDescribe, kind, name);
  return out;
}

inline std::string close(char kind, std::string_view name) {
  std::string out;
  append_target(out, frontend::kClose, kind, name);
  return out;
}

inline std::string execute(std::string_view portal = "", uint32_t max_rows = 0) {
  std::string out;
  WireWriter(out).begin(frontend::kExecute).cstring(portal).u32(max_rows).end();
  return out;
}

inline std::string function_call(uint32_t oid) {
  std::string out;
  WireWriter(out).begin(frontend::kFunctionCall).u32(oid).u16(0).u16(0).u16(0).end();
  return out;
}

inline std::string sync() { return message(frontend::kSync, {}); }
inline std::string flush() { return message(frontend::kFlush, {}); }
inline std::string terminate() { return message(frontend::kTerminate, {}); }
inline std::string copy_data(std::string_view data) { return message(frontend::kCopyData, data); }
inline std::string copy_done() { return message(frontend::kCopyDone, {}); }
inline std::string copy_fail(std::string_view why) {
  return message(frontend::kCopyFail, std::string(why) + '\0');
}

// Parse, Bind, Execute of the unnamed statement; no Sync.
inline std::string unnamed(std::string_view text) { return parse("", text) + bind("", "") + execute(); }

}  // namespace sportello::proxy::client

namespace sportello::proxy::server {

inline std::string message(char type, std::string_view body) { return client::message(type, body); }

inline std::string parse_complete() { return message(backend::kParseComplete, {}); }
inline std::string bind_complete() { return message(backend::kBindComplete, {}); }
inline std::string close_complete() { return message(backend::kCloseComplete, {}); }
inline std::string no_data() { return message(backend::kNoData, {}); }
inline std::string empty_query() { return message(backend::kEmptyQueryResponse, {}); }
inline std::string portal_suspended() { return message(backend::kPortalSuspended, {}); }
inline std::string parameter_description() { return message(backend::kParameterDescription, {"\0\0", 2}); }
inline std::string function_result() { return message(backend::kFunctionCallResponse, "\xff\xff\xff\xff"); }
inline std::string copy_in() { return message(backend::kCopyInResponse, {"\0\0\0", 3}); }
inline std::string copy_out() { return message(backend::kCopyOutResponse, {"\0\0\0", 3}); }
inline std::string copy_data(std::string_view data) { return message(backend::kCopyData, data); }
inline std::string copy_done() { return message(backend::kCopyDone, {}); }

inline std::string row_description(const std::vector<std::string>& names = {"a"}) {
  std::string out;
  append_text_row_description(out, names);
  return out;
}
// Of an answer that a server sends in parts.
inline const std::string kLargeValue(10'000, 'x');
inline std::string row(const std::string& value) {
  std::string out;
  append_text_data_row(out, {value});
  return out;
}
inline std::string complete(std::string_view tag) {
  std::string out;
  append_command_complete(out, tag);
  return out;
}
inline std::string ready(char status = 'I') { return message(backend::kReadyForQuery, {&status, 1}); }
inline std::string parameter(std::string_view name, std::string_view value) {
  std::string out;
  append_parameter_status(out, name, value);
  return out;
}
inline std::string error(std::string_view sqlstate, std::string_view text = "no",
                         Severity severity = Severity::Error) {
  std::string out;
  append_error_response(out, severity, {sqlstate, std::string(text)});
  return out;
}
inline std::string fatal(std::string_view sqlstate, std::string_view text) {
  return error(sqlstate, text, Severity::Fatal);
}
// As PostgreSQL ends a session that has a transaction under way.
inline std::string goodbye(std::string_view sqlstate = "57P01", std::string_view text = "terminating",
                           std::string_view routine = "ProcessInterrupts") {
  std::string out;
  append_error_response(out, Severity::Fatal, {sqlstate, std::string(text)}, routine);
  return out;
}
inline std::string notice(std::string_view text) {
  std::string out = error("00000", text);
  out[0] = backend::kNoticeResponse;
  return out;
}
inline std::string notification(std::string_view channel, std::string_view payload) {
  std::string out;
  WireWriter(out).begin(backend::kNotificationResponse).u32(7).cstring(channel).cstring(payload).end();
  return out;
}
// One row, its command's end and ReadyForQuery.
inline std::string selected(const std::string& value, char status = 'I') {
  return row_description() + row(value) + complete("SELECT 1") + ready(status);
}

}  // namespace sportello::proxy::server
