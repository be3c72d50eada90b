#include "protocol/backend_messages.h"

#include "protocol/wire.h"

namespace sportello {
namespace {

constexpr uint32_t kTextOid = 25;

}  // namespace

std::optional<ParameterStatus> decode_parameter_status(std::string_view body) {
  WireReader reader(body);
  ParameterStatus status;
  status.name = reader.cstring();
  status.value = reader.cstring();
  return reader.complete() ? std::optional(status) : std::nullopt;
}

std::optional<TransactionStatus> decode_ready_for_query(std::string_view body) {
  if (body.size() != 1 || (body[0] != 'I' && body[0] != 'T' && body[0] != 'E')) {
    return std::nullopt;
  }
  return static_cast<TransactionStatus>(body[0]);
}

std::optional<BackendKeyData> decode_backend_key_data(std::string_view body) {
  WireReader reader(body);
  BackendKeyData key;
  key.process_id = reader.u32();
  key.secret_key = reader.remaining();
  const bool sized = key.secret_key.size() >= 4 && key.secret_key.size() <= 256;
  return reader.ok() && sized ? std::optional(key) : std::nullopt;
}

std::optional<std::string_view> decode_command_complete(std::string_view body) {
  WireReader reader(body);
  const std::string_view tag = reader.cstring();
  return reader.complete() ? std::optional(tag) : std::nullopt;
}

void append_authentication(std::string& out, Authentication code, std::string_view data) {
  WireWriter writer(out);
  writer.begin(backend::kAuthentication).u32(static_cast<uint32_t>(code)).bytes(data).end();
}

void append_parameter_status(std::string& out, std::string_view name, std::string_view value) {
  WireWriter(out).begin(backend::kParameterStatus).cstring(name).cstring(value).end();
}

void append_backend_key_data(std::string& out, uint32_t process_id, std::string_view secret_key) {
  WireWriter(out).begin(backend::kBackendKeyData).u32(process_id).bytes(secret_key).end();
}

void append_ready_for_query(std::string& out, TransactionStatus status) {
  WireWriter(out).begin(backend::kReadyForQuery).u8(static_cast<uint8_t>(status)).end();
}

void append_command_complete(std::string& out, std::string_view tag) {
  WireWriter(out).begin(backend::kCommandComplete).cstring(tag).end();
}

void append_negotiate_protocol_version(std::string& out, uint32_t newest_minor,
                                       const std::vector<std::string>& unknown_options) {
  WireWriter writer(out);
  writer.begin(backend::kNegotiateProtocolVersion)
      .u32(newest_minor)
      .u32(static_cast<uint32_t>(unknown_options.size()));
  for (const std::string& option : unknown_options) {
    writer.cstring(option);
  }
  writer.end();
}

void append_empty(std::string& out, char type) { WireWriter(out).begin(type).end(); }

void append_text_row_description(std::string& out, const std::vector<std::string>& names) {
  WireWriter writer(out);
  writer.begin(backend::kRowDescription).u16(static_cast<uint16_t>(names.size()));
  for (const std::string& name : names) {
    // Of no table, text, of any length, no type modifier, in text format.
    writer.cstring(name).u32(0).u16(0).u32(kTextOid).u16(0xffff).u32(0xffffffff).u16(0);
  }
  writer.end();
}

void append_text_data_row(std::string& out, const std::vector<std::optional<std::string>>& values) {
  WireWriter writer(out);
  writer.begin(backend::kDataRow).u16(static_cast<uint16_t>(values.size()));
  for (const auto& value : values) {
    if (value) {
      writer.u32(static_cast<uint32_t>(value->size())).bytes(*value);
    } else {
      writer.u32(0xffffffff);
    }
  }
  writer.end();
}

}  // namespace sportello
