// Messages of pgoutput and of streaming replication, as a server writes them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "protocol/wire.h"

namespace sportello::replication {

inline std::string begin_message(uint32_t xid, uint64_t final_lsn = 0x100) {
  std::string bytes;
  WireWriter(bytes).u8('B').u64(final_lsn).u64(7).u32(xid);
  return bytes;
}

inline std::string commit_message(uint64_t commit, uint64_t end) {
  std::string bytes;
  WireWriter(bytes).u8('C').u8(0).u64(commit).u64(end).u64(7);
  return bytes;
}

// `kind`: I, U or D; `row`: N, O or K; one column with a text.
inline std::string change_message(char kind, uint32_t relation, char row, std::string_view value = "x") {
  std::string bytes;
  WireWriter(bytes).u8(static_cast<uint8_t>(kind)).u32(relation).u8(static_cast<uint8_t>(row)).u16(1).u8('t');
  WireWriter(bytes).u32(static_cast<uint32_t>(value.size())).bytes(value);
  return bytes;
}

inline std::string truncate_message(const std::vector<uint32_t>& relations) {
  std::string bytes;
  WireWriter writer(bytes);
  writer.u8('T').u32(static_cast<uint32_t>(relations.size())).u8(1);
  for (const uint32_t relation : relations) writer.u32(relation);
  return bytes;
}

inline std::string relation_message(uint32_t relation) {
  std::string bytes;
  WireWriter(bytes).u8('R').u32(relation).cstring("public").cstring("t").u8('d').u16(1);
  WireWriter(bytes).u8(1).cstring("id").u32(23).u32(0xFFFFFFFF);
  return bytes;
}

inline std::string xlog_data(uint64_t start, std::string_view data) {
  std::string bytes;
  WireWriter(bytes).u8('w').u64(start).u64(start).u64(7).bytes(data);
  return bytes;
}

inline std::string keepalive(uint64_t end, bool wants_reply) {
  std::string bytes;
  WireWriter(bytes).u8('k').u64(end).u64(7).u8(wants_reply ? 1 : 0);
  return bytes;
}

}  // namespace sportello::replication
