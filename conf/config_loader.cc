#include "conf/config_loader.h"

#include <toml++/toml.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "conf/config_checks.h"
#include "conf/config_places.h"
#include "conf/conninfo.h"
#include "conf/not_ours.h"
#include "conf/setting_table.h"
#include "conf/toml_value.h"

namespace sportello::conf {

namespace {

std::string title_of(const std::string& section, const std::string& name) {
  return "[" + section + "." + name + "]";
}

constexpr size_t kMaxIncludeDepth = 16;
constexpr size_t kMaxFiles = 1000;

Position position_of(const toml::source_region& region) { return {region.begin.line, region.begin.column}; }

std::string absolute_path(const std::string& path) {
  std::error_code failed;
  const std::filesystem::path absolute = std::filesystem::absolute(path, failed);
  return failed ? path : absolute.lexically_normal().string();
}

// What a section may hold beside the rows of its table.
struct Section {
  std::string title;  // "[sportello]"
  std::string path;   // "", "databases.x.", …: before the key
  std::vector<std::string_view> others;
};

class Loader {
 public:
  explicit Loader(const ConfigSource& source) : source_(source) {}

  ConfigLoad run(const std::string& path) {
    load_file(path, {});
    const bool was_read = !files_.empty() && files_.front()->ok();
    if (was_read && !is_broken_) check(config_, places_);
    std::vector<const TextFile*> order;
    for (const auto& file : files_) order.push_back(file.get());
    ConfigLoad load{.diagnostics = places_.take_diagnostics(order)};
    if (!has_errors(load.diagnostics)) load.config = std::move(config_);
    return load;
  }

 private:
  // --- files ---

  void load_file(const std::string& path, Place named_at) {
    if (std::find(open_.begin(), open_.end(), path) != open_.end())
      return places_.error(named_at, "this file includes itself: " + chain_to(path));
    if (open_.size() >= kMaxIncludeDepth || files_.size() >= kMaxFiles)
      return places_.error(named_at, "too many files include each other");
    files_.push_back(std::make_unique<TextFile>(source_.read_file(path)));
    const TextFile& file = *files_.back();
    if (files_.size() == 1) places_.set_main_file(file);
    if (!file.ok()) {
      is_broken_ = true;
      return places_.error(named_at, "cannot read " + in_quotes(path) + ": " + file.problem);
    }
    open_.push_back(path);
    parse(file);
    open_.pop_back();
  }

  std::string chain_to(const std::string& path) const {
    std::string chain;
    for (const std::string& file : open_) chain += file + " -> ";
    return chain + path;
  }

  void parse(const TextFile& file) {
    try {
      const toml::table document = toml::parse(file.text, file.path);
      read_document(file, document);
    } catch (const toml::parse_error& error) {
      is_broken_ = true;
      places_.error({&file, position_of(error.source())}, std::string(error.description()));
    }
  }

  // --- sections ---

  void read_document(const TextFile& file, const toml::table& document) {
    if (const toml::node* include = document.get("include")) read_includes(file, *include);
    for (const auto& [key, node] : document) {
      const Place place = place_of(file, key);
      if (key == "include") continue;
      if (key == "sportello") {
        read_general(file, place, node);
      } else if (key == "databases") {
        read_named(file, place, node, "databases", &Loader::read_database);
      } else if (key == "users") {
        read_named(file, place, node, "users", &Loader::read_user);
      } else if (key == "cache") {
        read_cache(file, place, node);
      } else {
        refuse_section(place, key.str());
      }
    }
  }

  void read_includes(const TextFile& file, const toml::node& node) {
    std::vector<std::string> names;
    const Assigned assigned = assign(node, &names, Form::Plain, {}, source_.environment);
    const Place place{&file, position_of(node.source())};
    if (!assigned.problem.empty()) return places_.error(place, "include: " + assigned.problem);
    for (const std::string& name : names) load_file(path_beside(file.path, name), place);
  }

  void read_general(const TextFile& file, Place place, const toml::node& node) {
    if (const toml::table* table = table_at(place, node, "[sportello]"))
      read_settings(file, *table, general_settings(), config_, {"[sportello]", "", {}});
  }

  void read_named(const TextFile& file, Place place, const toml::node& node, const std::string& section,
                  void (Loader::*read)(const TextFile&, const std::string&, const toml::table&)) {
    places_.note(section, place);
    const toml::table* const table = table_at(place, node, "[" + section + ".NAME]");
    if (table == nullptr) return;
    for (const auto& [key, entry] : *table) {
      const std::string name(key.str());
      const Place at = place_of(file, key);
      places_.note(entry_path(section, name), at);
      if (const toml::table* inner = table_at(at, entry, title_of(section, name)))
        (this->*read)(file, name, *inner);
    }
  }

  void read_database(const TextFile& file, const std::string& name, const toml::table& table) {
    const Section section{"[databases." + name + "]",
                          entry_path("databases", name) + ".",
                          {"primary", "replicas", "password_file"}};
    Database& database = config_.databases[name];
    read_settings(file, table, database_settings(), database, section);
    if (const toml::node* primary = table.get("primary"))
      read_server(file, *primary, database.primary, database.candidates);
    if (const toml::node* replicas = table.get("replicas")) read_replicas(file, *replicas, database);
    if (const toml::node* password = table.get("password_file")) read_password(file, *password, database);
  }

  void read_user(const TextFile& file, const std::string& name, const toml::table& table) {
    read_settings(file, table, user_settings(), config_.users[name],
                  {"[users." + name + "]", entry_path("users", name) + ".", {}});
  }

  void read_cache(const TextFile& file, Place place, const toml::node& node) {
    const toml::table* const table = table_at(place, node, "[cache]");
    if (table == nullptr) return;
    read_settings(file, *table, cache_settings(), config_.cache, {"[cache]", "cache.", {"rules"}});
    const toml::node* const rules = table->get("rules");
    if (rules == nullptr) return;
    const toml::array* const list = rules->as_array();
    const Place rules_at{&file, position_of(rules->source())};
    if (list == nullptr) return places_.error(rules_at, "rules are written as [[cache.rules]] each");
    for (const toml::node& rule : *list) read_rule(file, rule);
  }

  void read_rule(const TextFile& file, const toml::node& node) {
    const std::string path = "cache.rules." + std::to_string(config_.cache.rules.size());
    const Place place{&file, position_of(node.source())};
    places_.note(path, place);
    const toml::table* const table = table_at(place, node, "[[cache.rules]]");
    if (table == nullptr) return;
    CacheRule rule;
    read_settings(file, *table, rule_settings(), rule, {"[[cache.rules]]", path + ".", {}});
    config_.cache.rules.push_back(std::move(rule));
  }

  // --- settings ---

  template <typename Owner>
  void read_settings(const TextFile& file, const toml::table& table, std::span<const Setting<Owner>> settings,
                     Owner& owner, const Section& section) {
    for (const auto& [key, node] : table) {
      const Setting<Owner>* const setting = find_setting(settings, key.str());
      const bool is_other =
          std::find(section.others.begin(), section.others.end(), key.str()) != section.others.end();
      if (setting == nullptr && !is_other) {
        std::vector<std::string_view> known = section.others;
        for (const Setting<Owner>& row : settings) known.push_back(row.key);
        refuse_key(place_of(file, key), key.str(), known, section.title);
        continue;
      }
      places_.note(section.path + std::string(key.str()), {&file, position_of(node.source())});
      if (setting != nullptr) read_setting(file, node, *setting, owner);
    }
  }

  template <typename Owner>
  void read_setting(const TextFile& file, const toml::node& node, const Setting<Owner>& setting,
                    Owner& owner) {
    const Place place{&file, position_of(node.source())};
    const ValueRef member = setting.ref(owner);
    const Assigned assigned = assign(node, member, setting.form, setting.range, source_.environment);
    if (!assigned.problem.empty())
      places_.error(place, std::string(setting.key) + ": " + assigned.problem);
    else if (is_file(setting.form))
      settle_file(file, place, setting.form, std::string(setting.key), *std::get<std::string*>(member));
  }

  static bool is_file(Form form) {
    return form == Form::InputFile || form == Form::SecretFile || form == Form::TrustedFile ||
           form == Form::Path;
  }

  void settle_file(const TextFile& named_in, Place place, Form form, const std::string& key,
                   std::string& path) {
    const bool is_abstract_socket = form == Form::Path && path.starts_with('@');
    if (path.empty() || is_abstract_socket || (form == Form::TrustedFile && path == "system")) return;
    path = absolute_path(path_beside(named_in.path, path));
    if (form != Form::Path) read_named_file(place, form, key, path);
  }

  TextFile read_named_file(Place place, Form form, const std::string& key, const std::string& path) {
    TextFile file = source_.read_file(path);
    if (!file.ok()) {
      places_.error(place, key + ": cannot read " + in_quotes(path) + ": " + file.problem);
    } else if (form == Form::SecretFile && file.is_open_to_others) {
      file.problem = "it holds secrets, and everybody on this machine may read it (chmod o-r)";
      places_.error(place, key + ": " + in_quotes(path) + ": " + file.problem);
    }
    return file;
  }

  // --- servers ---

  // `others`: what a list of hosts names besides the first.
  void read_server(const TextFile& file, const toml::node& node, ServerAddress& address,
                   std::vector<ServerAddress>& others) {
    const Place place{&file, position_of(node.source())};
    const auto* const text = node.as_string();
    if (text == nullptr)
      return places_.error(place,
                           "a string is expected, such as \"host=127.0.0.1 port=5432 dbname=portal\", not " +
                               std::string(toml_type_name(node)));
    Conninfo conninfo = parse_conninfo(text->get(), source_.environment);
    for (const ConninfoProblem& problem : conninfo.problems)
      places_.error(place_inside(place, text->get(), problem.offset), problem.message);
    if (conninfo.has_literal_password && file.is_open_to_others)
      places_.warning(place, "a password is written here, and everybody on this machine may read this file");
    address = std::move(conninfo.address);
    others = std::move(conninfo.others);
  }

  void read_replicas(const TextFile& file, const toml::node& node, Database& database) {
    const toml::array* const list = node.as_array();
    if (list == nullptr)
      return places_.error(
          {&file, position_of(node.source())},
          "replicas is a list: [\"host=… port=…\", …], not " + std::string(toml_type_name(node)));
    database.replicas.clear();
    for (const toml::node& replica : *list) {
      ServerAddress first;
      std::vector<ServerAddress> others;
      read_server(file, replica, first, others);
      database.replicas.push_back(std::move(first));
      for (ServerAddress& other : others) database.replicas.push_back(std::move(other));
    }
  }

  void read_password(const TextFile& named_in, const toml::node& node, Database& database) {
    const Place place{&named_in, position_of(node.source())};
    std::string path;
    const Assigned assigned = assign(node, &path, Form::SecretFile, {}, source_.environment);
    if (!assigned.problem.empty()) return places_.error(place, "password_file: " + assigned.problem);
    const std::string absolute = absolute_path(path_beside(named_in.path, path));
    const TextFile file = read_named_file(place, Form::SecretFile, "password_file", absolute);
    if (!file.ok()) return;
    const std::string password(line_of(file.text, 1));
    if (password.empty() || password.find('\0') != std::string::npos)
      return places_.error(place,
                           "password_file: the first line of " + in_quotes(absolute) + " is no password");
    if (database.primary.password.empty()) database.primary.password = password;
    for (std::vector<ServerAddress>* const servers : {&database.candidates, &database.replicas})
      for (ServerAddress& server : *servers)
        if (server.password.empty()) server.password = password;
  }

  // --- places and complaints ---

  static Place place_of(const TextFile& file, const toml::key& key) {
    return {&file, position_of(key.source())};
  }

  // The character at `offset` of a string, where the file spells the string as it is.
  static Place place_inside(Place place, std::string_view value, size_t offset) {
    const std::string_view line = line_of(place.file->text, place.at.line);
    size_t begin = 0;
    for (uint32_t column = 1; begin < line.size() && column < place.at.column; ++column) {
      do ++begin;
      while (begin < line.size() && (static_cast<unsigned char>(line[begin]) & 0xc0) == 0x80);
    }
    if (begin + 1 > line.size() || !line.substr(begin + 1).starts_with(value) || offset > value.size())
      return place;
    const std::string_view before = value.substr(0, offset);
    const auto characters = std::count_if(
        before.begin(), before.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
    place.at.column += 1 + static_cast<uint32_t>(characters);
    return place;
  }

  const toml::table* table_at(Place place, const toml::node& node, const std::string& title) {
    const toml::table* const table = node.as_table();
    if (table == nullptr)
      places_.error(place,
                    "a section " + title + " is expected here, not " + std::string(toml_type_name(node)));
    return table;
  }

  void refuse_section(Place place, std::string_view name) {
    static const std::vector<std::string_view> sections = {"sportello", "databases", "users", "cache",
                                                           "include"};
    std::string message = "unknown section or key " + in_quotes(name);
    const std::string_view meant = name == "pgbouncer" ? "sportello" : nearest(name, sections);
    if (find_setting(general_settings(), name) != nullptr) {
      message += ": it belongs into [sportello]";
    } else if (!meant.empty()) {
      message += ": did you mean " + in_quotes(meant) + "?";
    } else {
      message += ": there are [sportello], [databases.NAME], [users.NAME], [cache] and include";
    }
    places_.error(place, std::move(message));
  }

  void refuse_key(Place place, std::string_view key, const std::vector<std::string_view>& known,
                  const std::string& title) {
    std::string message = "unknown key " + in_quotes(key) + " in " + title;
    const std::string_view meant = nearest(key, known);
    const std::string_view why_not = why_not_ours(key);
    if (find_setting(general_settings(), key) != nullptr) {
      message += ": it belongs into [sportello]";
    } else if (!why_not.empty()) {
      message += ": " + std::string(why_not);
    } else if (!meant.empty()) {
      message += ": did you mean " + in_quotes(meant) + "?";
    }
    places_.error(place, std::move(message));
  }

  const ConfigSource& source_;
  Config config_;
  ConfigPlaces places_;
  std::vector<std::unique_ptr<TextFile>> files_;  // in the order in which they were opened
  std::vector<std::string> open_;                 // the file being read, and those that include it
  bool is_broken_ = false;                        // not all was read: what is missing proves nothing
};

}  // namespace

ConfigLoad load_config(const std::string& path, const ConfigSource& source) {
  return Loader(source).run(path);
}

}  // namespace sportello::conf
