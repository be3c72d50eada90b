// One TOML value -> one member, by its row of the setting table: type, unit, range, spelling.
#pragma once

#include <toml++/toml.h>

#include <string>

#include "conf/environment.h"
#include "conf/setting_table.h"

namespace sportello::conf {

// How a type of TOML is called in messages: "a string", "an integer", …
std::string_view toml_type_name(const toml::node& node);

// Stores the value, or says what would be right. `environment`: for the variables in strings.
struct Assigned {
  std::string problem;  // empty: it was stored
};
Assigned assign(const toml::node& node, ValueRef member, Form form, Range range,
                const Environment& environment);

}  // namespace sportello::conf
