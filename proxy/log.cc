#include "proxy/log.h"

#include <spdlog/sinks/stdout_sinks.h>

#include <chrono>
#include <map>
#include <mutex>

namespace sportello::proxy {
namespace {

std::string escape(std::string_view text, bool for_json) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out += for_json ? fmt::format("\\u{:04x}", byte) : fmt::format("\\x{:02x}", byte);
    } else if (for_json && (c == '"' || c == '\\')) {
      out += '\\';
      out += c;
    } else {
      out += c;
    }
  }
  return out;
}

struct Limiter {
  struct Topic {
    std::chrono::steady_clock::time_point last{};
    uint64_t suppressed = 0;
  };
  std::mutex mutex;
  std::map<std::string, Topic> topics;
};

std::atomic<bool> json{false};

}  // namespace

void configure_log(const conf::Config& conf) {
  static const auto logger = [] {
    auto made = spdlog::stderr_logger_mt("sportello");
    spdlog::set_default_logger(made);
    return made;
  }();
  json = conf.log_format == conf::LogFormat::Json;
  if (json) {
    logger->set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","pid":%P,"message":"%v"})");
  } else {
    logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %z [%P] %l: %v");
  }
  logger->set_level(spdlog::level::from_str(std::string(conf::to_string(conf.log_level))));
  logger->flush_on(spdlog::level::trace);
  // A log that cannot be written (disk full, closed pipe) must not stop the service.
  spdlog::set_error_handler([](const std::string&) {});
}

std::string printable(std::string_view text) { return escape(text, false); }

void log_line(spdlog::level::level_enum level, std::string_view line) {
  spdlog::log(level, escape(line, json));
}

bool may_log(const char* topic, uint64_t* suppressed) {
  static Limiter limiter;
  const auto now = std::chrono::steady_clock::now();
  const std::lock_guard lock(limiter.mutex);
  Limiter::Topic& state = limiter.topics[topic];
  if (state.last.time_since_epoch().count() != 0 && now - state.last < std::chrono::seconds(1)) {
    state.suppressed++;
    return false;
  }
  state.last = now;
  *suppressed = std::exchange(state.suppressed, 0);
  return true;
}

}  // namespace sportello::proxy
