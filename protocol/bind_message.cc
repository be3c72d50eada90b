#include "protocol/bind_message.h"

#include "protocol/wire.h"

namespace sportello {
namespace {

constexpr uint32_t kNull = 0xffffffff;

void read_formats(WireReader& reader, std::vector<int16_t>& formats) {
  formats.clear();
  const uint16_t count = reader.u16();
  for (uint16_t i = 0; i < count && reader.ok(); i++) {
    formats.push_back(static_cast<int16_t>(reader.u16()));
  }
}

}  // namespace

bool BindMessage::decode(std::string_view body) {
  WireReader reader(body);
  portal = reader.cstring();
  statement = reader.cstring();
  read_formats(reader, parameter_formats);
  parameters.clear();
  const uint16_t count = reader.u16();
  for (uint16_t i = 0; i < count && reader.ok(); i++) {
    const uint32_t size = reader.u32();
    if (size == kNull) {
      parameters.emplace_back();
    } else {
      parameters.emplace_back(reader.bytes(size));
    }
  }
  read_formats(reader, result_formats);
  return reader.complete();
}

}  // namespace sportello
