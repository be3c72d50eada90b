// The tables of all settings, one a section: key, member, what is allowed, whether a reload is enough, and a
// sentence for users. The loader reads by them, SHOW CONFIG shows by them, a reload compares by them, the
// import and the annotated sample follow them: a setting is added by a member in config.h and a row here.
//
// What has a shape of its own (primary, replicas, password_file, rules, include) is the loader's.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "conf/config.h"

namespace sportello::conf {

// The member that a row stands for, in one particular object.
using ValueRef =
    std::variant<bool*, int*, uint64_t*, Milliseconds*, std::string*, std::vector<std::string>*, PoolMode*,
                 AuthType*, SslMode*, LogFormat*, LogLevel*, Invalidation*, Freshness*, Routing*, CacheMode*,
                 CacheInTransaction*, std::optional<int>*, std::optional<Milliseconds>*,
                 std::optional<PoolMode>*, std::optional<Freshness>*>;

// What a value is, beyond its type.
enum class Form : uint8_t {
  Plain,
  InputFile,         // a file that must be readable; seen from the configuration file
  SecretFile,        // the same, and nobody else may read it
  TrustedFile,       // an InputFile, or "system"
  Path,              // seen from the configuration file; need not exist
  FileMode,          // octal: "0777"
  TlsProtocols,      // PgBouncer's words, or the oldest version that is allowed
  Endpoint,          // address:port
  BareMilliseconds,  // a bare number counts milliseconds, as it does for PgBouncer
};

// Inclusive; counts, milliseconds or bytes.
struct Range {
  int64_t min = 0;
  int64_t max = std::numeric_limits<int64_t>::max();
};

enum class Change : uint8_t { Reload, Restart };

template <typename Owner>
struct Setting {
  std::string_view key;
  ValueRef (*ref)(Owner& owner);
  std::string_view sentence;
  Range range = {};
  Form form = Form::Plain;
  Change change = Change::Reload;
};

std::span<const Setting<Config>> general_settings();  // [sportello], in the order of config.h
std::span<const Setting<Database>> database_settings();
std::span<const Setting<User>> user_settings();
std::span<const Setting<Cache>> cache_settings();
std::span<const Setting<CacheRule>> rule_settings();

// The row of a key; nullptr: there is none.
template <typename Owner>
const Setting<Owner>* find_setting(std::span<const Setting<Owner>> table, std::string_view key) {
  for (const Setting<Owner>& setting : table)
    if (setting.key == key) return &setting;
  return nullptr;
}

// One setting as SHOW CONFIG shows it: the values as PgBouncer prints them, since agents read them (seconds,
// bytes, 0 and 1, lists with commas). Cache settings are named "cache.…". No password is among them.
struct SettingView {
  std::string name;
  std::string value;
  std::string default_value;
  bool changeable;  // by a reload
};
std::vector<SettingView> describe(const Config& config);

// The settings that differ and that a reload cannot change.
std::vector<std::string> restart_needed(const Config& running, const Config& wanted);

}  // namespace sportello::conf
