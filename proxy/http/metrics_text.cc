#include "proxy/http/metrics_text.h"

#include <charconv>
#include <cmath>

#include "protocol/invariant.h"
#include "proxy/plain_text.h"

namespace sportello::proxy {
namespace {

// A backslash, a newline and, between quotes, a quote.
std::string escaped(std::string_view text, bool quoted) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || (quoted && c == '"')) {
      out += '\\';
    }
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

template <typename Number>
void append_number(std::string& out, Number value) {
  char digits[32];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, value);
  out.append(digits, end).append("\n");
}

}  // namespace

void MetricsText::family(std::string_view name, Type type, std::string_view help) {
  invariant(names_.emplace(name).second, "a family of metrics is written once");
  invariant((type == Type::Counter) == name.ends_with("_total"), "counters, and only they, end with _total");
  name_ = name;
  head_ = "# HELP " + name_ + " " + escaped(help, false) + "\n# TYPE " + name_ +
          (type == Type::Counter ? " counter\n" : " gauge\n");
}

void MetricsText::begin_sample(Labels labels) {
  text_.append(head_).append(name_);
  head_.clear();
  char before = '{';
  for (const Label& label : labels) {
    text_ += before;
    text_.append(label.name).append("=\"").append(escaped(plain_text(label.value), true)).append("\"");
    before = ',';
  }
  text_.append(before == ',' ? "} " : " ");
}

void MetricsText::end_sample(double value) {
  if (std::isfinite(value)) {
    append_number(text_, value);
  } else {
    text_.append(std::isnan(value) ? "NaN\n" : value > 0 ? "+Inf\n" : "-Inf\n");
  }
}

void MetricsText::end_sample(int64_t value) { append_number(text_, value); }
void MetricsText::end_sample(uint64_t value) { append_number(text_, value); }

}  // namespace sportello::proxy
