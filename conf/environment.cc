#include "conf/environment.h"

#include <algorithm>
#include <cstdlib>

#include "conf/diagnostic.h"

namespace sportello::conf {

namespace {

bool is_name(std::string_view name) {
  const auto is_first = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !name.empty() && is_first(name[0]) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return is_first(c) || (c >= '0' && c <= '9'); });
}

}  // namespace

std::optional<std::string> process_environment(const std::string& name) {
  const char* const value = std::getenv(name.c_str());
  return value != nullptr ? std::optional<std::string>(value) : std::nullopt;
}

Expanded expand(std::string_view written, const Environment& environment) {
  Expanded result;
  for (size_t at = 0; at < written.size(); ++at) {
    const std::string_view rest = written.substr(at);
    if (rest.starts_with("$$")) {
      result.text += '$';
      ++at;
    } else if (rest.starts_with("${")) {
      const size_t end = rest.find('}');
      const std::string name(rest.substr(2, end == std::string_view::npos ? end : end - 2));
      const bool is_good = end != std::string_view::npos && is_name(name);
      const std::optional<std::string> value = is_good ? environment(name) : std::nullopt;
      if (!value) {
        result.problem_offset = at;
        result.problem =
            is_good
                ? "the environment variable " + name + " is not set"
                : "${ begins the name of an environment variable, as in ${NAME}; a plain $ before { is $$";
        return result;
      }
      result.text += *value;
      result.has_variables = true;
      at += end;
    } else {
      result.text += written[at];
    }
  }
  return result;
}

}  // namespace sportello::conf
