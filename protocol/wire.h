// Byte cursors: the only place that counts bytes of the wire protocol. WireReader takes integers and strings
// off a message's body and remembers whether it ever ran short, so a decoder checks once, at its end.
// WireWriter appends messages to a string and fills in their length words.
//
// Neither owns the bytes it reads; a view taken by WireReader lives as long as what it was made from.
// Integers are big-endian. The PostgreSQL manual, protocol-message-types.html.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace sportello {

inline uint16_t load_be16(const char* p) {
  uint16_t v;
  std::memcpy(&v, p, sizeof v);
  return __builtin_bswap16(v);
}

inline uint32_t load_be32(const char* p) {
  uint32_t v;
  std::memcpy(&v, p, sizeof v);
  return __builtin_bswap32(v);
}

inline uint64_t load_be64(const char* p) {
  uint64_t v;
  std::memcpy(&v, p, sizeof v);
  return __builtin_bswap64(v);
}

inline void store_be32(char* p, uint32_t v) {
  v = __builtin_bswap32(v);
  std::memcpy(p, &v, sizeof v);
}

class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : rest_(bytes) {}

  uint8_t u8() { return take(1) ? static_cast<uint8_t>(taken_[0]) : uint8_t{0}; }
  uint16_t u16() { return take(2) ? load_be16(taken_.data()) : uint16_t{0}; }
  uint32_t u32() { return take(4) ? load_be32(taken_.data()) : 0U; }
  uint64_t u64() { return take(8) ? load_be64(taken_.data()) : uint64_t{0}; }

  // The bytes up to the next NUL, which is taken too.
  std::string_view cstring() {
    const size_t end = rest_.find('\0');
    if (end == std::string_view::npos) {
      fail();
      return {};
    }
    const std::string_view text = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return text;
  }

  std::string_view bytes(size_t n) { return take(n) ? taken_ : std::string_view(); }

  // All that is left.
  std::string_view remaining() const { return rest_; }

  // False from the first read that ran short.
  bool ok() const { return ok_; }
  // Nothing ran short and nothing is left over.
  bool complete() const { return ok_ && rest_.empty(); }

 private:
  bool take(size_t n) {
    if (rest_.size() < n) {
      fail();
      return false;
    }
    taken_ = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return true;
  }
  void fail() {
    ok_ = false;
    rest_ = {};
  }

  std::string_view rest_;
  std::string_view taken_;
  bool ok_ = true;
};

class WireWriter {
 public:
  explicit WireWriter(std::string& out) : out_(out) {}

  // A message with a type byte; end() fills in its length.
  WireWriter& begin(char type) {
    out_.push_back(type);
    return begin_untyped();
  }
  // A message of the startup phase, which has no type byte.
  WireWriter& begin_untyped() {
    length_at_ = out_.size();
    out_.append(4, '\0');
    return *this;
  }
  WireWriter& u8(uint8_t v) {
    out_.push_back(static_cast<char>(v));
    return *this;
  }
  WireWriter& u16(uint16_t v) {
    const uint16_t be = __builtin_bswap16(v);
    out_.append(reinterpret_cast<const char*>(&be), sizeof be);
    return *this;
  }
  WireWriter& u32(uint32_t v) {
    const uint32_t be = __builtin_bswap32(v);
    out_.append(reinterpret_cast<const char*>(&be), sizeof be);
    return *this;
  }
  WireWriter& u64(uint64_t v) {
    const uint64_t be = __builtin_bswap64(v);
    out_.append(reinterpret_cast<const char*>(&be), sizeof be);
    return *this;
  }
  // Text and its NUL. Text that holds a NUL itself is cut there, as C does.
  WireWriter& cstring(std::string_view text) {
    out_.append(text.substr(0, text.find('\0')));
    out_.push_back('\0');
    return *this;
  }
  WireWriter& bytes(std::string_view b) {
    out_.append(b);
    return *this;
  }
  void end() const { store_be32(out_.data() + length_at_, static_cast<uint32_t>(out_.size() - length_at_)); }

 private:
  std::string& out_;
  size_t length_at_ = 0;
};

}  // namespace sportello
