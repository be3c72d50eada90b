// How the configuration spells its enumerators: one list each, for reading, showing, and saying what is
// allowed.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "conf/config.h"

namespace sportello::conf {

template <typename Enum>
struct EnumName {
  Enum value;
  std::string_view name;
};

std::span<const EnumName<PoolMode>> names_of(PoolMode);
std::span<const EnumName<AuthType>> names_of(AuthType);
std::span<const EnumName<SslMode>> names_of(SslMode);
std::span<const EnumName<LogFormat>> names_of(LogFormat);
std::span<const EnumName<LogLevel>> names_of(LogLevel);
std::span<const EnumName<Invalidation>> names_of(Invalidation);
std::span<const EnumName<Freshness>> names_of(Freshness);
std::span<const EnumName<CacheMode>> names_of(CacheMode);
std::span<const EnumName<CacheInTransaction>> names_of(CacheInTransaction);

template <typename Enum>
std::optional<Enum> parse_enum(std::string_view text) {
  for (const EnumName<Enum>& name : names_of(Enum{}))
    if (name.name == text) return name.value;
  return std::nullopt;
}

// "a", "b" or "c"
template <typename Enum>
std::string allowed_names() {
  const std::span<const EnumName<Enum>> names = names_of(Enum{});
  std::string text;
  for (size_t i = 0; i < names.size(); ++i) {
    if (i != 0) text += i + 1 == names.size() ? " or " : ", ";
    text += '"' + std::string(names[i].name) + '"';
  }
  return text;
}

}  // namespace sportello::conf
