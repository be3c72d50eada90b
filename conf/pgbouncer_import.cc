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
    {"listen_addr", ""},        {"unix_socket_dir", "/tmp"},   {"pkt_buf", "4096"}};

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

bool is_true(std::string_view text) { return text == "1" || text == "true" || text == "yes" || text == "on"; }

// A value for a member of that type, as TOML. Empty: PgBouncer's value means nothing to us.
std::string toml_value(const ValueRef& member, Form form, std::string_view value) {
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

  std::string& current() {
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
      current() += comment("not understood: a line without an equals sign");
      return;
    }
    const std::string_view key = trimmed(line.substr(0, equals));
    const std::string_view value = trimmed(line.substr(equals + 1));
    switch (section_) {
      case Section::Pgbouncer:
        return read_setting(key, value);
      case Section::Databases:
        return read_database(key, value);
      case Section::Users:
        return read_user(key, value);
      default:
        top_ += comment("not imported: " + std::string(key));
    }
  }

  void enter(std::string_view line) {
    const std::string_view name =
        line.substr(1, line.find(']') == std::string_view::npos ? 0 : line.find(']') - 1);
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

  void read_setting(std::string_view key, std::string_view value) {
    const std::string_view why_not = why_not_ours(key);
    const Setting<Config>* const setting = find_setting(general_settings(), key);
    if (setting == nullptr) {
      general_ += comment(std::string(key) +
                          (why_not.empty() ? " is not known to Sportello" : ": " + std::string(why_not)));
      return;
    }
    seen_.insert(std::string(key));
    if (key == "unix_socket_mode" || key == "server_check_query" || key == "auth_type" || !value.empty() ||
        std::holds_alternative<std::string*>(setting->ref(scratch_)))
      write_setting(*setting, value);
  }

  void write_setting(const Setting<Config>& setting, std::string_view value) {
    std::string written(value);
    if (setting.key == "auth_type" && (value == "pam" || value == "ldap" || value == "plain")) {
      general_ +=
          comment("auth_type = " + written + " is not offered; until you choose one, SCRAM is asked for");
      written = "scram-sha-256";
    }
    const bool names_versions =
        setting.key == "client_tls_protocols" || setting.key == "server_tls_protocols";
    if (names_versions) {
      const bool is_new_only = written == "tlsv1.3";
      if (!is_new_only && written != "secure" && written != "default")
        general_ += comment(std::string(setting.key) + " was " + written +
                            "; versions before TLS 1.2 are not offered");
      written = is_new_only ? "TLSv1.3" : "TLSv1.2";
    }
    const bool is_default_list =
        setting.key.ends_with("_ciphers") &&
        (value == "default" || value == "secure" || value == "fast" || value == "normal" || value == "all");
    if (is_default_list) written.clear();
    if (setting.key == "server_check_query" && value == "<empty>") written.clear();
    general_ +=
        std::string(setting.key) + " = " + toml_value(setting.ref(scratch_), setting.form, written) + '\n';
  }

  // --- [databases] ---

  void read_database(std::string_view name, std::string_view value) {
    const std::string title = unquoted_name(name);
    const std::optional<std::vector<Pair>> pairs = cut_pairs(value);
    if (!pairs) {
      databases_ += '\n' + comment("[databases] " + title + ": not understood");
      return;
    }
    Database scratch;
    std::string settings;
    std::string conninfo;
    std::string comments;
    bool has_host = false;
    for (const Pair& pair : *pairs) {
      if (pair.value.empty() && pair.key != "password") continue;
      const bool is_conninfo =
          std::find(std::begin(kConninfoKeys), std::end(kConninfoKeys), pair.key) != std::end(kConninfoKeys);
      const std::string_view key =
          pair.key == "reserve_pool" ? "reserve_pool_size" : std::string_view(pair.key);
      const Setting<Database>* const setting = find_setting(database_settings(), key);
      if (pair.key == "host" && pair.value.find(',') != std::string::npos) {
        comments += comment("host was " + pair.value + ": if the others are replicas, list them in replicas");
        conninfo += " host=" + conninfo_value(pair.value.substr(0, pair.value.find(',')));
        has_host = true;
      } else if (is_conninfo) {
        conninfo += ' ' + pair.key + '=' + conninfo_value(pair.value);
        has_host |= pair.key == "host";
      } else if (setting != nullptr) {
        settings +=
            std::string(key) + " = " + toml_value(setting->ref(scratch), setting->form, pair.value) + '\n';
      } else {
        comments += comment(pair.key + " has no equivalent");
      }
    }
    // Without a host PgBouncer takes the Unix socket, in libpq's place for it.
    if (!has_host) conninfo = " host=/var/run/postgresql" + conninfo;
    databases_ += "\n[databases." + toml_key(title) + "]\n" + comments +
                  "primary = " + toml_string(conninfo.substr(1)) + '\n' + settings;
  }

  // --- [users] ---

  void read_user(std::string_view name, std::string_view value) {
    const std::string title = unquoted_name(name);
    const std::optional<std::vector<Pair>> pairs = cut_pairs(value);
    if (!pairs) {
      users_ += '\n' + comment("[users] " + title + ": not understood");
      return;
    }
    User scratch;
    users_ += "\n[users." + toml_key(title) + "]\n";
    for (const Pair& pair : *pairs) {
      const Setting<User>* const setting = find_setting(user_settings(), pair.key);
      users_ += setting == nullptr
                    ? comment(pair.key + " has no equivalent")
                    : pair.key + " = " + toml_value(setting->ref(scratch), setting->form, pair.value) + '\n';
    }
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
      defaults += std::string(key) + " = " + toml_value(setting->ref(scratch_), setting->form, value) + '\n';
    }
    std::string result = top_ + (top_.empty() ? "" : "\n") + "[sportello]\n" + general_;
    if (!defaults.empty()) result += "# PgBouncer's defaults, where ours differ:\n" + defaults;
    return result + databases_ + users_;
  }

  Section section_ = Section::None;
  Config scratch_;
  std::set<std::string> seen_;
  std::string top_, general_, databases_, users_;
};

}  // namespace

std::string import_pgbouncer(std::string_view ini) { return Importer().run(ini); }

}  // namespace sportello::conf
