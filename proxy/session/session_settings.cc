#include "proxy/session/session_settings.h"

#include <strings.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <unordered_map>

#include "protocol/sql/lexer.h"
#include "protocol/xxhash.h"

namespace sportello::proxy {
namespace {

constexpr size_t kMaxNameBytes = 63;  // NAMEDATALEN - 1

void append_quoted_value(std::string& out, std::string_view value) {
  out += " = E'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') {
      out += c;
    }
    out += c;
  }
  out += '\'';
}

// A setting's name is one identifier, or two with a dot between them: quoted part by part, so that a hostile
// name stays a name.
void append_setting_name(std::string& out, std::string_view name) {
  out += '"';
  for (const char c : name) {
    if (c == '.') {
      out += "\".\"";
    } else if (c == '"') {
      out += "\"\"";
    } else {
      out += c;
    }
  }
  out += '"';
}

// set_config() takes a list as the one string that it is in postgresql.conf and in a StartupMessage; SET
// would quote it.
void append_set_config(std::string& out, std::string_view name, std::string_view value) {
  std::string quoted_name;
  append_quoted_value(quoted_name, name);
  std::string quoted;
  append_quoted_value(quoted, value);
  // Both begin with " = ".
  out += "SELECT pg_catalog.set_config(" + quoted_name.substr(3) + ", " + quoted.substr(3) + ", false);";
}

void append_set(std::string& out, std::string_view name, std::string_view value) {
  out += "SET ";
  append_setting_name(out, name);
  append_quoted_value(out, value);
  out += ';';
}

// Everything that tells two values apart, in one string.
std::string identity(const SettingsValues& values) {
  std::string id;
  for (const std::string& value : values.tracked) {
    id.append(value).push_back('\0');
  }
  for (const auto& [name, value] : values.startup) {
    id.append(name).push_back('\0');
    id.append(value).push_back('\0');
  }
  return id;
}

uint64_t startup_identity(const StartupSettings& startup) {
  if (startup.empty()) {
    return 0;
  }
  std::string id;
  for (const auto& [name, value] : startup) {
    id.append(name).push_back('\0');
    id.append(value).push_back('\0');
  }
  return hash_bytes(id) | 1U;
}

// A constant is read when its statement is parsed: '1/2/2024'::date is what DateStyle says at that moment.
uint64_t reading_identity(const SettingsValues& values) {
  std::string id;
  for (size_t i = 0; i < values.tracked.size(); i++) {
    if (i != static_cast<size_t>(Tracked::ApplicationName) &&
        i != static_cast<size_t>(Tracked::DefaultTransactionReadOnly)) {
      id.append(values.tracked[i]).push_back('\0');
    }
  }
  return hash_bytes(id);
}

void append_text(std::string& out, std::string_view text) {
  const auto size = static_cast<uint32_t>(text.size());
  out.append(reinterpret_cast<const char*>(&size), sizeof size).append(text);
}

// What has no number yet gets the next one. Values that have not been used for long may get another: then
// what was kept under the old one is not found any more, and that is all.
class Numbers {
 public:
  uint64_t number_of(std::string id) {
    constexpr size_t kMostKnown = 10'000;
    const std::lock_guard lock(mutex_);
    if (known_.size() >= kMostKnown && !known_.contains(id)) {
      known_.clear();
    }
    const auto [found, is_new] = known_.try_emplace(std::move(id), last_ + 1);
    last_ += is_new ? 1 : 0;
    return found->second;
  }

 private:
  std::mutex mutex_;
  std::unordered_map<std::string, uint64_t> known_;  // guarded by mutex_
  uint64_t last_ = 0;                                // guarded by mutex_
};

// All but application_name.
uint64_t results_identity(const SettingsValues& values) {
  static Numbers numbers;
  std::string out;
  for (size_t i = 0; i < tracked_count(); i++) {
    append_text(out,
                i == static_cast<size_t>(Tracked::ApplicationName) ? std::string_view() : values.tracked[i]);
  }
  for (const auto& [name, value] : values.startup) {
    append_text(out, name);
    append_text(out, value);
  }
  return numbers.number_of(std::move(out));
}

struct ExtraTracked {
  std::array<std::string, kMostExtraTracked> names;
  size_t count = 0;
};

ExtraTracked& extra_tracked() {
  static ExtraTracked extra;
  return extra;
}

struct InternTable {
  std::mutex mutex;
  std::unordered_map<std::string, std::weak_ptr<const SettingsValues>> known;
  size_t sweep_at = 1024;  // entries at which those that nobody holds any more are dropped
};

InternTable& intern_table() {
  static InternTable table;
  return table;
}

void sweep(InternTable& table) {
  if (table.known.size() < table.sweep_at) {
    return;
  }
  std::erase_if(table.known, [](const auto& entry) { return entry.second.expired(); });
  table.sweep_at = std::max<size_t>(1024, table.known.size() * 2);
}

}  // namespace

bool same_setting_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::vector<std::string> track_extra_parameters(const std::vector<std::string>& names) {
  ExtraTracked& extra = extra_tracked();
  extra.count = 0;
  std::vector<std::string> too_many;
  for (const std::string& name : names) {
    if (name.empty() || find_tracked(name)) {
      continue;
    }
    if (extra.count == kMostExtraTracked) {
      too_many.push_back(name);
    } else {
      extra.names[extra.count++] = name;
    }
  }
  return too_many;
}

size_t tracked_count() { return kTrackedCount + extra_tracked().count; }

std::string_view tracked_name(size_t parameter) {
  return parameter < kTrackedCount ? kTrackedNames[parameter]
                                   : std::string_view(extra_tracked().names[parameter - kTrackedCount]);
}

std::optional<Tracked> find_tracked(std::string_view name) {
  for (size_t i = 0; i < tracked_count(); i++) {
    if (same_setting_name(tracked_name(i), name)) {
      return static_cast<Tracked>(i);
    }
  }
  return std::nullopt;
}

Settings intern_settings(SettingsValues values) {
  // In whatever order they were set.
  std::stable_sort(values.startup.begin(), values.startup.end(), [](const auto& a, const auto& b) {
    return strcasecmp(a.first.c_str(), b.first.c_str()) < 0;
  });
  values.startup_id = startup_identity(values.startup);
  values.reading_id = reading_identity(values);
  values.encoding_is_ascii_safe = sql::encoding_is_ascii_safe(values[Tracked::ClientEncoding]);
  values.results_id = results_identity(values);
  std::string id = identity(values);
  InternTable& table = intern_table();
  const std::lock_guard lock(table.mutex);
  sweep(table);
  std::weak_ptr<const SettingsValues>& slot = table.known[std::move(id)];
  Settings settings = slot.lock();
  if (!settings) {
    settings = std::make_shared<const SettingsValues>(std::move(values));
    slot = settings;
  }
  return settings;
}

Settings with_tracked(const Settings& settings, Tracked parameter, std::string_view value) {
  // Most clients of a worker ask for the same (their application_name, at login).
  struct Lately {
    Settings from;
    Tracked parameter{};
    Settings to;
  };
  static thread_local std::array<Lately, 16> lately;
  const auto slot = static_cast<size_t>(parameter);
  Lately& last = lately[(slot + value.size()) % lately.size()];
  if (last.from == settings && last.parameter == parameter && last.to->tracked[slot] == value) {
    return last.to;
  }
  SettingsValues values = *settings;
  values.tracked[slot] = value;
  last = {settings, parameter, intern_settings(std::move(values))};
  return last.to;
}

const std::string* find_startup(const StartupSettings& settings, std::string_view name) {
  const auto found = std::find_if(settings.begin(), settings.end(), [&](const auto& setting) {
    return same_setting_name(setting.first, name);
  });
  return found == settings.end() ? nullptr : &found->second;
}

Settings without_startup(const Settings& settings, std::string_view name) {
  SettingsValues values = *settings;
  std::erase_if(values.startup, [&](const auto& setting) { return same_setting_name(setting.first, name); });
  return intern_settings(std::move(values));
}

Settings with_startup(const Settings& settings, std::string_view name, std::string_view value) {
  SettingsValues values = *settings;
  std::erase_if(values.startup, [&](const auto& setting) { return same_setting_name(setting.first, name); });
  values.startup.emplace_back(name, value);
  return intern_settings(std::move(values));
}

Settings with_startup(const Settings& settings, const StartupSettings& startup) {
  if (settings->startup == startup) {
    return settings;
  }
  SettingsValues values = *settings;
  values.startup = startup;
  return intern_settings(std::move(values));
}

Settings with_startup_in_doubt(const Settings& settings) {
  if (settings->startup.empty()) {
    return settings;
  }
  SettingsValues values = *settings;
  for (auto& [name, value] : values.startup) {
    value.assign(1, '\0');  // as no parameter of PostgreSQL can be
  }
  return intern_settings(std::move(values));
}

bool is_portable_setting(std::string_view name, std::string_view value) {
  const bool is_list =
      name == "search_path" || name == "temp_tablespaces" || name.ends_with("preload_libraries");
  for (const char c : value) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    const bool fancy =
        (c >= 'A' && c <= 'Z') || c == '.' || c == '-' || c == '+' || c == '/' || c == ':' || c == ' ';
    if (!plain && (is_list || !fancy)) {
      return false;
    }
  }
  // CREATE TABLE would make a temporary table, and nobody would see it by its text.
  const bool is_temporary = is_list && value.find("pg_temp") != std::string_view::npos;
  const bool is_identifier = value.empty() || !(value[0] >= '0' && value[0] <= '9');
  return !name.empty() && !is_temporary && (!is_list || (is_identifier && !value.empty()));
}

std::string settings_switch(const SettingsValues& from, const SettingsValues& to) {
  std::string sql;
  for (const auto& [name, value] : from.startup) {
    if (find_startup(to.startup, name) == nullptr) {
      sql += "RESET ";
      append_setting_name(sql, name);
      sql += ';';
    }
  }
  for (const auto& [name, value] : to.startup) {
    const std::string* had = find_startup(from.startup, name);
    if (had == nullptr || *had != value) {
      append_set_config(sql, name, value);
    }
  }
  for (size_t i = kTrackedCount; i < tracked_count(); i++) {
    if (from.tracked[i] != to.tracked[i] && !to.tracked[i].empty()) {
      append_set_config(sql, tracked_name(i), to.tracked[i]);  // it may be a list
    }
  }
  for (size_t i = 0; i < kTrackedCount; i++) {
    if (from.tracked[i] != to.tracked[i] && !to.tracked[i].empty()) {
      append_set(sql, kTrackedNames[i], to.tracked[i]);
    } else if (from.tracked[i] != to.tracked[i] && kTrackedNames[i] == "application_name") {
      append_set(sql, kTrackedNames[i], "");
    }
  }
  return sql;
}

std::optional<StartupSettings> parse_startup_options(std::string_view options) {
  // Words, as PostgreSQL splits them: white space separates, a backslash takes the next character as it is.
  std::vector<std::string> words;
  bool in_word = false;
  for (size_t i = 0; i < options.size(); i++) {
    if (options[i] == ' ' || (options[i] >= '\t' && options[i] <= '\r')) {
      in_word = false;
      continue;
    }
    if (!in_word) {
      words.emplace_back();
      in_word = true;
    }
    if (options[i] == '\\' && i + 1 < options.size()) {
      i++;
    }
    words.back() += options[i];
  }
  StartupSettings settings;
  for (size_t i = 0; i < words.size(); i++) {
    std::string assignment;
    if (words[i] == "-c" && i + 1 < words.size()) {
      assignment = words[++i];
    } else if (words[i].starts_with("-c") || words[i].starts_with("--")) {
      assignment = words[i].substr(2);
    } else {
      return std::nullopt;
    }
    const size_t equals = assignment.find('=');
    if (equals == std::string::npos || equals == 0) {
      return std::nullopt;
    }
    std::string name = assignment.substr(0, equals);
    std::replace(name.begin(), name.end(), '-', '_');
    settings.emplace_back(std::move(name), assignment.substr(equals + 1));
  }
  return settings;
}

std::string clean_application_name(std::string_view name) {
  std::string clean(name.substr(0, kMaxNameBytes));
  for (char& c : clean) {
    if (c < ' ' || c > '~') {
      c = '?';
    }
  }
  return clean;
}

}  // namespace sportello::proxy
