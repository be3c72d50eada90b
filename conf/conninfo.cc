#include "conf/conninfo.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "conf/diagnostic.h"
#include "conf/enum_names.h"

namespace sportello::conf {

namespace {

struct Parameter {
  std::string_view key;
  std::string value;  // unquoted, variables not yet put in
  size_t key_offset;
  size_t value_offset;
};

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'; }

class Parser {
 public:
  // `environment`: nullptr where a $ means nothing.
  Parser(std::string_view text, const Environment* environment) : text_(text), environment_(environment) {}

  Conninfo run() {
    const size_t scheme = scheme_length();
    if (scheme != 0)
      cut_uri(scheme);
    else
      cut_keywords();
    for (const Parameter& parameter : parameters_) apply(parameter);
    settle_servers();
    std::stable_sort(result_.problems.begin(), result_.problems.end(),
                     [](const auto& one, const auto& other) { return one.offset < other.offset; });
    return std::move(result_);
  }

 private:
  using Apply = void (Parser::*)(const Parameter& parameter, std::string value);
  struct Key {
    std::string_view name;
    Apply apply;
    std::string ServerAddress::*member = nullptr;
  };
  static const Key kKeys[];

  void problem(size_t offset, std::string message) {
    result_.problems.push_back({offset, std::move(message)});
  }

  size_t scheme_length() const {
    for (const std::string_view scheme : {"postgresql://", "postgres://"})
      if (text_.starts_with(scheme)) return scheme.size();
    return 0;
  }

  // --- keyword = value ---

  void skip_spaces() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }

  void cut_keywords() {
    for (skip_spaces(); at_ < text_.size(); skip_spaces()) {
      const size_t key_offset = at_;
      while (at_ < text_.size() && text_[at_] != '=' && !is_space(text_[at_])) ++at_;
      const std::string_view key = text_.substr(key_offset, at_ - key_offset);
      skip_spaces();
      if (at_ == text_.size() || text_[at_] != '=') {
        problem(key_offset, "keyword=value is expected, or a postgresql:// URI");
        return;
      }
      ++at_;
      skip_spaces();
      const size_t value_offset = at_;
      std::optional<std::string> value = take_value();
      if (!value) {
        problem(value_offset, "the quote that begins here is never closed");
        return;
      }
      parameters_.push_back({key, *std::move(value), key_offset, value_offset});
    }
  }

  std::optional<std::string> take_value() {
    const bool is_quoted = at_ < text_.size() && text_[at_] == '\'';
    if (is_quoted) ++at_;
    std::string value;
    for (; at_ < text_.size(); ++at_) {
      if (is_quoted ? text_[at_] == '\'' : is_space(text_[at_])) {
        if (is_quoted) ++at_;
        return value;
      }
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      value += text_[at_];
    }
    return is_quoted ? std::nullopt : std::optional<std::string>(std::move(value));
  }

  // --- postgresql://user:password@host:port/dbname?key=value&… ---

  void cut_uri(size_t begin) {
    const size_t authority_end = std::min(text_.find_first_of("/?", begin), text_.size());
    size_t host = begin;
    const size_t at_sign = text_.substr(begin, authority_end - begin).rfind('@');
    if (at_sign != std::string_view::npos) {
      host = begin + at_sign + 1;
      cut_user(begin, host - 1);
    }
    cut_host(host, authority_end);

    size_t end = authority_end;
    if (end < text_.size() && text_[end] == '/') {
      const size_t name_end = std::min(text_.find('?', end), text_.size());
      add("dbname", end + 1, name_end);
      end = name_end;
    }
    if (end < text_.size()) cut_query(end + 1);
  }

  void cut_user(size_t begin, size_t end) {
    const size_t colon = std::min(text_.find(':', begin), end);
    add("user", begin, colon);
    if (colon < end) add("password", colon + 1, end);
  }

  void cut_host(size_t begin, size_t end) {
    if (text_.substr(begin, end - begin).find(',') != std::string_view::npos)
      return problem(begin, "a URI names one server here; a list is written as host=a,b port=1,2");
    size_t host_end = std::min(text_.find(':', begin), end);
    size_t after = host_end;
    if (begin < end && text_[begin] == '[') {
      const size_t bracket = std::min(text_.find(']', begin), end);
      if (bracket == end) return problem(begin, "the bracket that begins here is never closed");
      begin += 1;
      host_end = bracket;
      after = bracket + 1;
    }
    add("host", begin, host_end);
    if (after < end && text_[after] != ':') return problem(after, "a colon and the port are expected here");
    if (after < end) add("port", after + 1, end);
  }

  void cut_query(size_t begin) {
    while (begin < text_.size()) {
      const size_t end = std::min(text_.find('&', begin), text_.size());
      const size_t equals = std::min(text_.find('=', begin), end);
      if (equals == end) return problem(begin, "key=value is expected here");
      add(text_.substr(begin, equals - begin), equals + 1, end, begin);
      begin = end + 1;
    }
  }

  // Empty parts of a URI say nothing.
  void add(std::string_view key, size_t begin, size_t end, std::optional<size_t> key_offset = std::nullopt) {
    std::optional<std::string> value = percent_decoded(text_.substr(begin, end - begin));
    if (!value) return problem(begin, "a % is followed by two hexadecimal digits, and never by 00");
    if (!value->empty()) parameters_.push_back({key, *std::move(value), key_offset.value_or(begin), begin});
  }

  static std::optional<std::string> percent_decoded(std::string_view text) {
    std::string decoded;
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '%') {
        decoded += text[i];
        continue;
      }
      unsigned value = 0;
      const char* const begin = text.data() + i + 1;
      if (i + 2 >= text.size() || std::from_chars(begin, begin + 2, value, 16).ptr != begin + 2 || value == 0)
        return std::nullopt;
      decoded += static_cast<char>(value);
      i += 2;
    }
    return decoded;
  }

  // --- what the parameters mean ---

  void apply(const Parameter& parameter) {
    const Key* const key = find(parameter.key);
    if (key == nullptr) return refuse_key(parameter);
    Expanded value{.text = parameter.value};
    if (environment_ != nullptr) value = expand(parameter.value, *environment_);
    if (!value.problem.empty()) return problem(parameter.value_offset, value.problem);
    if (value.text.find('\0') != std::string::npos)
      return problem(parameter.value_offset, "a value has no NUL in it");
    if (key->member == &ServerAddress::password) result_.has_literal_password |= !value.has_variables;
    if (key->member != nullptr)
      result_.address.*key->member = std::move(value.text);
    else
      (this->*key->apply)(parameter, std::move(value.text));
  }

  static const Key* find(std::string_view name);

  void refuse_key(const Parameter& parameter);

  void apply_host(const Parameter& parameter, std::string value) {
    host_ = std::move(value);
    host_offset_ = parameter.value_offset;
  }

  void apply_hostaddr(const Parameter& parameter, std::string value) {
    hostaddr_ = std::move(value);
    hostaddr_offset_ = parameter.key_offset;
  }

  void apply_port(const Parameter& parameter, std::string value) {
    port_ = std::move(value);
    port_offset_ = parameter.value_offset;
  }

  static std::vector<std::string> parts_of(const std::string& list) {
    std::vector<std::string> parts;
    for (size_t begin = 0; begin <= list.size();) {
      const size_t end = std::min(list.find(',', begin), list.size());
      parts.push_back(list.substr(begin, end - begin));
      begin = end + 1;
    }
    return parts;
  }

  // An empty part of a list is the default, as it is for libpq.
  uint16_t port_of(const std::string& text, bool is_in_list) {
    uint16_t port = ServerAddress().port;
    if (text.empty() && is_in_list) return port;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc() || end != text.data() + text.size() || port == 0)
      problem(port_offset_, "the port is a number from 1 to 65535");
    return port;
  }

  void settle_servers() {
    if (!hostaddr_.empty() && !host_.empty() && host_ != hostaddr_)
      problem(hostaddr_offset_, "either host or hostaddr: a name is always looked up here");
    const std::string& given = host_.empty() ? hostaddr_ : host_;
    const std::vector<std::string> hosts = parts_of(given);
    const std::vector<std::string> ports = port_ ? parts_of(*port_) : std::vector<std::string>();
    if (ports.size() > 1 && ports.size() != hosts.size())
      return problem(port_offset_, std::to_string(ports.size()) + " ports for " +
                                       std::to_string(hosts.size()) + " hosts: one for all, or one for each");
    const ServerAddress shared = result_.address;
    const size_t hosts_offset = host_.empty() ? hostaddr_offset_ : host_offset_;
    for (size_t i = 0; i < hosts.size(); ++i) {
      if (hosts.size() > 1 && hosts[i].empty()) return problem(hosts_offset, "a host of the list is empty");
      ServerAddress server = shared;
      if (!hosts[i].empty()) server.host = hosts[i];
      if (ports.size() > 1)
        server.port = port_of(ports[i], true);
      else if (port_)
        server.port = i == 0 ? port_of(*port_, false) : result_.address.port;
      const auto is_it = [&](const ServerAddress& other) {
        return other.host == server.host && other.port == server.port;
      };
      if (i == 0)
        result_.address = std::move(server);
      else if (!is_it(result_.address) && std::none_of(result_.others.begin(), result_.others.end(), is_it))
        result_.others.push_back(std::move(server));
    }
  }

  void apply_sslmode(const Parameter& parameter, std::string value) {
    const std::string mode = std::move(value);
    result_.address.sslmode = parse_enum<SslMode>(mode);
    if (!result_.address.sslmode) problem(parameter.value_offset, "sslmode is " + allowed_names<SslMode>());
  }

  void apply_connect_timeout(const Parameter& parameter, std::string value) {
    uint32_t seconds = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
    if (error != std::errc() || end != value.data() + value.size() || seconds > 86'400)
      return problem(parameter.value_offset, "connect_timeout is a number of seconds, at most a day");
    result_.address.connect_timeout = std::chrono::seconds(seconds);
  }

  void apply_weight(const Parameter& parameter, std::string value) {
    int weight = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), weight);
    if (error != std::errc() || end != value.data() + value.size() || weight < 1 || weight > 1000)
      return problem(parameter.value_offset, "the weight is a number from 1 to 1000");
    result_.address.weight = weight;
  }

  std::string_view text_;
  const Environment* environment_;
  size_t at_ = 0;
  std::vector<Parameter> parameters_;
  std::string host_;
  size_t host_offset_ = 0;
  std::optional<std::string> port_;
  size_t port_offset_ = 0;
  std::string hostaddr_;
  size_t hostaddr_offset_ = 0;
  Conninfo result_;
};

const Parser::Key Parser::kKeys[] = {
    {"host", &Parser::apply_host},
    {"hostaddr", &Parser::apply_hostaddr},
    {"port", &Parser::apply_port},
    {"dbname", nullptr, &ServerAddress::dbname},
    {"user", nullptr, &ServerAddress::user},
    {"password", nullptr, &ServerAddress::password},
    {"sslmode", &Parser::apply_sslmode},
    {"connect_timeout", &Parser::apply_connect_timeout},
    {"application_name", nullptr, &ServerAddress::application_name},
    {"options", nullptr, &ServerAddress::options},
    {"client_encoding", nullptr, &ServerAddress::client_encoding},
    {"datestyle", nullptr, &ServerAddress::datestyle},
    {"timezone", nullptr, &ServerAddress::timezone},
    {"weight", &Parser::apply_weight},
};

const Parser::Key* Parser::find(std::string_view name) {
  for (const Key& key : kKeys)
    if (key.name == name) return &key;
  return nullptr;
}

void Parser::refuse_key(const Parameter& parameter) {
  std::vector<std::string_view> names;
  for (const Key& key : kKeys) names.push_back(key.name);
  const std::string_view meant = nearest(parameter.key, names);
  std::string message = "unknown connection parameter " + in_quotes(parameter.key);
  if (!meant.empty()) message += ": did you mean " + std::string(meant) + "?";
  problem(parameter.key_offset, std::move(message));
}

}  // namespace

Conninfo parse_conninfo(std::string_view text, const Environment& environment) {
  // The whole address may come from one variable; anywhere else a variable is a part of a value.
  if (text.starts_with("${") && text.find('}') == text.size() - 1) {
    Expanded whole = expand(text, environment);
    if (!whole.problem.empty()) return {.problems = {{whole.problem_offset, whole.problem}}};
    Conninfo parsed = Parser(whole.text, nullptr).run();
    for (ConninfoProblem& problem : parsed.problems) problem.offset = 0;
    parsed.has_literal_password = false;
    return parsed;
  }
  return Parser(text, &environment).run();
}

}  // namespace sportello::conf
