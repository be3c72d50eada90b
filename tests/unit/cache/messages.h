// Server messages for tests, by hand.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cache/cached_result.h"
#include "protocol/backend_messages.h"
#include "protocol/wire.h"

namespace sportello::cache {

inline std::string description_of(const std::vector<std::string>& columns, uint16_t format = 0) {
  std::string out;
  WireWriter writer(out);
  writer.begin(backend::kRowDescription).u16(static_cast<uint16_t>(columns.size()));
  for (const std::string& name : columns) {
    writer.cstring(name).u32(0).u16(0).u32(25).u16(0xffff).u32(0xffffffff).u16(format);
  }
  writer.end();
  return out;
}

inline std::string row_of(const std::vector<std::optional<std::string>>& values) {
  std::string out;
  append_text_data_row(out, values);
  return out;
}

inline std::string complete(std::string_view tag) {
  std::string out;
  append_command_complete(out, tag);
  return out;
}

inline std::string ready(TransactionStatus status = TransactionStatus::Idle) {
  std::string out;
  append_ready_for_query(out, status);
  return out;
}

inline std::string message(char type, std::string_view body = {}) {
  std::string out;
  WireWriter(out).begin(type).bytes(body).end();
  return out;
}

// A result of one row that holds `value`.
inline CachedResultRef result_of(std::string_view value, bool described = true) {
  const std::string description = described ? description_of({"v"}) : "";
  return CachedResult::make(
      {description + row_of({std::string(value)}) + complete("SELECT 1"), description.size(), "", 1});
}

// The same answer, to be kept: a result can be put in one store only, once.
inline CachedResultRef kept_as(const KeyView& key, Filling filling, const CachedResultRef& answer) {
  return CachedResult::make(
      {answer->messages(), answer->description().size(), answer->parameter_description(), answer->rows()},
      key, std::move(filling));
}

}  // namespace sportello::cache
