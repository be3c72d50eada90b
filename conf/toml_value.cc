#include "conf/toml_value.h"

#include <charconv>
#include <cmath>

#include "conf/diagnostic.h"
#include "conf/endpoint.h"
#include "conf/enum_names.h"
#include "conf/quantity.h"

namespace sportello::conf {

namespace {

constexpr int64_t kNoMax = std::numeric_limits<int64_t>::max();

template <typename Format>
std::string allowed(const Range& range, Format format) {
  if (range.max == kNoMax) return "at least " + format(range.min);
  return "from " + format(range.min) + " to " + format(range.max);
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

// Reads one node into members of any type; what is wrong is in problem().
class Assignment {
 public:
  Assignment(const toml::node& node, Form form, Range range, const Environment& environment)
      : node_(node), form_(form), range_(range), environment_(environment) {}

  const std::string& problem() const { return problem_; }

  void operator()(bool* member) {
    if (const auto* flag = node_.as_boolean()) {
      *member = flag->get();
    } else if (const auto text = text_with_variables(); text && (*text == "true" || *text == "false")) {
      *member = *text == "true";
    } else {
      wrong_type("true or false");
    }
  }

  void operator()(int* member) {
    if (form_ == Form::FileMode) return assign_file_mode(member);
    const std::optional<int64_t> number = integer();
    const auto plain = [](int64_t value) { return std::to_string(value); };
    if (!number) return wrong_type("an integer");
    if (!fits(*number)) return fail("it must be " + allowed(range_, plain));
    *member = static_cast<int>(*number);
  }

  void operator()(uint64_t* member) {
    const auto size = [](int64_t value) { return format_size(static_cast<uint64_t>(value)); };
    std::optional<uint64_t> bytes;
    if (const auto* number = node_.as_integer()) {
      if (number->get() >= 0) bytes = static_cast<uint64_t>(number->get());
    } else if (const std::optional<std::string> written = text()) {
      bytes = parse_size(*written);
    } else {
      return wrong_type("a size such as \"64kB\" or \"256MB\"");
    }
    if (!bytes) return fail("a size is expected, such as \"64kB\" or \"256MB\"");
    if (!fits(static_cast<int64_t>(*bytes))) return fail("it must be " + allowed(range_, size));
    *member = *bytes;
  }

  void operator()(Milliseconds* member) {
    const auto duration = [](int64_t value) { return '"' + format_duration(Milliseconds(value)) + '"'; };
    std::optional<Milliseconds> value;
    if (node_.is_number()) {
      // The number's own decimals, so that 0.3 is what "0.3" is.
      char digits[64];
      const double number = *node_.value<double>();
      const auto [end, error] =
          std::to_chars(digits, digits + sizeof digits, number, std::chars_format::fixed);
      if (error == std::errc()) value = bare_duration({digits, end});
    } else if (const std::optional<std::string> written = text()) {
      value = bare_duration(*written);
    } else {
      return wrong_type("a duration such as \"30s\" or \"5min\"");
    }
    if (!value) return fail("a duration is expected, such as \"500ms\", \"30s\", \"1h 30min\"");
    if (!fits(value->count())) return fail("it must be " + allowed(range_, duration));
    *member = *value;
  }

  void operator()(std::string* member) {
    std::optional<std::string> value = text();
    if (!value) return wrong_type("a string");
    if (value->find('\0') != std::string::npos) return fail("a string has no NUL in it");
    if (form_ == Form::TlsProtocols) return assign_protocols(member, *value);
    if (form_ == Form::Endpoint && !value->empty())
      if (std::string problem = endpoint_problem(*value); !problem.empty()) return fail(std::move(problem));
    *member = *std::move(value);
  }

  void operator()(std::vector<std::string>* member) {
    std::vector<std::string> values;
    if (const auto* array = node_.as_array()) {
      for (const toml::node& element : *array) {
        Assignment one(element, Form::Plain, {}, environment_);
        std::string value;
        one(&value);
        if (!one.problem().empty()) return fail("in this list: " + one.problem());
        values.push_back(std::move(value));
      }
    } else if (const std::optional<std::string> written = text()) {
      std::string_view rest = *written;
      while (!trimmed(rest).empty()) {
        const size_t comma = std::min(rest.find(','), rest.size());
        const std::string_view value = trimmed(rest.substr(0, comma));
        if (!value.empty()) values.emplace_back(value);
        rest.remove_prefix(std::min(comma + 1, rest.size()));
      }
    } else {
      return wrong_type("a list of strings");
    }
    *member = std::move(values);
  }

  template <typename Enum>
  requires std::is_enum_v<Enum>
  void operator()(Enum* member) {
    const std::optional<std::string> name = text();
    if (!name) return wrong_type(allowed_names<Enum>());
    const std::optional<Enum> value = parse_enum<Enum>(*name);
    if (!value) return fail(in_quotes(*name) + " is not known here: it is " + allowed_names<Enum>());
    *member = *value;
  }

  template <typename Value>
  void operator()(std::optional<Value>* member) {
    Value value{};
    (*this)(&value);
    if (problem_.empty()) *member = value;
  }

 private:
  void fail(std::string problem) {
    if (problem_.empty()) problem_ = std::move(problem);
  }
  void wrong_type(std::string_view expected) {
    fail(std::string(expected) + " is expected, not " + std::string(toml_type_name(node_)));
  }

  bool fits(int64_t value) const { return value >= range_.min && value <= range_.max; }

  std::optional<Expanded> expanded() {
    const auto* text = node_.as_string();
    if (text == nullptr) return std::nullopt;
    Expanded value = expand(text->get(), environment_);
    if (!value.problem.empty()) fail(value.problem);
    return value;
  }
  std::optional<std::string> text() {
    std::optional<Expanded> value = expanded();
    return value ? std::optional(std::move(value->text)) : std::nullopt;
  }
  std::optional<std::string> text_with_variables() {
    std::optional<Expanded> value = expanded();
    return value && value->has_variables ? std::optional(std::move(value->text)) : std::nullopt;
  }

  std::optional<int64_t> integer() {
    if (const auto* number = node_.as_integer()) return number->get();
    const std::optional<std::string> text = text_with_variables();
    int64_t number = 0;
    if (!text) return std::nullopt;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
    return error == std::errc() && end == text->data() + text->size() ? std::optional(number) : std::nullopt;
  }

  std::optional<Milliseconds> bare_duration(const std::string& text) const {
    const bool is_bare = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
    return parse_duration(is_bare && form_ == Form::BareMilliseconds ? text + "ms" : text);
  }

  void assign_file_mode(int* member) {
    constexpr std::string_view kExpected = "a file mode such as \"0770\" (octal) is expected";
    int mode = -1;
    if (const auto* number = node_.as_integer()) {
      if (fits(number->get())) mode = static_cast<int>(number->get());
    } else if (const std::optional<std::string> written = text()) {
      const auto [end, error] = std::from_chars(written->data(), written->data() + written->size(), mode, 8);
      if (error != std::errc() || end != written->data() + written->size() || !fits(mode)) mode = -1;
    }
    if (mode < 0) return fail(std::string(kExpected));
    *member = mode;
  }

  // PgBouncer's words and lists; what counts is the oldest version in them.
  void assign_protocols(std::string* member, std::string_view value) {
    std::string lowered;
    for (const char c : value) lowered += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    const auto names = [&](std::string_view version) { return lowered.find(version) != std::string::npos; };
    if (lowered == "tlsv1.3") {
      *member = "TLSv1.3";
    } else if (lowered == "secure" || lowered == "default" || lowered == "tlsv1.2" ||
               lowered == "tlsv1.2,tlsv1.3" || lowered == "tlsv1.2, tlsv1.3") {
      *member = "TLSv1.2";
    } else if (names("tlsv1.0") || names("tlsv1.1") || names("all") || names("legacy") || names("sslv")) {
      fail("versions before TLS 1.2 are not safe and not offered: it is \"TLSv1.2\" or \"TLSv1.3\"");
    } else {
      fail("it is \"TLSv1.2\" or \"TLSv1.3\", the oldest version that is allowed");
    }
  }

  const toml::node& node_;
  Form form_;
  Range range_;
  const Environment& environment_;
  std::string problem_;
};

}  // namespace

std::string_view toml_type_name(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a number with a point";
    case toml::node_type::boolean:
      return "true or false";
    case toml::node_type::date:
    case toml::node_type::time:
    case toml::node_type::date_time:
      return "a date or time";
    case toml::node_type::none:
      break;
  }
  return "nothing";
}

Assigned assign(const toml::node& node, ValueRef member, Form form, Range range,
                const Environment& environment) {
  Assignment assignment(node, form, range, environment);
  std::visit([&](auto* target) { assignment(target); }, member);
  return {assignment.problem()};
}

}  // namespace sportello::conf
