#include "cache/xid_snapshot.h"

#include <algorithm>
#include <charconv>

namespace sportello::cache {
namespace {

// Takes a number off the front.
bool take_number(std::string_view& text, uint64_t& number) {
  const auto [next, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<size_t>(next - text.data()));
  return true;
}

bool take(std::string_view& text, char wanted) {
  if (!text.starts_with(wanted)) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

std::optional<XidSnapshot> XidSnapshot::parse(std::string_view text) {
  XidSnapshot snapshot;
  if (!take_number(text, snapshot.xmin_) || !take(text, ':') || !take_number(text, snapshot.xmax_) ||
      !take(text, ':') || snapshot.xmin_ > snapshot.xmax_) {
    return std::nullopt;
  }
  while (!text.empty()) {
    uint64_t xid = 0;
    if (!snapshot.running_.empty() && !take(text, ',')) return std::nullopt;
    if (!take_number(text, xid)) return std::nullopt;
    snapshot.running_.push_back(xid);
  }
  std::sort(snapshot.running_.begin(), snapshot.running_.end());
  return snapshot;
}

bool XidSnapshot::is_over(uint64_t xid) const {
  if (xid < xmin_) return true;
  return xid < xmax_ && !std::binary_search(running_.begin(), running_.end(), xid);
}

}  // namespace sportello::cache
