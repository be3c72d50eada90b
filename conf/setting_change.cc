#include "conf/setting_change.h"

#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <utility>

#include "conf/config_checks.h"
#include "conf/config_places.h"
#include "conf/environment.h"
#include "conf/not_ours.h"
#include "conf/pgbouncer_import.h"
#include "conf/setting_table.h"
#include "conf/toml_value.h"

namespace sportello::conf {

namespace {

using Verdict = SettingChange::Verdict;

SettingChange refused(Verdict verdict, std::string problem) {
  return {.verdict = verdict, .problem = std::move(problem), .config = std::nullopt};
}

// PgBouncer's words for a flag, and TOML's. The import takes any other for false; here it is a mistake.
bool is_flag(std::string_view value) {
  constexpr std::array kFlags = {"0", "1", "false", "true", "no", "yes", "off", "on"};
  return std::find(kFlags.begin(), kFlags.end(), value) != kFlags.end();
}

// What a file is checked for when the configuration is read, and what needs a restart.
bool is_fixed(const Setting<Config>& setting) {
  return setting.change == Change::Restart || setting.form == Form::InputFile ||
         setting.form == Form::SecretFile || setting.form == Form::TrustedFile || setting.form == Form::Path;
}

// The problem with the value; empty: it is in `config` now.
std::string store(const Setting<Config>& setting, std::string_view value, Config& config) {
  const ValueRef member = setting.ref(config);
  if (std::holds_alternative<bool*>(member) && !is_flag(value)) return "0 or 1 is expected";
  try {
    const toml::table line = toml::parse("v = " + toml_of_pgbouncer(member, setting.form, value));
    return assign(*line.get("v"), member, setting.form, setting.range, process_environment).problem;
  } catch (const toml::parse_error&) {
    return "a value is expected";
  }
}

// What the whole is wrong about.
std::string contradictions(const Config& config) {
  const TextFile nowhere;
  ConfigPlaces places;
  places.set_main_file(nowhere);
  for (const auto& [name, database] : config.databases)
    places.note(entry_path("databases", name) + ".primary", {&nowhere, {}});  // or it would not be in force
  check(config, places);
  std::string problems;
  for (const Diagnostic& found : places.take_diagnostics({&nowhere}))
    if (found.severity == Diagnostic::Severity::Error)
      problems += (problems.empty() ? "" : "\n") + found.message;
  return problems;
}

}  // namespace

SettingChange change_setting(const Config& running, std::string_view name, std::string_view value) {
  const Setting<Config>* const setting = find_setting(general_settings(), name);
  if (setting == nullptr) return refused(Verdict::Unknown, std::string(why_not_ours(name)));
  if (is_fixed(*setting))
    return refused(Verdict::Fixed, setting->change == Change::Restart ? "it takes effect at a restart only"
                                                                      : "it names a file");
  SettingChange change{.problem = {}, .config = running};
  std::string problem = store(*setting, value, *change.config);
  if (problem.empty()) problem = contradictions(*change.config);
  if (!problem.empty()) return refused(Verdict::Invalid, std::move(problem));
  return change;
}

}  // namespace sportello::conf
