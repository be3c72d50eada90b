// Environment variables inside the values of a configuration: ${NAME} is the variable's value, $$ is one $,
// any other $ is itself ($1 in a query). A variable that is not set is an error, never an empty text. What a
// variable holds is taken as it is: it is not looked at again.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace sportello::conf {

// The value of a variable, if it is set.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
std::optional<std::string> process_environment(const std::string& name);

struct Expanded {
  std::string text;
  std::string problem;        // empty: there is none
  size_t problem_offset = 0;  // in the text as it was written
  bool has_variables = false;
};
Expanded expand(std::string_view written, const Environment& environment);

}  // namespace sportello::conf
