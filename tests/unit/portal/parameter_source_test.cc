#include "tests/portal/load/parameter_source.h"

#include <gtest/gtest.h>

#include <set>

namespace sportello::portal {
namespace {

const PortalFacts kFacts{10, 500, 1000, 200, {{"Bari", 16.8719, 41.1171}, {"L'Aquila", 13.3995, 42.3498}}};

TEST(ParameterSource, KeepsAValueForARequest) {
  ParameterSource source(kFacts, 1);
  std::set<std::string> clients;
  for (int request = 0; request < 50; ++request) {
    source.begin_request();
    const auto first = source.value("client_id").text;
    EXPECT_EQ(source.value("client_id").text, first);
    clients.insert(first);
  }
  EXPECT_GT(clients.size(), 30u);
}

TEST(ParameterSource, RepeatsItselfWithTheSameSeedOnly) {
  ParameterSource one(kFacts, 1), same(kFacts, 1), other(kFacts, 2);
  EXPECT_EQ(one.value("act_id").text, same.value("act_id").text);
  EXPECT_EQ(one.value("slot_start").text, same.value("slot_start").text);
  EXPECT_NE(one.value("slot_start").text, other.value("slot_start").text);
}

TEST(ParameterSource, AsksOnlyForRowsThatExist) {
  ParameterSource source(kFacts, 3);
  for (int request = 0; request < 2000; ++request) {
    source.begin_request();
    const auto notary = std::stoi(source.value("notary_id").text);
    EXPECT_TRUE(notary >= 1 && notary <= 10) << notary;
    EXPECT_LE(std::stoi(source.value("review_id").text), 200);
    EXPECT_EQ(source.value("notary_page_offset").text, "0");
  }
}

TEST(ParameterSource, BooksHalfHoursOfWorkingDays) {
  ParameterSource source(kFacts, 4);
  std::set<std::string> starts;
  for (int request = 0; request < 20'000; ++request) {
    source.begin_request();
    const auto start = source.value("slot_start").text;
    const auto end = source.value("slot_end").text;
    EXPECT_LT(start, end);
    EXPECT_GE(start, "2026-04-06 08:00:00+00");
    EXPECT_LE(end, "2027-04-02 17:00:00+00");
    starts.insert(start);
  }
  EXPECT_EQ(*starts.begin(), "2026-04-06 08:00:00+00");
  EXPECT_EQ(starts.count("2026-04-11 08:00:00+00"), 0u) << "a Saturday";
  EXPECT_GT(starts.size(), 4500u) << "of 52 weeks, 5 days, 18 half hours";
}

TEST(ParameterSource, WritesPointsAsGeoDjangoDoes) {
  ParameterSource source(kFacts, 5);
  const auto point = source.value("place").text;
  EXPECT_EQ(point.substr(0, 20), "\\x0101000020e6100000");
  EXPECT_EQ(point.size(), 2u + 2 * 25);
}

TEST(ParameterSource, KnowsItsNames) {
  EXPECT_TRUE(ParameterSource::knows("city"));
  EXPECT_FALSE(ParameterSource::knows("row.id"));
  EXPECT_FALSE(ParameterSource::knows(""));
  EXPECT_TRUE(is_row_parameter("row.id"));
}

}  // namespace
}  // namespace sportello::portal
