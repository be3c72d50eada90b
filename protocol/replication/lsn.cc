#include "protocol/replication/lsn.h"

#include <charconv>

namespace sportello {
namespace {

constexpr uint64_t kShortHeaderBytes = 24;
constexpr uint64_t kLongHeaderBytes = 40;
constexpr size_t kMaxHalfDigits = 8;

std::optional<uint32_t> parse_half(std::string_view text) {
  uint32_t value = 0;
  if (text.empty() || text.size() > kMaxHalfDigits) return std::nullopt;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

void append_half(std::string& out, uint32_t half) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  int shift = 28;
  while (shift > 0 && (half >> shift) == 0) shift -= 4;
  for (; shift >= 0; shift -= 4) out.push_back(kDigits[(half >> shift) & 15U]);
}

}  // namespace

std::optional<Lsn> parse_lsn(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::optional<uint32_t> high = parse_half(text.substr(0, slash));
  const std::optional<uint32_t> low = parse_half(text.substr(slash + 1));
  if (!high || !low) return std::nullopt;
  return Lsn{uint64_t{*high} << 32 | *low};
}

std::string to_string(Lsn lsn) {
  std::string text;
  append_half(text, static_cast<uint32_t>(lsn.value >> 32));
  text.push_back('/');
  append_half(text, static_cast<uint32_t>(lsn.value));
  return text;
}

Lsn replay_end_of(Lsn insert_position, const WalLayout& layout) {
  if (layout.page_bytes == 0) return insert_position;
  const uint64_t in_page = insert_position.value % layout.page_bytes;
  const Lsn page{insert_position.value - in_page};
  if (in_page == kShortHeaderBytes) return page;
  const bool begins_segment = layout.segment_bytes != 0 && page.value % layout.segment_bytes == 0;
  return in_page == kLongHeaderBytes && begins_segment ? page : insert_position;
}

}  // namespace sportello
