#include "protocol/error_response.h"

#include "protocol/backend_messages.h"
#include "protocol/wire.h"

namespace sportello {

ErrorFields decode_error_fields(std::string_view body) {
  ErrorFields fields;
  std::string_view localised;
  WireReader reader(body);
  for (;;) {
    const char code = static_cast<char>(reader.u8());
    if (!reader.ok() || code == '\0') {
      break;
    }
    const std::string_view value = reader.cstring();
    switch (code) {
      case 'S':
        localised = value;
        break;
      case 'V':
        fields.severity = value;
        break;
      case 'C':
        fields.sqlstate = value;
        break;
      case 'M':
        fields.message = value;
        break;
      case 'D':
        fields.detail = value;
        break;
      case 'H':
        fields.hint = value;
        break;
      case 'R':
        fields.routine = value;
        break;
      default:
        break;
    }
  }
  if (fields.severity.empty()) {
    fields.severity = localised;
  }
  return fields;
}

void append_error_response(std::string& out, Severity severity, const Error& error,
                           std::string_view routine) {
  const std::string_view word = severity == Severity::Fatal ? "FATAL" : "ERROR";
  WireWriter writer(out);
  writer.begin(backend::kErrorResponse);
  writer.u8('S')
      .cstring(word)
      .u8('V')
      .cstring(word)
      .u8('C')
      .cstring(error.sqlstate)
      .u8('M')
      .cstring(error.message);
  if (!error.detail.empty()) {
    writer.u8('D').cstring(error.detail);
  }
  if (!error.hint.empty()) {
    writer.u8('H').cstring(error.hint);
  }
  if (!routine.empty()) {
    writer.u8('R').cstring(routine);
  }
  writer.u8(0).end();
}

}  // namespace sportello
