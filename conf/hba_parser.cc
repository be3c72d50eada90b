// Lines of fields -> rules: the other half of hba.h.
#include <arpa/inet.h>

#include <charconv>
#include <cstring>

#include "conf/hba.h"
#include "conf/hba_fields.h"

namespace sportello::conf {

namespace {

constexpr size_t kMaxNameFileDepth = 10;
// In all: within that depth, a file that names itself ten times would be read 10^10 times.
constexpr size_t kMaxNameFiles = 1000;

struct TypeName {
  std::string_view name;
  HbaRule::Type type;
};
constexpr TypeName kTypes[] = {{"local", HbaRule::Type::Local},
                               {"host", HbaRule::Type::Host},
                               {"hostnogssenc", HbaRule::Type::Host},
                               {"hostssl", HbaRule::Type::HostSsl},
                               {"hostnossl", HbaRule::Type::HostNoSsl}};

struct MethodName {
  std::string_view name;
  HbaMethod method;
};
constexpr MethodName kMethods[] = {{"trust", HbaMethod::Trust},
                                   {"reject", HbaMethod::Reject},
                                   {"password", HbaMethod::Password},
                                   {"md5", HbaMethod::Md5},
                                   {"scram-sha-256", HbaMethod::ScramSha256},
                                   {"cert", HbaMethod::Cert},
                                   {"peer", HbaMethod::Peer}};

enum class NameField { Database, User };

// Reads one line after the other; a line with a problem gives no rule.
class Parser {
 public:
  Parser(const TextFile& file, const FileReader& read_file) : file_(file), read_file_(read_file) {}

  HbaLoad run() {
    HbaLoad load;
    const std::vector<HbaLine> lines = cut_hba_lines(file_, diagnostics_);
    for (const HbaLine& line : lines) read(line);
    load.diagnostics = std::move(diagnostics_);
    if (!has_errors(load.diagnostics)) load.hba.emplace(std::move(rules_));
    return load;
  }

 private:
  void read(const HbaLine& line) {
    line_ = &line;
    at_ = 0;
    HbaRule rule{.line = line.at.line};
    const bool is_good = read_type(rule) && read_names(NameField::Database, rule.databases) &&
                         read_names(NameField::User, rule.users) && read_address(rule) && read_method(rule) &&
                         read_options(rule) && check(rule);
    if (is_good) rules_.push_back(std::move(rule));
  }

  // --- fields ---

  const HbaField* next(std::string_view what) {
    if (at_ == line_->fields.size()) {
      complain(line_->at, "the line ends before its " + std::string(what));
      return nullptr;
    }
    return &line_->fields[at_++];
  }
  const HbaItem* next_single(std::string_view what) {
    const HbaField* const field = next(what);
    if (field == nullptr || field->size() == 1) return field != nullptr ? &field->front() : nullptr;
    complain((*field)[1].at, "one " + std::string(what) + " is expected, not a list");
    return nullptr;
  }

  bool read_type(HbaRule& rule) {
    const HbaItem* const item = next_single("type");
    if (item == nullptr) return false;
    for (const TypeName& type : kTypes) {
      if (type.name != item->text) continue;
      rule.type = type.type;
      return true;
    }
    if (item->text == "hostgssenc")
      return complain(item->at, "GSS encryption is not offered: no client matches it");
    if (item->text.starts_with("include"))
      return complain(item->at, "other files of rules are not read from here");
    return complain(item->at, in_quotes(item->text) +
                                  " is no type of connection: it is local, host, hostssl or hostnossl");
  }

  bool read_names(NameField which, std::vector<HbaName>& names) {
    const HbaField* const field = next(which == NameField::Database ? "database" : "user");
    return field != nullptr && add_names(which, *field, file_, 0, names);
  }

  bool add_names(NameField which, const HbaField& field, const TextFile& named_in, size_t depth,
                 std::vector<HbaName>& names) {
    for (const HbaItem& item : field) {
      const bool is_file = !item.is_quoted && item.text.starts_with('@') && item.text.size() > 1;
      if (is_file ? !add_names_of_file(which, item, named_in, depth, names)
                  : !add_name(which, item, named_in, names))
        return false;
    }
    return true;
  }

  bool add_names_of_file(NameField which, const HbaItem& item, const TextFile& named_in, size_t depth,
                         std::vector<HbaName>& names) {
    if (depth == kMaxNameFileDepth)
      return complain_in(named_in, item.at, "files of names include each other too deeply");
    if (name_files_ == kMaxNameFiles)
      return complain_in(named_in, item.at,
                         "more than " + std::to_string(kMaxNameFiles) + " files of names are too many");
    ++name_files_;
    const TextFile file = read_file_(path_beside(named_in.path, item.text.substr(1)));
    if (!file.ok())
      return complain_in(named_in, item.at, "cannot read " + in_quotes(file.path) + ": " + file.problem);
    std::vector<Diagnostic> problems;
    const std::vector<HbaLine> lines = cut_hba_lines(file, problems);
    diagnostics_.insert(diagnostics_.end(), problems.begin(), problems.end());
    if (!problems.empty()) return false;
    for (const HbaLine& line : lines)
      for (const HbaField& field : line.fields)
        if (!add_names(which, field, file, depth + 1, names)) return false;
    return true;
  }

  bool add_name(NameField which, const HbaItem& item, const TextFile& named_in, std::vector<HbaName>& names) {
    const bool is_database = which == NameField::Database;
    HbaName name{HbaName::Kind::Exactly, item.text};
    if (!item.is_quoted) {
      if (item.text == "all") name.kind = HbaName::Kind::All;
      if (is_database && item.text == "sameuser") name.kind = HbaName::Kind::SameUser;
      if (is_database && item.text == "replication") name.kind = HbaName::Kind::Replication;
      const bool is_role =
          is_database ? item.text == "samerole" || item.text == "samegroup" : item.text.starts_with('+');
      if (is_role)
        return complain_in(
            named_in, item.at,
            "who is a member of a role is not known here: list the users (or put them in @file)");
      if (item.text.starts_with('/'))
        return complain_in(named_in, item.at, "regular expressions are not read here: list the names");
    }
    names.push_back(std::move(name));
    return true;
  }

  // --- addresses ---

  bool read_address(HbaRule& rule) {
    if (rule.type == HbaRule::Type::Local) return true;
    const HbaItem* const item = next_single("address");
    if (item == nullptr) return false;
    if (item->is_keyword("all")) return true;
    if (item->is_keyword("samehost") || item->is_keyword("samenet"))
      return complain(item->at,
                      "this machine's own addresses are not asked for: write the network, as 10.0.0.0/8");
    const size_t slash = item->text.find('/');
    const std::optional<HbaAddress> address = parse_address(item->text.substr(0, slash));
    if (!address)
      return complain(item->at, in_quotes(item->text) +
                                    " is no address: 10.0.0.0/8, fd00::/8 or all; names are not looked up");
    const bool is_v4 = item->text.substr(0, slash).find(':') == std::string::npos;
    const std::optional<int> prefix =
        slash == std::string::npos ? read_mask(is_v4) : read_prefix(item->text.substr(slash + 1), is_v4);
    if (!prefix) {
      if (slash != std::string::npos)
        complain(item->at, std::string("the number of bits after the / is 0 to ") + (is_v4 ? "32" : "128"));
      return false;
    }
    rule.network = HbaNetwork{*address, *prefix};
    return true;
  }

  static std::optional<int> read_prefix(std::string_view text, bool is_v4) {
    int bits = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bits);
    if (error != std::errc() || end != text.data() + text.size() || bits < 0 || bits > (is_v4 ? 32 : 128))
      return std::nullopt;
    return is_v4 ? bits + 96 : bits;
  }

  std::optional<int> read_mask(bool is_v4) {
    const HbaItem* const item = next_single("mask (or write the address as 10.0.0.0/8)");
    if (item == nullptr) return std::nullopt;
    const std::optional<HbaAddress> mask = parse_address(item->text);
    const bool is_same_family = (item->text.find(':') == std::string::npos) == is_v4;
    const std::optional<int> bits = mask && is_same_family ? ones_of(*mask, is_v4 ? 12 : 0) : std::nullopt;
    if (!bits) {
      complain(item->at, in_quotes(item->text) + " is no mask for this address, such as 255.255.255.0");
      return std::nullopt;
    }
    return is_v4 ? *bits + 96 : *bits;
  }

  // Ones followed by zeros only, from byte `begin` on.
  static std::optional<int> ones_of(const HbaAddress& mask, size_t begin) {
    int ones = 0;
    bool is_over = false;
    for (size_t bit = begin * 8; bit < 128; ++bit) {
      const bool is_one = (mask[bit / 8] >> (7 - bit % 8) & 1) != 0;
      if (is_one && is_over) return std::nullopt;
      is_over = !is_one;
      ones += is_one ? 1 : 0;
    }
    return ones;
  }

  // --- method and options ---

  bool read_method(HbaRule& rule) {
    const HbaItem* const item = next_single("method");
    if (item == nullptr) return false;
    for (const MethodName& method : kMethods) {
      if (method.name != item->text) continue;
      rule.method = method.method;
      return true;
    }
    return complain(item->at,
                    in_quotes(item->text) +
                        " is no method offered here: trust, reject, password, md5, scram-sha-256, cert "
                        "or peer");
  }

  bool read_options(HbaRule& rule) {
    while (at_ < line_->fields.size()) {
      const HbaItem* const item = next_single("option");
      if (item == nullptr || !read_option(*item, rule)) return false;
    }
    return true;
  }

  bool read_option(const HbaItem& item, HbaRule& rule) {
    const size_t equals = item.text.find('=');
    if (equals == std::string::npos) return complain(item.at, "an option is written name=value");
    const std::string name = item.text.substr(0, equals);
    const std::string value = item.text.substr(equals + 1);
    if (name == "map") {
      if (rule.method != HbaMethod::Cert && rule.method != HbaMethod::Peer)
        return complain(item.at, "map goes with cert and peer only");
      rule.map = value;
      return true;
    }
    if (name != "clientcert")
      return complain(item.at, "there is no option " + in_quotes(name) + " here: map or clientcert");
    if (rule.type != HbaRule::Type::HostSsl) return complain(item.at, "clientcert goes with hostssl only");
    if (value == "verify-ca")
      rule.client_certificate = ClientCertificate::VerifyCa;
    else if (value == "verify-full")
      rule.client_certificate = ClientCertificate::VerifyFull;
    else
      return complain(item.at, "clientcert is verify-ca or verify-full");
    return true;
  }

  bool check(const HbaRule& rule) {
    if (rule.method == HbaMethod::Peer && rule.type != HbaRule::Type::Local)
      return complain(line_->at, "peer is for local connections only");
    if (rule.method == HbaMethod::Cert && rule.type != HbaRule::Type::HostSsl)
      return complain(line_->at, "cert is for hostssl only");
    return true;
  }

  bool complain(Position at, std::string message) { return complain_in(file_, at, std::move(message)); }
  bool complain_in(const TextFile& file, Position at, std::string message) {
    diagnostics_.push_back({.file = file.path,
                            .at = at,
                            .message = std::move(message),
                            .source_line = std::string(line_of(file.text, at.line))});
    return false;
  }

  const TextFile& file_;
  const FileReader& read_file_;
  const HbaLine* line_ = nullptr;
  size_t at_ = 0;          // the next field of the line
  size_t name_files_ = 0;  // read so far
  std::vector<HbaRule> rules_;
  std::vector<Diagnostic> diagnostics_;
};

}  // namespace

std::optional<HbaAddress> parse_address(const std::string& text) {
  HbaAddress address{};
  if (text.find('\0') != std::string::npos) return std::nullopt;
  if (inet_pton(AF_INET6, text.c_str(), address.data()) == 1) return address;
  address.fill(0);
  address[10] = address[11] = 0xff;
  if (inet_pton(AF_INET, text.c_str(), address.data() + 12) == 1) return address;
  return std::nullopt;
}

HbaLoad parse_hba(const TextFile& file, const FileReader& read_file) { return Parser(file, read_file).run(); }

HbaLoad load_hba(const std::string& path, const FileReader& read_file) {
  const TextFile file = read_file(path);
  if (file.ok()) return parse_hba(file, read_file);
  return {.diagnostics = {{.file = path, .message = "cannot be read: " + file.problem}}};
}

}  // namespace sportello::conf
