#include "tests/portal/load/request_run.h"

#include <gtest/gtest.h>

namespace sportello::portal {
namespace {

const PortalFacts kFacts{10, 500, 1000, 200, {{"Bari", 16.8719, 41.1171}}};
constexpr Oid kInt8 = 20;
constexpr Oid kText = 25;

// A result with the columns "id" (bigint) and "name", as a server would send it.
PqResult rows(const std::vector<std::pair<std::string, std::string>>& values) {
  PqResult result{PQmakeEmptyPGresult(nullptr, PGRES_TUPLES_OK)};
  std::string id = "id", name = "name";
  PGresAttDesc columns[] = {{id.data(), 0, 0, 0, kInt8, 8, -1}, {name.data(), 0, 0, 0, kText, -1, -1}};
  PQsetResultAttrs(result.get(), 2, columns);
  int row = 0;
  for (auto [first, second] : values) {
    PQsetvalue(result.get(), row, 0, first.data(), static_cast<int>(first.size()));
    PQsetvalue(result.get(), row, 1, second.data(), static_cast<int>(second.size()));
    ++row;
  }
  return result;
}

Request parsed(const char* text) { return parse_request("page", text).value(); }

// The texts that a request sends, each with its values; `first` answers the first statement, the rest have no
// rows.
std::vector<std::string> sent(const Request& request, PqResult first) {
  ParameterSource source(kFacts, 1);
  RequestRun run(request, source);
  std::vector<std::string> out;
  while (const auto* statement = run.next()) {
    std::string line = statement->text;
    for (const auto& value : run.values()) line += (value.is_number ? " " : " '") + value.text;
    out.push_back(line);
    run.answered(std::exchange(first, nullptr));
  }
  return out;
}

TEST(RequestRun, SendsItsStatementsInOrder) {
  EXPECT_EQ(sent(parsed("BEGIN;\nSELECT 1;\nCOMMIT;\n"), nullptr),
            (std::vector<std::string>{"BEGIN", "SELECT 1", "COMMIT"}));
}

TEST(RequestRun, RunsNeighboursForEachRowTogether) {
  const auto request =
      parsed("SELECT list;\n-- parameters: row.id\nA $1;\n-- parameters: row.name\nB $1;\nCOMMIT;\n");
  EXPECT_EQ(sent(request, rows({{"7", "x"}, {"8", "y"}})),
            (std::vector<std::string>{"SELECT list", "A $1 7", "B $1 'x", "A $1 8", "B $1 'y", "COMMIT"}));
}

TEST(RequestRun, LeavesOutWhatIsForRowsThatAreNot) {
  const auto request = parsed("SELECT list;\n-- parameters: row.id\nA $1;\nCOMMIT;\n");
  EXPECT_EQ(sent(request, rows({})), (std::vector<std::string>{"SELECT list", "COMMIT"}));
  EXPECT_EQ(sent(request, nullptr), (std::vector<std::string>{"SELECT list", "COMMIT"}));
}

TEST(RequestRun, LeavesOutWhatWantsNoRows) {
  const auto request = parsed("SELECT taken;\n-- unless rows\nINSERT;\nCOMMIT;\n");
  EXPECT_EQ(sent(request, rows({{"1", "a"}})), (std::vector<std::string>{"SELECT taken", "COMMIT"}));
  EXPECT_EQ(sent(request, rows({})), (std::vector<std::string>{"SELECT taken", "INSERT", "COMMIT"}));
}

}  // namespace
}  // namespace sportello::portal
