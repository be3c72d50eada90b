#include "cache/cache_key.h"

#include <cstring>

#include "protocol/xxhash.h"

namespace sportello::cache {
namespace {

// As few bytes as it takes: keys are kept with every result. Whoever makes one gives it the room.
class KeyWriter {
 public:
  explicit KeyWriter(char* out) : at_(out) {}

  template <typename Number>
  void number(Number value) {
    std::memcpy(at_, &value, sizeof value);
    at_ += sizeof value;
  }
  // No message is longer than its length word can say.
  void size(size_t value) { number(static_cast<uint32_t>(value)); }
  void text(std::string_view value) {
    size(value.size());
    value.copy(at_, value.size());
    at_ += value.size();
  }
  const char* end() const { return at_; }

 private:
  char* at_;
};

// No key of these parts is longer.
size_t most_bytes(const KeyParts& parts) {
  constexpr size_t kNumbers = 16 * sizeof(uint64_t);  // those that are in every key, and sizes
  constexpr size_t kOfParameter = sizeof(int16_t) + sizeof(bool) + sizeof(uint32_t);
  size_t most = kNumbers + parts.user.size() + parts.role.size() + parts.application_name.size() +
                parts.text.size() + parts.parameter_types.size_bytes() + parts.result_formats.size_bytes() +
                parts.parameters.size() * kOfParameter;
  for (const auto& parameter : parts.parameters) most += parameter ? parameter->size() : 0;
  return most;
}

}  // namespace

std::optional<KeyView> KeyBuilder::build(const KeyParts& parts) {
  const auto formats = parts.parameter_formats;
  if (formats.size() > 1 && formats.size() != parts.parameters.size()) return std::nullopt;
  if (const size_t most = most_bytes(parts); buffer_.size() < most) buffer_.resize(most);
  KeyWriter key(buffer_.data());
  key.number(parts.database);
  key.number(parts.meaning);
  key.text(parts.user);
  key.text(parts.role);
  key.number(parts.settings);
  key.text(parts.application_name);
  key.text(parts.text);

  auto types = parts.parameter_types;
  while (!types.empty() && types.back() == 0) types = types.first(types.size() - 1);
  key.size(types.size());
  for (const Oid type : types) key.number(type);

  key.number(parts.rows_shape);
  key.size(parts.parameters.size());
  for (size_t i = 0; i < parts.parameters.size(); ++i) {
    const int16_t format = formats.empty() ? int16_t{0} : formats[formats.size() == 1 ? 0 : i];
    key.number(format);
    key.number(parts.parameters[i].has_value());
    if (parts.parameters[i]) key.text(*parts.parameters[i]);
  }

  // One format that stands for all columns says the same as none if it is text. Several are left as they are:
  // whether they are as many as the columns is the server's to say.
  const bool all_text = parts.result_formats.size() == 1 && parts.result_formats[0] == 0;
  key.size(all_text ? 0 : parts.result_formats.size());
  if (!all_text) {
    for (const int16_t format : parts.result_formats) key.number(format);
  }
  const std::string_view bytes(buffer_.data(), key.end());
  return KeyView{bytes, hash_bytes(bytes)};
}

}  // namespace sportello::cache
