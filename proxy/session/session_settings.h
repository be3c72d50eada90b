// What a session has set, and how to make a server link have it, too.
//
// Two kinds of parameters are kept. *Tracked* ones are those that PostgreSQL reports in ParameterStatus
// whenever they change, whatever changed them (SET, a rolled-back SET, set_config, a function's SET clause):
// the report is the truth, so no statement has to be understood to follow them. *Startup* ones were given in
// the StartupMessage (or its `options`) and are not reported; they last as long as the session does.
//
// A SettingsValues is immutable and interned: two sessions (or links) whose settings are alike share one, and
// "are they alike" is a comparison of pointers, which is all that a transaction pays. The table is shared by
// all threads. protocol-flow.html#PROTOCOL-ASYNC, runtime-config-client.html.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sportello::proxy {

// In the order of kTrackedNames; after them those of track_extra_parameters.
enum class Tracked : uint8_t {
  ClientEncoding,
  DateStyle,
  TimeZone,
  IntervalStyle,
  StandardConformingStrings,
  ApplicationName,
  DefaultTransactionReadOnly,
};
inline constexpr size_t kTrackedCount = 7;
inline constexpr std::array<std::string_view, kTrackedCount> kTrackedNames = {
    "client_encoding",
    "DateStyle",
    "TimeZone",
    "IntervalStyle",
    "standard_conforming_strings",
    "application_name",
    "default_transaction_read_only"};

// track_extra_parameters: more names, tracked on servers that report them. Said once, before any thread looks
// for one; names that are tracked anyway count for nothing, and those beyond kMostExtraTracked are given
// back.
inline constexpr size_t kMostExtraTracked = 8;
inline constexpr size_t kTrackedSlots = kTrackedCount + kMostExtraTracked;
std::vector<std::string> track_extra_parameters(const std::vector<std::string>& names);
// Of those before and those of track_extra_parameters.
size_t tracked_count();
std::string_view tracked_name(size_t parameter);

// Case does not matter, as in PostgreSQL.
std::optional<Tracked> find_tracked(std::string_view name);
bool same_setting_name(std::string_view a, std::string_view b);

using StartupSettings = std::vector<std::pair<std::string, std::string>>;

struct SettingsValues {
  std::array<std::string, kTrackedSlots> tracked;  // empty: never reported, so not known and not set
  StartupSettings startup;
  uint64_t startup_id = 0;  // equal for equal `startup`, 0 for none; set by intern_settings(), as all below
  // Equal for equal values of all that a text means something else under: encoding, dates, quoting.
  uint64_t reading_id = 0;
  bool encoding_is_ascii_safe = true;  // client_encoding is (lexer.h)
  // Of all that may change a result but application_name, for a cache's key: no other values ever have the
  // same.
  uint64_t results_id = 0;

  const std::string& operator[](Tracked parameter) const { return tracked[static_cast<size_t>(parameter)]; }
};

using Settings = std::shared_ptr<const SettingsValues>;

// The one Settings of these values. Any thread.
Settings intern_settings(SettingsValues values);
// `settings` with one tracked value changed.
Settings with_tracked(const Settings& settings, Tracked parameter, std::string_view value);

// `settings` with one startup setting given or taken away.
Settings with_startup(const Settings& settings, std::string_view name, std::string_view value);
Settings with_startup(const Settings& settings, const StartupSettings& startup);  // with these and no others
Settings without_startup(const Settings& settings, std::string_view name);
// Of a link: each of the startup settings may be as it says or may have been reset, so that whoever needs
// one, or needs it gone, says so.
Settings with_startup_in_doubt(const Settings& settings);
const std::string* find_startup(const StartupSettings& settings, std::string_view name);
// Is set_config(name, value) the same as the SET that had this value? Of a list or a quoted name it is not
// certain.
bool is_portable_setting(std::string_view name, std::string_view value);

// The SET and RESET commands, separated by semicolons, that turn a link that has `from` into one that has
// `to`; empty if there is nothing to do. Values are quoted whatever standard_conforming_strings is on the
// link.
std::string settings_switch(const SettingsValues& from, const SettingsValues& to);

// The settings in a startup packet's `options`: "-c name=value", "-cname=value", "--name=value", with
// backslash escapes. Nothing if there is a switch of another kind.
std::optional<StartupSettings> parse_startup_options(std::string_view options);

// application_name as PostgreSQL keeps it: at most 63 bytes, anything but printable ASCII replaced by '?'.
std::string clean_application_name(std::string_view name);

}  // namespace sportello::proxy
