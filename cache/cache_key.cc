#include "cache/cache_key.h"

#include "protocol/xxhash.h"

namespace sportello::cache {

// As few bytes as it takes: keys are kept with every result.
template <typename Number>
void KeyBuilder::number(Number value) {
  bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
}

// No message is longer than its length word can say.
void KeyBuilder::size(size_t value) { number(static_cast<uint32_t>(value)); }

void KeyBuilder::text(std::string_view value) {
  size(value.size());
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
  number(parts.settings);
  text(parts.application_name);
  text(parts.text);

  auto types = parts.parameter_types;
  while (!types.empty() && types.back() == 0) types = types.first(types.size() - 1);
  size(types.size());
  for (const Oid type : types) number(type);

  number(parts.rows_shape);
  size(parts.parameters.size());
  for (size_t i = 0; i < parts.parameters.size(); ++i) {
    const int16_t format = formats.empty() ? int16_t{0} : formats[formats.size() == 1 ? 0 : i];
    number(format);
    number(parts.parameters[i].has_value());
    if (parts.parameters[i]) text(*parts.parameters[i]);
  }

  // One format that stands for all columns says the same as none if it is text. Several are left as they are:
  // whether they are as many as the columns is the server's to say.
  const bool all_text = parts.result_formats.size() == 1 && parts.result_formats[0] == 0;
  size(all_text ? 0 : parts.result_formats.size());
  if (!all_text) {
    for (const int16_t format : parts.result_formats) number(format);
  }
  return KeyView{bytes_, hash_bytes(bytes_)};
}

}  // namespace sportello::cache
