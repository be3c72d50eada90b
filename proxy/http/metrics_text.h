// Writes Prometheus' text format, version 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats): a
// family has its HELP and TYPE lines and then all its samples; a family without samples leaves nothing. A
// counter's name ends with "_total". Names and helps are ours; label values may be anything and come out as
// plain_text.h has them.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>

namespace sportello::proxy {

class MetricsText {
 public:
  enum class Type : uint8_t { Counter, Gauge };
  struct Label {
    std::string_view name;
    std::string_view value;
  };
  using Labels = std::initializer_list<Label>;

  // The samples that follow are of it. Each name once.
  void family(std::string_view name, Type type, std::string_view help);

  template <typename Number>
  void sample(Labels labels, Number value) {
    begin_sample(labels);
    if constexpr (std::is_floating_point_v<Number>) {
      end_sample(static_cast<double>(value));
    } else if constexpr (std::is_signed_v<Number>) {
      end_sample(static_cast<int64_t>(value));
    } else {
      end_sample(static_cast<uint64_t>(value));
    }
  }

  const std::string& text() const { return text_; }

 private:
  void begin_sample(Labels labels);
  void end_sample(double value);
  void end_sample(int64_t value);
  void end_sample(uint64_t value);

  std::string text_;
  std::set<std::string, std::less<>> names_;
  std::string name_;  // of the family
  std::string head_;  // its HELP and TYPE, until its first sample
};

}  // namespace sportello::proxy
