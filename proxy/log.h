// One place for what the program says to its operator: spdlog behind three functions. Never a password, never
// a parameter's value, never a statement's text. Control characters in names that peers chose are escaped, so
// that a client cannot forge lines or send escape sequences to a terminal. Any thread.
#pragma once

#include <spdlog/spdlog.h>

#include <string>
#include <string_view>

#include "conf/config.h"

namespace sportello::proxy {

void configure_log(const conf::Config& conf);
// `text` as one harmless line.
std::string printable(std::string_view text);
// True at most once a second for each `topic` (a string literal); the others are counted and told with the
// next.
bool may_log(const char* topic, uint64_t* suppressed);
void log_line(spdlog::level::level_enum level, std::string_view line);

template <typename... Args>
void log_at(spdlog::level::level_enum level, fmt::format_string<Args...> format, Args&&... args) {
  if (spdlog::should_log(level)) {
    log_line(level, fmt::format(format, std::forward<Args>(args)...));
  }
}

template <typename... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log_at(spdlog::level::info, format, std::forward<Args>(args)...);
}

template <typename... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  log_at(spdlog::level::warn, format, std::forward<Args>(args)...);
}

template <typename... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) {
  log_at(spdlog::level::err, format, std::forward<Args>(args)...);
}

// A warning that a hostile or broken peer can cause as often as it likes.
template <typename... Args>
void log_limited(const char* topic, fmt::format_string<Args...> format, Args&&... args) {
  uint64_t suppressed = 0;
  if (!may_log(topic, &suppressed)) {
    return;
  }
  std::string line = fmt::format(format, std::forward<Args>(args)...);
  if (suppressed > 0) {
    line += fmt::format(" ({} more like this since the last)", suppressed);
  }
  log_line(spdlog::level::warn, line);
}

}  // namespace sportello::proxy
