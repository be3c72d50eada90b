#include "proxy/admin/admin_table.h"

#include <algorithm>
#include <charconv>

#include "protocol/backend_messages.h"
#include "protocol/invariant.h"
#include "protocol/wire.h"

namespace sportello::proxy {
namespace {

constexpr uint32_t kNull = 0xffffffff;

int64_t parse_integer(const std::string& text) {
  int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  invariant(parsed.ec == std::errc() && parsed.ptr == text.data() + text.size(),
            "a number column holds numbers");
  return value;
}

void append_be64(WireWriter& writer, uint64_t value) {
  writer.u32(static_cast<uint32_t>(value >> 32U)).u32(static_cast<uint32_t>(value));
}

// A whole number that is not negative, in PostgreSQL's digits of base 10,000, most significant first: their
// count, the weight of the first, sign, scale, digits (numeric_send).
void append_numeric(WireWriter& writer, uint64_t value) {
  constexpr uint64_t kBase = 10'000;
  std::vector<uint16_t> digits;
  for (; value > 0; value /= kBase) {
    digits.push_back(static_cast<uint16_t>(value % kBase));
  }
  const size_t weight = digits.empty() ? 0 : digits.size() - 1;
  writer.u32(static_cast<uint32_t>(8 + 2 * digits.size()));
  writer.u16(static_cast<uint16_t>(digits.size())).u16(static_cast<uint16_t>(weight)).u16(0).u16(0);
  std::for_each(digits.rbegin(), digits.rend(), [&](uint16_t digit) { writer.u16(digit); });
}

void append_binary(WireWriter& writer, AdminType type, const std::string& text) {
  switch (type) {
    case AdminType::Text:
      writer.u32(static_cast<uint32_t>(text.size())).bytes(text);
      return;
    case AdminType::Bool:
      writer.u32(1).u8(text == "t" ? 1 : 0);
      return;
    case AdminType::Int4:
      writer.u32(4).u32(static_cast<uint32_t>(parse_integer(text)));
      return;
    case AdminType::Int8:
      writer.u32(8);
      append_be64(writer, static_cast<uint64_t>(parse_integer(text)));
      return;
    case AdminType::Numeric:
      append_numeric(writer, static_cast<uint64_t>(parse_integer(text)));
      return;
  }
}

uint16_t type_length(AdminType type) {
  switch (type) {
    case AdminType::Bool:
      return 1;
    case AdminType::Int4:
      return 4;
    case AdminType::Int8:
      return 8;
    case AdminType::Text:
    case AdminType::Numeric:
      break;
  }
  return 0xffff;  // of any length
}

}  // namespace

uint32_t type_oid(AdminType type) {
  switch (type) {
    case AdminType::Bool:
      return 16;
    case AdminType::Int4:
      return 23;
    case AdminType::Int8:
      return 20;
    case AdminType::Numeric:
      return 1700;
    case AdminType::Text:
      break;
  }
  return 25;
}

void append_row_description(std::string& out, const AdminColumns& columns, const ResultFormats& formats) {
  WireWriter writer(out);
  writer.begin(backend::kRowDescription).u16(static_cast<uint16_t>(columns.size()));
  for (size_t i = 0; i < columns.size(); i++) {
    const AdminType type = columns[i].type;
    // Of no table, without a type modifier.
    writer.cstring(columns[i].name).u32(0).u16(0).u32(type_oid(type)).u16(type_length(type)).u32(kNull);
    writer.u16(formats.is_binary(i) ? 1 : 0);
  }
  writer.end();
}

void append_data_row(std::string& out, const AdminColumns& columns, const AdminRow& row,
                     const ResultFormats& formats) {
  invariant(row.size() == columns.size(), "a row has a value for each column");
  WireWriter writer(out);
  writer.begin(backend::kDataRow).u16(static_cast<uint16_t>(row.size()));
  for (size_t i = 0; i < row.size(); i++) {
    if (!row[i]) {
      writer.u32(kNull);
    } else if (formats.is_binary(i)) {
      append_binary(writer, columns[i].type, *row[i]);
    } else {
      writer.u32(static_cast<uint32_t>(row[i]->size())).bytes(*row[i]);
    }
  }
  writer.end();
}

}  // namespace sportello::proxy
