// A request of the portal as queries/NAME.sql has it: the statements that one page of the portal sends, in
// order.
//
// The file is SQL that a person can run, with two kinds of comment that say more of the statement below them:
//   -- parameters: city, row.id     what $1, $2, … are: names that ParameterSource knows, or row.COLUMN
//   -- unless rows                  left out if the statement before it returned a row
// A statement ends with the line that ends in a semicolon. Statements with a row.COLUMN parameter are run
// once for each row of the last statement without: neighbours among them together, as a template that walks
// the rows does.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "protocol/result.h"

namespace sportello::portal {

struct Statement {
  std::string text;                     // without comments and the last semicolon
  std::vector<std::string> parameters;  // the name of $1 first
  bool for_each_row = false;
  bool unless_rows = false;
};

struct Request {
  std::string name;
  std::vector<Statement> statements;
};

Result<Request> parse_request(std::string name, std::string_view text);

// All *.sql files of a folder, by name.
Result<std::vector<Request>> load_requests(const std::string& folder);

}  // namespace sportello::portal
