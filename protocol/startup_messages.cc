#include "protocol/startup_messages.h"

#include <algorithm>

#include "protocol/sqlstate.h"
#include "protocol/wire.h"

namespace sportello {
namespace {

constexpr size_t kMinCancelBytes = 16;
constexpr size_t kMaxCancelKeyBytes = 256;
constexpr size_t kUsualParameters = 5;  // user, database, application_name, client_encoding, options

StartupDecoded malformed(std::string message) {
  return {.status = StartupStatus::Malformed, .error = {sqlstate::kProtocolViolation, std::move(message)}};
}

StartupDecoded bad_length(std::string message) {
  return {.status = StartupStatus::Malformed, .error = {"", std::move(message)}};
}

StartupDecoded done(size_t taken, StartupPacket packet) {
  return {.status = StartupStatus::Done, .taken_bytes = taken, .packet = std::move(packet)};
}

StartupDecoded decode_parameters(uint32_t protocol, WireReader reader, size_t taken) {
  StartupMessage message;
  message.protocol = protocol;
  message.parameters.reserve(kUsualParameters);
  for (;;) {
    const std::string_view name = reader.cstring();
    if (!reader.ok()) {
      return malformed("invalid startup packet layout: expected terminator as last byte");
    }
    if (name.empty()) {
      break;
    }
    const std::string_view value = reader.cstring();
    if (!reader.ok()) {
      return malformed("invalid startup packet layout: expected terminator as last byte");
    }
    if (name.starts_with("_pq_.")) {
      message.protocol_options.emplace_back(name);
    } else {
      message.parameters.emplace_back(name, value);
    }
  }
  if (!reader.complete()) {
    return malformed("invalid startup packet layout: expected terminator as last byte");
  }
  return done(taken, std::move(message));
}

}  // namespace

std::string_view StartupMessage::parameter(std::string_view name) const {
  const auto found = std::find_if(parameters.rbegin(), parameters.rend(),
                                  [&](const auto& parameter) { return parameter.first == name; });
  return found == parameters.rend() ? std::string_view() : std::string_view(found->second);
}

StartupDecoded decode_startup_packet(std::string_view bytes) {
  if (bytes.size() < 4) {
    return {};
  }
  const uint32_t length = load_be32(bytes.data());
  if (length < 8 || length > kMaxStartupBytes) {
    return bad_length("invalid length of startup packet");
  }
  if (bytes.size() < 8) {
    return {};
  }
  const uint32_t code = load_be32(bytes.data() + 4);
  const bool is_request = code == kSslRequestCode || code == kGssEncRequestCode;
  if (is_request && length != 8) {
    return bad_length("invalid length of startup packet");
  }
  if (!is_request && code != kCancelRequestCode && (code >> 16) != 3) {
    return {.status = StartupStatus::Malformed,
            .error = {sqlstate::kFeatureNotSupported,
                      "unsupported frontend protocol " + std::to_string(code >> 16) + "." +
                          std::to_string(code & 0xffff) + ": server supports 3.0 to 3.2"}};
  }
  if (bytes.size() < length) {
    return {};
  }
  if (code == kSslRequestCode) {
    return done(length, SslRequest{});
  }
  if (code == kGssEncRequestCode) {
    return done(length, GssEncRequest{});
  }
  WireReader reader(bytes.substr(8, length - 8));
  if (code == kCancelRequestCode) {
    if (length < kMinCancelBytes || length > kMinCancelBytes - 4 + kMaxCancelKeyBytes) {
      return bad_length("invalid length of cancel request");
    }
    CancelRequest cancel;
    cancel.process_id = reader.u32();
    cancel.secret_key = reader.remaining();
    return done(length, cancel);
  }
  return decode_parameters(code, reader, length);
}

void append_startup_message(std::string& out, uint32_t protocol,
                            const std::vector<std::pair<std::string, std::string>>& parameters) {
  WireWriter writer(out);
  writer.begin_untyped().u32(protocol);
  for (const auto& [name, value] : parameters) {
    writer.cstring(name).cstring(value);
  }
  writer.u8(0).end();
}

void append_ssl_request(std::string& out) { WireWriter(out).begin_untyped().u32(kSslRequestCode).end(); }

void append_cancel_request(std::string& out, uint32_t process_id, std::string_view secret_key) {
  WireWriter(out).begin_untyped().u32(kCancelRequestCode).u32(process_id).bytes(secret_key).end();
}

}  // namespace sportello
