#include "tests/portal/load/statement_sender.h"

#include <gtest/gtest.h>

namespace sportello::portal {
namespace {

TEST(StatementSender, WritesLiteralsWhereParametersWere) {
  const std::vector<Value> values = {{"L'Aquila"}, {"20", true}};
  EXPECT_EQ(with_literals("WHERE city = $1 LIMIT $2 OFFSET $2", values),
            "WHERE city = 'L''Aquila' LIMIT 20 OFFSET 20");
  EXPECT_EQ(with_literals("SELECT 1", {}), "SELECT 1");
}

TEST(StatementSender, TellsTheTenthParameterFromTheFirst) {
  std::vector<Value> values;
  for (int at = 1; at <= 10; ++at) values.push_back({std::to_string(at), true});
  EXPECT_EQ(with_literals("$10,$1", values), "10,1");
}

}  // namespace
}  // namespace sportello::portal
