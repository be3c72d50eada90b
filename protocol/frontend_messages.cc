#include "protocol/frontend_messages.h"

#include "protocol/wire.h"

namespace sportello {

std::optional<std::string_view> decode_query(std::string_view body) {
  WireReader reader(body);
  const std::string_view text = reader.cstring();
  return reader.complete() ? std::optional(text) : std::nullopt;
}

std::optional<ParseMessage> decode_parse(std::string_view body) {
  WireReader reader(body);
  ParseMessage message;
  message.name = reader.cstring();
  message.query = reader.cstring();
  message.parameter_types = reader.remaining();
  const uint16_t count = reader.u16();
  reader.bytes(count * 4UL);
  return reader.complete() ? std::optional(message) : std::nullopt;
}

std::optional<TargetMessage> decode_target(std::string_view body) {
  WireReader reader(body);
  TargetMessage message;
  message.kind = static_cast<char>(reader.u8());
  message.name = reader.cstring();
  const bool known = message.kind == 'S' || message.kind == 'P';
  return reader.complete() && known ? std::optional(message) : std::nullopt;
}

std::optional<ExecuteMessage> decode_execute(std::string_view body) {
  WireReader reader(body);
  ExecuteMessage message;
  message.portal = reader.cstring();
  message.max_rows = reader.u32();
  return reader.complete() ? std::optional(message) : std::nullopt;
}

std::optional<BindPrefix> decode_bind_prefix(std::string_view front) {
  WireReader reader(front);
  BindPrefix prefix;
  prefix.portal = reader.cstring();
  prefix.statement = reader.cstring();
  prefix.bytes = prefix.portal.size() + prefix.statement.size() + 2;
  return reader.ok() ? std::optional(prefix) : std::nullopt;
}

void append_query(std::string& out, std::string_view text) {
  WireWriter(out).begin(frontend::kQuery).cstring(text).end();
}

void append_parse(std::string& out, std::string_view name, std::string_view query,
                  std::string_view parameter_types) {
  WireWriter(out).begin(frontend::kParse).cstring(name).cstring(query).bytes(parameter_types).end();
}

void append_target(std::string& out, char type, char kind, std::string_view name) {
  WireWriter(out).begin(type).u8(static_cast<uint8_t>(kind)).cstring(name).end();
}

void append_sync(std::string& out) { WireWriter(out).begin(frontend::kSync).end(); }

void append_terminate(std::string& out) { WireWriter(out).begin(frontend::kTerminate).end(); }

void append_password(std::string& out, std::string_view body) {
  WireWriter(out).begin(frontend::kPassword).bytes(body).end();
}

}  // namespace sportello
