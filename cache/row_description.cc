#include "cache/row_description.h"

#include "protocol/backend_messages.h"
#include "protocol/frame_decoder.h"
#include "protocol/wire.h"

namespace sportello::cache {
namespace {

// Of a field, between its name and its format: table, column, type, type's length, type's modifier.
constexpr size_t kBeforeFormat = 4 + 2 + 4 + 2 + 4;

int16_t format_of(std::span<const int16_t> formats, size_t column) {
  if (formats.empty()) return 0;
  return formats.size() == 1 ? formats[0] : formats[column];
}

}  // namespace

bool set_formats(std::span<char> bytes, std::span<const int16_t> result_formats) {
  const std::string_view message(bytes.data(), bytes.size());
  if (message.size() < kFrameHeaderBytes || message[0] != backend::kRowDescription) return false;
  WireReader reader(message.substr(kFrameHeaderBytes));
  const size_t columns = reader.u16();
  if (!reader.ok() || (result_formats.size() > 1 && result_formats.size() != columns)) return false;
  for (size_t column = 0; column < columns; ++column) {
    reader.cstring();
    reader.bytes(kBeforeFormat);
    const std::string_view format = reader.bytes(sizeof(int16_t));
    if (!reader.ok()) return false;
    const auto code = static_cast<uint16_t>(format_of(result_formats, column));
    char* const at = bytes.data() + (format.data() - message.data());
    at[0] = static_cast<char>(code >> 8);
    at[1] = static_cast<char>(code & 0xff);
  }
  return reader.complete();
}

}  // namespace sportello::cache
