#include "cache/cache_key.h"

#include "protocol/xxhash.h"

namespace sportello::cache {

void KeyBuilder::number(uint64_t value) {
  bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void KeyBuilder::text(std::string_view value) {
  number(value.size());
  bytes_.append(value);
}

std::optional<KeyView> KeyBuilder::build(const KeyParts& parts) {
  const auto formats = parts.parameter_formats;
  if (formats.size() > 1 && formats.size() != parts.parameters.size()) return std::nullopt;
  bytes_.clear();
  number(parts.database);
  number(parts.meaning);
  text(parts.user);
  text(parts.role);
  text(parts.settings);
  text(parts.text);

  auto types = parts.parameter_types;
  while (!types.empty() && types.back() == 0) types = types.first(types.size() - 1);
  number(types.size());
  for (const Oid type : types) number(type);

  number(parts.parameters.size());
  for (size_t i = 0; i < parts.parameters.size(); ++i) {
    const int16_t format = formats.empty() ? int16_t{0} : formats[formats.size() == 1 ? 0 : i];
    number(static_cast<uint16_t>(format) | (parts.parameters[i] ? 0U : 1U << 16));
    if (parts.parameters[i]) text(*parts.parameters[i]);
  }

  // One format that stands for all columns says the same as none if it is text. Several are left as they are:
  // whether they are as many as the columns is the server's to say.
  const bool all_text = parts.result_formats.size() == 1 && parts.result_formats[0] == 0;
  number(all_text ? 0 : parts.result_formats.size());
  if (!all_text) {
    for (const int16_t format : parts.result_formats) number(static_cast<uint16_t>(format));
  }
  return KeyView{bytes_, hash_bytes(bytes_)};
}

}  // namespace sportello::cache
