// A position in the write-ahead log, as pg_lsn shows it: two hexadecimal halves, "0/1634FA8"
// (datatype-pg-lsn.html). Positions of different timelines are not comparable; an Lsn does not know its own.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sportello {

struct Lsn {
  uint64_t value = 0;
  auto operator<=>(const Lsn&) const = default;  // NOLINT(modernize-use-nullptr)
};

// How a server cuts its log into pages and segments: wal_block_size and wal_segment_size. Zero: not known.
struct WalLayout {
  uint64_t page_bytes = 0;
  uint64_t segment_bytes = 0;
  bool operator==(const WalLayout&) const = default;
};

std::optional<Lsn> parse_lsn(std::string_view text);
std::string to_string(Lsn lsn);

// Where replay stands once it has replayed everything that lies below an insert position.
//
// The two are told differently at the edge of a page: where the last record filled its page,
// pg_current_wal_insert_lsn() is where the next record will begin, behind the new page's header, while
// pg_last_wal_replay_lsn() is where the last one ended, at the page's start; on a quiet server it never gets
// any further. What lies between the two is the header alone, so who has replayed to the page's start has
// replayed every record that ends at or before the position. That holds only if it is a header: the long one
// (40 bytes) begins a segment, and on any other page a record may well end at byte 40. So what is not known
// of the layout is left as it is.
Lsn replay_end_of(Lsn insert_position, const WalLayout& layout);

}  // namespace sportello
