#include "tests/portal/load/mix.h"

#include <gtest/gtest.h>

#include <map>

namespace sportello::portal {
namespace {

const std::vector<Request> kRequests = {{"list", {}}, {"detail", {}}, {"create", {}}};

TEST(Mix, ChoosesByWeight) {
  auto mix = Mix::parse("create:1,list:3", kRequests);
  ASSERT_TRUE(mix);
  std::map<size_t, int> chosen;
  for (uint64_t draw = 0; draw < 400; ++draw) ++chosen[mix->next(draw)];
  EXPECT_EQ(chosen, (std::map<size_t, int>{{0, 300}, {2, 100}}));
}

TEST(Mix, TakesEachInTurn) {
  auto mix = Mix::each_in_turn(2);
  EXPECT_EQ(mix.next(77), 0u);
  EXPECT_EQ(mix.next(77), 1u);
  EXPECT_EQ(mix.next(77), 0u);
}

TEST(Mix, SaysWhichEntryIsWrong) {
  for (const char* text :
       {"", "list", "list:", "list:0", "list:-1", "list:1x", "list:1001", "nobody:1", ":1"}) {
    EXPECT_FALSE(Mix::parse(text, kRequests)) << text;
  }
  EXPECT_EQ(Mix::parse("list:1,nobody:2", kRequests).error().message,
            "mix: there is no query called \"nobody\"");
}

TEST(Mix, OfThePortalIsThreeListsToTwoActListsToOneAppointment) {
  const auto requests = load_requests(PORTAL_QUERIES);
  ASSERT_TRUE(requests) << requests.error().message;
  for (const auto text : {kPortalMix, kNPlusOneMix}) {
    auto mix = Mix::parse(text, *requests);
    ASSERT_TRUE(mix) << mix.error().message;
    std::map<std::string, int> chosen;
    for (uint64_t draw = 0; draw < 6; ++draw) {
      const auto& name = (*requests)[mix->next(draw)].name;
      ++chosen[name.find("notar") != std::string::npos ? "notaries"
               : name.find("act") != std::string::npos ? "acts"
                                                       : name];
    }
    EXPECT_EQ(chosen, (std::map<std::string, int>{{"notaries", 3}, {"acts", 2}, {"appointment_create", 1}}));
  }
}

}  // namespace
}  // namespace sportello::portal
