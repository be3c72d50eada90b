#include "conf/pgbouncer_import.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "conf/not_ours.h"
#include "conf/quantity.h"
#include "conf/setting_table.h"

namespace sportello::conf {

namespace {

// Where ours differ. PgBouncer's, from its documentation.
constexpr std::pair<std::string_view, std::string_view> kTheirDefaults[] = {
    {"pool_mode", "session"},   {"max_client_conn", "100"},    {"default_pool_size", "20"},
    {"reserve_pool_size", "0"}, {"reserve_pool_timeout", "5"}, {"auth_type", "md5"},
    {"listen_addr", ""},        {"unix_socket_dir", "/tmp"}};

// Names of parameters that a database's line has in common with a conninfo string.
constexpr std::string_view kConninfoKeys[] = {"host",           "port",     "dbname",           "user",
                                              "password",       "timezone", "application_name", "datestyle",
                                              "client_encoding"};

std::string_view trimmed(std::string_view text) {
  const std::string_view blanks = " \t\r\f\v";
  const size_t begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

std::string toml_string(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    const unsigned char byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += {'\\', c};
    } else if (byte < 0x20 || byte == 0x7f) {
      quoted += std::string("\\u00") + kDigits[byte >> 4] + kDigits[byte & 0xf];
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

// A $ that is to stay one. Only ${ and $$ mean anything, so that $1 in a query stays readable.
std::string without_variables(std::string_view text) {
  std::string escaped;
  for (size_t i = 0; i < text.size(); ++i) {
    escaped += text[i];
    const bool is_special = i + 1 < text.size() && (text[i + 1] == '{' || text[i + 1] == '$');
    if (text[i] == '$' && is_special) escaped += '$';
  }
  return escaped;
}

std::string toml_key(std::string_view name) {
  const bool is_bare = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
  return is_bare ? std::string(name) : toml_string(name);
}

bool is_true(std::string_view text) {
  return text == "true" || text == "yes" || text == "on" ||
         (text != "0" && text.find_first_not_of("0123456789") == text.npos);
}

struct Pair {
  std::string key;
  std::string value;
};

// "host=a port=1 password='it''s'": blanks may be around the equals sign, a quote inside is doubled.
std::optional<std::vector<Pair>> cut_pairs(std::string_view text) {
  std::vector<Pair> pairs;
  size_t at = 0;
  const auto skip = [&] {
    while (at < text.size() && (text[at] == ' ' || text[at] == '\t')) ++at;
  };
  for (skip(); at < text.size(); skip()) {
    Pair pair;
    while (at < text.size() && text[at] != '=' && text[at] != ' ' && text[at] != '\t') pair.key += text[at++];
    skip();
    if (at == text.size() || text[at] != '=' || pair.key.empty()) return std::nullopt;
    ++at;
    skip();
    const bool is_quoted = at < text.size() && text[at] == '\'';
    if (is_quoted) ++at;
    bool is_closed = !is_quoted;
    for (; at < text.size(); ++at) {
      if (!is_quoted && (text[at] == ' ' || text[at] == '\t')) break;
      if (is_quoted && text[at] == '\'') {
        if (at + 1 == text.size() || text[at + 1] != '\'') {
          is_closed = true;
          ++at;
          break;
        }
        ++at;
      }
      pair.value += text[at];
    }
    if (!is_closed) return std::nullopt;
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

// A conninfo string's value: quoted where it has to be.
std::string conninfo_value(std::string_view value) {
  std::string quoted;
  for (const char c : without_variables(value)) {
    if (c == '\'' || c == '\\') quoted += '\\';
    quoted += c;
  }
  const bool is_plain = !value.empty() && value.find_first_of(" \t'\\") == std::string_view::npos;
  return is_plain ? quoted : "'" + quoted + "'";
}

// Lines in the order in which they were first written; the last of two for one key counts, as it does for
// PgBouncer, while TOML refuses the second.
class Lines {
 public:
  void put(const std::string& key, std::string text) {
    for (auto& [known, line] : lines_)
      if (known == key) return void(line = std::move(text));
    lines_.emplace_back(key, std::move(text));
  }
  void add_comment(std::string text) { lines_.emplace_back(std::string(), std::move(text)); }
  std::string text() const {
    std::string all;
    for (const auto& [key, line] : lines_) all += line;
    return all;
  }

 private:
  std::vector<std::pair<std::string, std::string>> lines_;  // comments have no key
};

class Importer {
 public:
  std::string run(std::string_view ini) {
    while (!ini.empty()) {
      const size_t end = std::min(ini.find('\n'), ini.size());
      read_line(trimmed(ini.substr(0, end)));
      ini.remove_prefix(std::min(end + 1, ini.size()));
    }
    return text();
  }

 private:
  enum class Section { None, Pgbouncer, Databases, Users, Peers, Other };

  // A control character has no place in a TOML comment.
  static std::string comment(std::string_view text) {
    std::string line = "# ";
    for (const char c : text)
      line += (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f ? '?' : c;
    return line + '\n';
  }

  Lines& current() {
    switch (section_) {
      case Section::Databases:
        return databases_;
      case Section::Users:
        return users_;
      default:
        return general_;
    }
  }

  void read_line(std::string_view line) {
    if (line.empty() || line[0] == ';' || line[0] == '#') return;
    if (line.starts_with("%include")) {
      top_ += comment("Import this file, too, and name the result here: include = " +
                      toml_string(trimmed(line.substr(8))));
      return;
    }
    if (line[0] == '[') return enter(line);
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos) {
      current().add_comment(comment("not understood: a line without an equals sign"));
      return;
    }
    const std::string_view key = trimmed(line.substr(0, equals));
    const std::string_view value = trimmed(line.substr(equals + 1));
    switch (section_) {
      case Section::Pgbouncer:
        return read_setting(std::string(key), value);
      case Section::Databases:
        return read_database(key, value);
      case Section::Users:
        return read_user(key, value);
      default:
        top_ += comment("not imported: " + std::string(key));
    }
  }

  void enter(std::string_view line) {
    const size_t end = line.find(']');
    if (end == std::string_view::npos) {
      section_ = Section::Other;
      top_ += comment("not understood: a section without a closing bracket: " + std::string(line));
      return;
    }
    const std::string_view name = line.substr(1, end - 1);
    constexpr std::pair<std::string_view, Section> kSections[] = {{"pgbouncer", Section::Pgbouncer},
                                                                  {"databases", Section::Databases},
                                                                  {"users", Section::Users},
                                                                  {"peers", Section::Peers}};
    section_ = Section::Other;
    for (const auto& [known, section] : kSections)
      if (known == name) section_ = section;
    if (section_ == Section::Peers)
      top_ += comment("[peers]: cancel requests find their way inside one process.");
  }

  // --- [pgbouncer] ---

  void read_setting(const std::string& key, std::string_view value) {
    const std::string_view why_not = key == "pkt_buf" ? "ours reads more at once" : why_not_ours(key);
    const Setting<Config>* const setting = find_setting(general_settings(), key);
    if (!why_not.empty()) return general_.add_comment(comment(key + ": " + std::string(why_not)));
    if (setting == nullptr) return general_.add_comment(comment(key + " is not known to Sportello"));
    const ValueRef member = setting->ref(scratch_);
    if (value.empty() && !std::holds_alternative<std::string*>(member)) return;
    seen_.insert(key);
    const auto [written, remark] = translated(key, value);
    general_.put(key, (remark.empty() ? std::string() : comment(remark)) + key + " = " +
                          toml_of_pgbouncer(member, setting->form, written) + '\n');
  }

  struct Translated {
    std::string value;
    std::string remark;
  };
  // The values that PgBouncer spells otherwise.
  static Translated translated(const std::string& key, std::string_view given) {
    const std::string value(given);
    if (key == "auth_type" && value == "plain")
      return {"password",
              "As PgBouncer's plain. Over TCP without TLS it takes password_plaintext_allowed = true, too."};
    if (key == "auth_type" && (value == "pam" || value == "ldap"))
      return {"scram-sha-256", "auth_type was " + value + ", which is not offered: choose one"};
    if (key.ends_with("_tls_protocols")) {
      const bool is_known =
          value == "secure" || value == "default" || value == "tlsv1.2" || value == "tlsv1.3";
      return {value == "tlsv1.3" ? "TLSv1.3" : "TLSv1.2",
              is_known ? "" : key + " was " + value + ": see what is offered"};
    }
    constexpr std::string_view kLists[] = {"default", "secure", "fast", "normal", "all"};
    if (key.ends_with("_ciphers") &&
        std::find(std::begin(kLists), std::end(kLists), given) != std::end(kLists))
      return {};
    if (key == "server_check_query" && value == "<empty>") return {};
    // A number of seconds there, yes or no here.
    if (key == "tcp_defer_accept") return {value == "0" ? "false" : "true", {}};
    return {value, {}};
  }

  // --- [databases] and [users] ---

  void read_database(std::string_view name, std::string_view value) {
    const std::string title = unquoted_name(name);
    const std::optional<std::vector<Pair>> pairs = cut_pairs(value);
    if (!pairs) return databases_.add_comment('\n' + comment("[databases] " + title + ": not understood"));
    Lines lines;
    std::string conninfo;
    bool has_host = false;
    for (const Pair& pair : *pairs) {
      if (pair.value.empty() && pair.key != "password") continue;
      const bool is_conninfo =
          std::find(std::begin(kConninfoKeys), std::end(kConninfoKeys), pair.key) != std::end(kConninfoKeys);
      has_host |= pair.key == "host";
      if (!is_conninfo) {
        add_override(database_settings(), pair, lines);
        continue;
      }
      if (pair.key == "host" && pair.value.find(',') != std::string::npos)
        lines.add_comment(comment(
            "PgBouncer takes turns among these hosts. Here the one that is the primary gets all, as "
            "monitor_user finds; without one the first does. Those that only read belong in replicas."));
      conninfo += ' ' + pair.key + '=' + conninfo_value(pair.value);
    }
    // Without a host PgBouncer takes the Unix socket, in the place where Debian's servers have it.
    if (!has_host) conninfo = " host=/var/run/postgresql" + conninfo;
    databases_.put(title, "\n[databases." + toml_key(title) +
                              "]\nprimary = " + toml_string(conninfo.substr(1)) + '\n' + lines.text());
  }

  void read_user(std::string_view name, std::string_view value) {
    const std::string title = unquoted_name(name);
    const std::optional<std::vector<Pair>> pairs = cut_pairs(value);
    if (!pairs) return users_.add_comment('\n' + comment("[users] " + title + ": not understood"));
    Lines lines;
    for (const Pair& pair : *pairs) add_override(user_settings(), pair, lines);
    users_.put(title, "\n[users." + toml_key(title) + "]\n" + lines.text());
  }

  template <typename Owner>
  static void add_override(std::span<const Setting<Owner>> table, const Pair& pair, Lines& lines) {
    const std::string key = pair.key == "reserve_pool" ? "reserve_pool_size" : pair.key;
    const Setting<Owner>* const setting = find_setting(table, key);
    if (setting == nullptr) return lines.add_comment(comment(pair.key + " has no equivalent"));
    Owner scratch;
    lines.put(key, key + " = " + toml_of_pgbouncer(setting->ref(scratch), setting->form, pair.value) + '\n');
  }

  // "a ""name""" as well as name.
  static std::string unquoted_name(std::string_view name) {
    if (name.size() < 2 || name.front() != '"' || name.back() != '"') return std::string(name);
    std::string plain;
    for (size_t i = 1; i + 1 < name.size(); ++i) {
      plain += name[i];
      if (name[i] == '"' && name[i + 1] == '"') ++i;
    }
    return plain;
  }

  std::string text() {
    std::string defaults;
    for (const auto& [key, value] : kTheirDefaults) {
      const Setting<Config>* const setting = find_setting(general_settings(), key);
      if (setting == nullptr || seen_.contains(std::string(key))) continue;
      defaults +=
          std::string(key) + " = " + toml_of_pgbouncer(setting->ref(scratch_), setting->form, value) + '\n';
    }
    std::string result = top_ + (top_.empty() ? "" : "\n") + "[sportello]\n" + general_.text();
    if (!defaults.empty()) result += "# PgBouncer's defaults, where ours differ:\n" + defaults;
    return result + databases_.text() + users_.text();
  }

  Section section_ = Section::None;
  Config scratch_;
  std::set<std::string> seen_;
  std::string top_;
  Lines general_;
  Lines databases_;
  Lines users_;
};

}  // namespace

std::string toml_of_pgbouncer(const ValueRef& member, Form form, std::string_view value) {
  if (std::holds_alternative<bool*>(member)) return is_true(value) ? "true" : "false";
  const bool is_number = !value.empty() && value.find_first_not_of("0123456789") == std::string_view::npos &&
                         (value == "0" || value[0] != '0') && value.size() < 19;
  const bool wants_number = std::holds_alternative<int*>(member) ||
                            std::holds_alternative<uint64_t*>(member) ||
                            std::holds_alternative<std::optional<int>*>(member);
  if (wants_number && is_number && form != Form::FileMode) return std::string(value);
  const bool is_duration = std::holds_alternative<Milliseconds*>(member) ||
                           std::holds_alternative<std::optional<Milliseconds>*>(member);
  if (is_duration) {
    const std::optional<Milliseconds> duration = parse_duration(
        form == Form::BareMilliseconds && is_number ? std::string(value) + "ms" : std::string(value));
    if (duration) return toml_string(format_duration(*duration));
  }
  if (std::holds_alternative<std::vector<std::string>*>(member)) {
    std::string list;
    while (!value.empty()) {
      const size_t comma = std::min(value.find(','), value.size());
      const std::string_view item = trimmed(value.substr(0, comma));
      if (!item.empty()) list += (list.empty() ? "" : ", ") + toml_string(without_variables(item));
      value.remove_prefix(std::min(comma + 1, value.size()));
    }
    return "[" + list + "]";
  }
  return toml_string(without_variables(value));
}

std::string import_pgbouncer(std::string_view ini) { return Importer().run(ini); }

}  // namespace sportello::conf
