#include "cache/rule_tree.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace sportello::cache {
namespace {

constexpr bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

// Takes the words off the front of a tree; a backslash makes the next character an ordinary one.
class Words {
 public:
  explicit Words(std::string_view text) : text_(text) {}

  // Empty at the end.
  std::string_view next() {
    while (at_ < text_.size() && is_space(text_[at_])) {
      ++at_;
    }
    const size_t begin = at_;
    while (at_ < text_.size() && !is_space(text_[at_])) {
      at_ += text_[at_] == '\\' ? 2 : 1;
    }
    at_ = std::min(at_, text_.size());
    return text_.substr(begin, at_ - begin);
  }

 private:
  std::string_view text_;
  size_t at_ = 0;
};

// Of a value, which may be the last of its node: "16385)}".
std::optional<int64_t> number(std::string_view word) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  return error == std::errc() ? std::optional(value) : std::nullopt;
}

// Types whose reading hangs on the clock or on names: date, time, timestamp and those with a zone; the reg….
bool reads_time_or_names(int64_t type) {
  constexpr int64_t kTypes[] = {1082, 1083, 1114, 1184, 1266,                    // 'now', 'today'
                                24,   2202, 2203, 2204, 2205, 2206, 3734, 3769,  // regproc … regdictionary
                                4089, 4096, 4191};  // regnamespace … regcollation
  return std::find(std::begin(kTypes), std::end(kTypes), type) != std::end(kTypes);
}

// Which of SQLValueFunctionOp are about the user and the schema: from CURRENT_ROLE on.
constexpr int64_t kFirstAboutUser = 9;

void make_set(std::vector<Oid>& list) {
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
}

void add(std::vector<Oid>& list, int64_t oid) {
  if (oid > 0) {
    list.push_back(static_cast<Oid>(oid));
  }
}

class Reader {
 public:
  RuleTree read(std::string_view text) {
    Words words(text);
    for (std::string_view word = words.next(); !word.empty(); word = words.next()) {
      take(word);
    }
    make_set(tree_.relations);
    make_set(tree_.functions);
    return std::move(tree_);
  }

 private:
  void take(std::string_view word) {
    take_front(word);
    for (size_t at = 0; at < word.size(); ++at) {
      if (word[at] == '\\') {
        ++at;
      } else if (word[at] == '}' && !nodes_.empty()) {
        nodes_.pop_back();
      }
    }
  }

  void take_front(std::string_view word) {
    if (const auto value = number(word); value && !member_.empty()) {
      take_value(*value);
    }
    member_ = {};
    if (word.starts_with(':')) {
      member_ = word.substr(1);
      return;
    }
    while (word.starts_with('(')) {
      word.remove_prefix(1);
    }
    if (word.starts_with('{')) {
      nodes_.push_back(word.substr(1));
      tree_.samples |= is_in("TABLESAMPLECLAUSE");
      tree_.locks_rows |= is_in("ROWMARKCLAUSE");
    }
  }

  bool is_in(std::string_view node) const { return !nodes_.empty() && nodes_.back() == node; }

  void take_value(int64_t value) {
    if (member_ == "relid") {
      add(tree_.relations, value);
    } else if (member_ == "funcid" || member_ == "opfuncid" || member_ == "aggfnoid" ||
               member_ == "winfnoid") {
      add(tree_.functions, value);
    } else if (member_ == "varattno") {
      tree_.has_system_columns |= value < 0;
    } else if (member_ == "resulttype" && is_in("COERCEVIAIO")) {
      tree_.depends_on_time |= reads_time_or_names(value);
    } else if (member_ == "op" && is_in("SQLVALUEFUNCTION")) {
      (value >= kFirstAboutUser ? tree_.depends_on_user : tree_.depends_on_time) = true;
    }
  }

  RuleTree tree_;
  std::vector<std::string_view> nodes_;  // that began and have not ended, the innermost last
  std::string_view member_;              // whose value comes next
};

}  // namespace

RuleTree read_rule_tree(std::string_view text) { return Reader().read(text); }

}  // namespace sportello::cache
