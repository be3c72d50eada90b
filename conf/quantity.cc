#include "conf/quantity.h"

#include <charconv>
#include <cmath>

namespace sportello::conf {

namespace {

struct Unit {
  std::string_view name;
  double factor;
};

// The largest first: format_duration() walks down this list.
constexpr Unit kDurations[] = {{"w", 604'800'000}, {"d", 86'400'000}, {"h", 3'600'000}, {"min", 60'000},
                               {"m", 60'000},      {"s", 1000},       {"ms", 1},        {"us", 0.001}};
constexpr Unit kSizes[] = {{"tb", 0x1p40}, {"gb", 0x1p30}, {"mb", 0x1p20}, {"kb", 0x1p10}, {"b", 1}};
constexpr double kMaxMilliseconds = 10.0 * 366 * 86'400'000;
constexpr double kMaxBytes = 0x1p62;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool is_letter(char c) { return lower(c) >= 'a' && lower(c) <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

void skip_spaces(std::string_view& rest) {
  while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
}

// Digits, and perhaps a point with more digits: no sign, no exponent, no "inf".
std::optional<double> take_number(std::string_view& rest) {
  size_t length = 0;
  while (length < rest.size() && (is_digit(rest[length]) || rest[length] == '.')) ++length;
  double number = 0;
  const char* const end = rest.data() + length;
  const auto [stopped, error] = std::from_chars(rest.data(), end, number, std::chars_format::fixed);
  if (length == 0 || !is_digit(rest[0]) || error != std::errc() || stopped != end) return std::nullopt;
  rest.remove_prefix(length);
  return number;
}

std::string take_word(std::string_view& rest) {
  std::string word;
  while (!rest.empty() && is_letter(rest.front())) {
    word += lower(rest.front());
    rest.remove_prefix(1);
  }
  return word;
}

template <size_t N>
std::optional<double> factor_of(const Unit (&units)[N], std::string_view name) {
  for (const Unit& unit : units)
    if (unit.name == name) return unit.factor;
  return std::nullopt;
}

// One number and its unit. `without_unit`: what a bare number counts, if there may be one.
template <size_t N>
std::optional<double> take_part(std::string_view& rest, const Unit (&units)[N],
                                std::optional<double> without_unit) {
  const std::optional<double> number = take_number(rest);
  if (!number) return std::nullopt;
  skip_spaces(rest);
  const std::string unit = take_word(rest);
  const std::optional<double> factor = unit.empty() ? without_unit : factor_of(units, unit);
  if (!factor) return std::nullopt;
  skip_spaces(rest);
  return *number * *factor;
}

}  // namespace

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  std::string_view rest = text;
  skip_spaces(rest);
  double total = 0;
  bool is_first = true;
  do {
    const bool is_alone =
        is_first &&
        rest.find_first_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == std::string_view::npos;
    const std::optional<double> part =
        take_part(rest, kDurations, is_alone ? std::optional<double>(1000) : std::nullopt);
    if (!part) return std::nullopt;
    total += *part;
    is_first = false;
  } while (!rest.empty());
  if (total > kMaxMilliseconds) return std::nullopt;
  // 0.29 s is 290.00000000000006 ms in floating point: that is not to be rounded up.
  return std::chrono::milliseconds(static_cast<int64_t>(std::ceil(total - 1e-6)));
}

std::optional<uint64_t> parse_size(std::string_view text) {
  std::string_view rest = text;
  skip_spaces(rest);
  const std::optional<double> bytes = take_part(rest, kSizes, 1);
  if (!bytes || !rest.empty() || *bytes > kMaxBytes) return std::nullopt;
  return static_cast<uint64_t>(*bytes);
}

std::string format_duration(std::chrono::milliseconds value) {
  int64_t left = value.count();
  if (left == 0) return "0s";
  std::string text;
  for (const Unit& unit : kDurations) {
    const int64_t factor = static_cast<int64_t>(unit.factor);
    if (factor == 0 || left < factor) continue;
    if (!text.empty()) text += ' ';
    text += std::to_string(left / factor) + std::string(unit.name);
    left %= factor;
  }
  return text;
}

std::string format_size(uint64_t bytes) {
  if (bytes != 0) {
    constexpr std::pair<std::string_view, int> kShifts[] = {{"TB", 40}, {"GB", 30}, {"MB", 20}, {"kB", 10}};
    for (const auto& [name, shift] : kShifts)
      if (bytes % (1ULL << shift) == 0) return std::to_string(bytes >> shift) + std::string(name);
  }
  return std::to_string(bytes) + "B";
}

}  // namespace sportello::conf
