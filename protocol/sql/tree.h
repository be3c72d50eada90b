// Reading a parse tree in libpg_query's JSON form: the few steps that every walk takes. For the .cc files
// that walk it; nobody else sees JSON.
//
// A node in a list or in a member of type Node is wrapped, {"RangeVar": {...}}; in a member of its own type
// it is not, "relation": {...}. Members that are false, zero or null are left out. Nothing here recurses.
#pragma once

#include <rapidjson/document.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sportello::sql {

using rapidjson::Value;

inline std::string_view string_of(const Value& value) {
  return value.IsString() ? std::string_view(value.GetString(), value.GetStringLength()) : std::string_view();
}

inline const Value& member(const Value& object, const char* name) {
  static const Value nothing;
  if (!object.IsObject()) return nothing;
  const auto found = object.FindMember(name);
  return found == object.MemberEnd() ? nothing : found->value;
}

inline std::string_view text_member(const Value& object, const char* name) {
  return string_of(member(object, name));
}
inline bool flag(const Value& object, const char* name) { return member(object, name).IsTrue(); }

template <typename Visit>
void for_each_item(const Value& list, Visit visit) {
  if (!list.IsArray()) return;
  for (const Value& item : list.GetArray()) visit(item);
}

// The last and the others of a name's parts, [{"String": {"sval": "a"}}, ...].
struct NameParts {
  std::string qualifier;  // "db.schema" of three
  std::string last;
  size_t count = 0;
};

inline NameParts name_parts(const Value& list) {
  NameParts name;
  for_each_item(list, [&](const Value& part) {
    if (name.count > 1) name.qualifier += '.';
    name.qualifier += name.last;
    name.last = text_member(member(part, "String"), "sval");
    ++name.count;
  });
  return name;
}

template <typename Name>
void sort_once(std::vector<Name>& names) {
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
}

template <typename Name>
void append(std::vector<Name>& all, std::vector<Name> more) {
  std::move(more.begin(), more.end(), std::back_inserter(all));
}

}  // namespace sportello::sql
