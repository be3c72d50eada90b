#include "proxy/session/statement_shape.h"

#include <algorithm>
#include <array>

#include "protocol/wire.h"
#include "protocol/xxhash.h"

namespace sportello::proxy {
namespace {

uint64_t never_zero(uint64_t hash) { return std::max<uint64_t>(hash, 1); }

}  // namespace

uint64_t parameters_shape(std::string_view body) { return never_zero(hash_bytes(body)); }

// protocol-message-formats.html, RowDescription: what equalTupleDescs() of the server looks at, as far as it
// is told.
uint64_t rows_shape(std::string_view body) {
  uint64_t hash = hash_bytes({});
  WireReader reader(body);
  reader.u16();
  while (!body.empty() && reader.ok() && !reader.remaining().empty()) {
    const std::string_view name = reader.cstring();
    reader.u32();  // the table's OID,
    reader.u16();  // its column
    const uint32_t type = reader.u32();
    reader.u16();  // the type's length
    const uint32_t modifier = reader.u32();
    reader.u16();  // the format
    const std::array<uint32_t, 2> column = {type, modifier};
    hash = hash_bytes({reinterpret_cast<const char*>(column.data()), sizeof column}, hash_bytes(name, hash));
  }
  return never_zero(reader.ok() || body.empty() ? hash : hash_bytes(body));
}

}  // namespace sportello::proxy
