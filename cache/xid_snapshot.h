// What pg_current_snapshot() shows: which transactions a reader on the primary sees the end of at that
// moment (functions-info.html#FUNCTIONS-INFO-SNAPSHOT). "xmin:xmax:running,running": all below xmin are over,
// all from xmax on had not ended, and in between those that are listed had not.
//
// The log names transactions by the lower half of these numbers; which epoch is meant is the nearest one, as
// transactions that are less than half a circle away from now are the only ones there can be. I/O-free.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace sportello::cache {

class XidSnapshot {
 public:
  static std::optional<XidSnapshot> parse(std::string_view text);

  // It has ended, and whoever begins to read now sees what it did.
  bool is_over(uint64_t xid) const;
  // Of a transaction as the log names it.
  bool is_over_in_log(uint32_t xid) const { return is_over(widen(xid)); }
  // Those that had not ended, of all that had begun.
  const std::vector<uint64_t>& running() const { return running_; }

 private:
  uint64_t widen(uint32_t xid) const {
    return xmax_ + static_cast<uint64_t>(
                       static_cast<int64_t>(static_cast<int32_t>(xid - static_cast<uint32_t>(xmax_))));
  }

  uint64_t xmin_ = 0;
  uint64_t xmax_ = 0;
  std::vector<uint64_t> running_;  // sorted
};

}  // namespace sportello::cache
