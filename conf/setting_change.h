// One setting of [sportello] changed by hand, as SET at the console does it: in a copy of the configuration
// in force, without its file. The value is spelled as PgBouncer's ini spells it (0 and 1, bare seconds, lists
// with commas) or as ours does, and what contradicts the rest is refused, as in a file.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "conf/config.h"

namespace sportello::conf {

struct SettingChange {
  enum class Verdict : uint8_t {
    Changed,
    Unknown,  // no setting of that name
    Fixed,    // it cannot be changed like this
    Invalid,  // the value is not allowed
  };
  Verdict verdict = Verdict::Changed;
  std::string problem;           // why not
  std::optional<Config> config;  // with Changed
};
SettingChange change_setting(const Config& running, std::string_view name, std::string_view value);

}  // namespace sportello::conf
