#include "cache/search_path.h"

#include <algorithm>

namespace sportello::cache {
namespace {

constexpr size_t kLongestName = 63;  // NAMEDATALEN - 1

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

void skip_space(std::string_view& text) {
  while (!text.empty() && is_space(text.front())) {
    text.remove_prefix(1);
  }
}

std::optional<std::string> take_quoted(std::string_view& text) {
  std::string name;
  text.remove_prefix(1);
  while (!text.empty()) {
    const char c = text.front();
    text.remove_prefix(1);
    if (c != '"') {
      name += c;
    } else if (text.starts_with('"')) {
      name += '"';
      text.remove_prefix(1);
    } else {
      return name;
    }
  }
  return std::nullopt;
}

std::optional<std::string> take_plain(std::string_view& text) {
  std::string name;
  while (!text.empty() && text.front() != ',' && !is_space(text.front())) {
    const char c = text.front();
    name += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    text.remove_prefix(1);
  }
  // How PostgreSQL folds other letters hangs on its locale.
  const bool is_ascii =
      std::all_of(name.begin(), name.end(), [](char c) { return static_cast<signed char>(c) > 0; });
  return name.empty() || !is_ascii ? std::nullopt : std::optional(name);
}

bool holds(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

std::optional<std::vector<std::string>> effective_search_path(std::string_view setting,
                                                              std::string_view user) {
  std::vector<std::string> path;
  skip_space(setting);
  bool wants_name = !setting.empty();
  while (wants_name) {
    skip_space(setting);
    std::optional<std::string> name = setting.starts_with('"') ? take_quoted(setting) : take_plain(setting);
    if (!name || name->size() > kLongestName) {
      return std::nullopt;
    }
    path.push_back(*name == "$user" ? std::string(user) : *std::move(name));
    skip_space(setting);
    wants_name = setting.starts_with(',');
    if (wants_name) {
      setting.remove_prefix(1);
    }
  }
  if (!setting.empty()) {
    return std::nullopt;
  }
  if (!holds(path, "pg_catalog")) {
    path.insert(path.begin(), "pg_catalog");
  }
  if (!holds(path, "pg_temp")) {
    path.insert(path.begin(), "pg_temp");
  }
  return path;
}

}  // namespace sportello::cache
