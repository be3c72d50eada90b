#include "protocol/replication/pgoutput.h"

#include <string>

#include "protocol/sqlstate.h"
#include "protocol/wire.h"

namespace sportello::replication {
namespace {

Error violation(const std::string& what) {
  return {sqlstate::kProtocolViolation, "a message of pgoutput " + what};
}

Result<LogMessage> whole(const WireReader& reader, LogMessage message) {
  if (!reader.complete()) return violation("of a wrong length");
  return message;
}

Result<LogMessage> decode_begin(WireReader& reader) {
  reader.u64();  // where its commit lies
  reader.u64();  // when it was committed
  const uint32_t xid = reader.u32();
  return whole(reader, Begin{xid});
}

Result<LogMessage> decode_commit(WireReader& reader) {
  reader.u8();  // flags, none so far
  const Lsn commit{reader.u64()};
  const Lsn end{reader.u64()};
  reader.u64();  // when
  return whole(reader, Commit{commit, end});
}

// The relation, then which row comes: the new one ('N'), the old one ('O') or its key ('K').
Result<LogMessage> decode_change(WireReader& reader, std::string_view rows) {
  const uint32_t relation = reader.u32();
  const char row = static_cast<char>(reader.u8());
  if (!reader.ok()) return violation("of a wrong length");
  if (rows.find(row) == std::string_view::npos) return violation("with a row of an unknown kind");
  return LogMessage(Change{relation});
}

Result<LogMessage> decode_truncate(WireReader& reader) {
  const uint32_t count = reader.u32();
  reader.u8();  // CASCADE, RESTART IDENTITY
  if (!reader.ok() || reader.remaining().size() != uint64_t{count} * 4) return violation("of a wrong length");
  Truncate truncate;
  truncate.relations.reserve(count);
  for (uint32_t i = 0; i < count; ++i) truncate.relations.push_back(reader.u32());
  return LogMessage(std::move(truncate));
}

}  // namespace

Result<LogMessage> decode_log_message(std::string_view data) {
  WireReader reader(data);
  const char type = static_cast<char>(reader.u8());
  if (!reader.ok()) return violation("with nothing in it");
  switch (type) {
    case 'B':
      return decode_begin(reader);
    case 'C':
      return decode_commit(reader);
    case 'I':
      return decode_change(reader, "N");
    case 'U':
      return decode_change(reader, "NOK");
    case 'D':
      return decode_change(reader, "OK");
    case 'T':
      return decode_truncate(reader);
    case 'R':  // Relation
    case 'Y':  // Type
    case 'O':  // Origin
    case 'M':  // Message
      return LogMessage(Skipped{});
    default:
      return violation("of an unknown type");
  }
}

}  // namespace sportello::replication
