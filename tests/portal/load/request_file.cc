#include "tests/portal/load/request_file.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "protocol/sqlstate.h"
#include "tests/portal/load/parameter_source.h"

namespace sportello::portal {
namespace {

constexpr std::string_view kParameters = "-- parameters:";
constexpr std::string_view kUnlessRows = "-- unless rows";

Error syntax_error(const std::string& name, int line, const std::string& what) {
  return {sqlstate::kSyntaxError, name + ".sql:" + std::to_string(line) + ": " + what};
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::vector<std::string> split_at_commas(std::string_view list) {
  std::vector<std::string> words;
  while (!list.empty()) {
    const auto comma = std::min(list.find(','), list.size());
    words.emplace_back(trimmed(list.substr(0, comma)));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return words;
}

// The largest n of the $n in a text.
size_t placeholder_count(std::string_view text) {
  size_t largest = 0;
  for (auto at = text.find('$'); at != std::string_view::npos; at = text.find('$', at + 1)) {
    size_t number = 0;
    for (auto digit = at + 1; digit < text.size() && text[digit] >= '0' && text[digit] <= '9'; ++digit) {
      number = number * 10 + static_cast<size_t>(text[digit] - '0');
    }
    largest = std::max(largest, number);
  }
  return largest;
}

// What is wrong with a statement that has been read to its end; empty: nothing.
std::string problem_of(const Statement& statement, bool has_parent) {
  if (placeholder_count(statement.text) != statement.parameters.size()) {
    return "the statement has " + std::to_string(placeholder_count(statement.text)) +
           " parameters, the comment above it names " + std::to_string(statement.parameters.size());
  }
  for (const auto& parameter : statement.parameters) {
    if (!is_row_parameter(parameter) && !ParameterSource::knows(parameter)) {
      return "no parameter is called \"" + parameter + "\"";
    }
  }
  if (statement.for_each_row && !has_parent) return "no statement above this one has rows";
  return {};
}

void read_directive(std::string_view line, Statement& statement) {
  if (line.starts_with(kParameters)) {
    statement.parameters = split_at_commas(line.substr(kParameters.size()));
    statement.for_each_row =
        std::any_of(statement.parameters.begin(), statement.parameters.end(), is_row_parameter);
  }
  if (line.starts_with(kUnlessRows)) statement.unless_rows = true;
}

}  // namespace

Result<Request> parse_request(std::string name, std::string_view text) {
  Request request{std::move(name), {}};
  Statement statement;
  int number = 0;
  while (!text.empty()) {
    ++number;
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty()) continue;
    if (line.starts_with("--")) {
      read_directive(line, statement);
      continue;
    }
    if (!statement.text.empty()) statement.text += '\n';
    statement.text += line;
    if (line.back() != ';') continue;
    statement.text.pop_back();
    if (auto problem = problem_of(statement, !request.statements.empty()); !problem.empty()) {
      return syntax_error(request.name, number, problem);
    }
    request.statements.push_back(std::exchange(statement, {}));
  }
  if (!statement.text.empty())
    return syntax_error(request.name, number, "the last statement has no semicolon");
  if (request.statements.empty()) return syntax_error(request.name, number, "there is no statement");
  return request;
}

Result<std::vector<Request>> load_requests(const std::string& folder) {
  std::error_code failure;
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder, failure)) {
    if (entry.path().extension() == ".sql") paths.push_back(entry.path());
  }
  if (failure) return Error{sqlstate::kInvalidParameterValue, folder + ": " + failure.message()};
  std::sort(paths.begin(), paths.end());
  std::vector<Request> requests;
  for (const auto& path : paths) {
    std::ifstream file(path);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    auto request = parse_request(path.stem().string(), text);
    if (!request) return std::move(request).error();
    requests.push_back(std::move(request).value());
  }
  return requests;
}

}  // namespace sportello::portal
