#include "tests/portal/load/request_file.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace sportello::portal {
namespace {

TEST(RequestFile, HasStatementsWithTheirParameters) {
  const auto request = parse_request("page", R"(-- page: what a person reads

BEGIN;
-- parameters: notary_id, city
SELECT 1
  WHERE $1 = $2;
-- unless rows: taken
-- parameters: row.id
UPDATE t SET x = $1;
COMMIT;)");
  ASSERT_TRUE(request) << request.error().message;
  ASSERT_EQ(request->statements.size(), 4u);
  EXPECT_EQ(request->statements[1].text, "SELECT 1\nWHERE $1 = $2");
  EXPECT_EQ(request->statements[1].parameters, (std::vector<std::string>{"notary_id", "city"}));
  EXPECT_FALSE(request->statements[1].unless_rows);
  EXPECT_TRUE(request->statements[2].unless_rows);
  EXPECT_TRUE(request->statements[2].for_each_row);
  EXPECT_TRUE(request->statements[3].parameters.empty());
}

TEST(RequestFile, SaysWhatIsWrongAndWhere) {
  const auto message_of = [](const char* text) {
    const auto request = parse_request("page", text);
    return request ? "" : request.error().message;
  };
  EXPECT_EQ(message_of("SELECT 1\n"), "page.sql:1: the last statement has no semicolon");
  EXPECT_EQ(message_of("-- nothing\n"), "page.sql:1: there is no statement");
  EXPECT_EQ(message_of("-- parameters: city\n\nSELECT $1, $2;\n"),
            "page.sql:3: the statement has 2 parameters, the comment above it names 1");
  EXPECT_EQ(message_of("-- parameters: town\nSELECT $1;"), "page.sql:2: no parameter is called \"town\"");
  EXPECT_EQ(message_of("-- parameters: row.id\nSELECT $1;"),
            "page.sql:2: no statement above this one has rows");
}

TEST(RequestFile, EveryFileOfThePortalCanBeReadAndSaysWhoSendsIt) {
  const auto requests = load_requests(PORTAL_QUERIES);
  ASSERT_TRUE(requests) << requests.error().message;
  for (const char* name : {"notary_list", "notaries_by_city", "notaries_nearest", "act_list", "active_acts",
                           "act_detail", "documents_of_act", "login", "appointment_create", "review_approve",
                           "n_plus_one_act_list", "n_plus_one_notary_list"}) {
    EXPECT_TRUE(std::any_of(requests->begin(), requests->end(), [&](const Request& r) {
      return r.name == name;
    })) << name;
  }
}

TEST(RequestFile, AMissingFolderIsAnError) { EXPECT_FALSE(load_requests("/nonexistent/queries")); }

}  // namespace
}  // namespace sportello::portal
