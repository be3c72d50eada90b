// PostgreSQL's parameters that drivers ask every server for and set there, and the values that the console
// has. Setting one changes nothing.
#pragma once

#include <span>
#include <string_view>

namespace sportello::proxy {

struct DriverParameter {
  std::string_view name;
  std::string_view value;
  bool reported = false;  // told at login in a ParameterStatus
};
std::span<const DriverParameter> driver_parameters();

// By its name in any case; nullptr: it is none of them.
const DriverParameter* find_driver_parameter(std::string_view name);

}  // namespace sportello::proxy
