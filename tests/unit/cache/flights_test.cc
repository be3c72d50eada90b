#include "cache/flights.h"

#include <thread>

#include "tests/unit/cache/store_fixture.h"

namespace sportello::cache {
namespace {

struct FlightsTest : StoreFixture {
  Flights flights;
  std::vector<std::pair<Landing, CachedResultRef>> news;

  Flights::Joined join(std::string_view text, SessionFloor floor = {}, AnswerForm form = {}) {
    return flights.join(
        key(text), filling({&notaries}), floor, form,
        [this](Landing how, const CachedResultRef& result) { news.emplace_back(how, result); });
  }
};

TEST_F(FlightsTest, OneAsksAndTheOthersWait) {
  Flights::Joined first = join("q");
  ASSERT_TRUE(first.lead);
  EXPECT_FALSE(join("q").lead);
  EXPECT_FALSE(join("q").lead);
  EXPECT_TRUE(join("other").lead);
  const CachedResultRef result = result_of("v");
  first.lead->land(result);
  ASSERT_EQ(news.size(), 2U);
  EXPECT_EQ(news[0], std::pair(Landing::Result, result));
  EXPECT_EQ(news[1], std::pair(Landing::Result, result));
  EXPECT_EQ(flights.in_the_air(), 0U);
}

TEST_F(FlightsTest, AnotherKeyWithTheSameHashIsAnotherFlight) {
  const auto join_same_hash = [this](std::string_view bytes) {
    return flights.join(
        KeyView{bytes, 7}, filling({&notaries}), {}, {},
        [this](Landing how, const CachedResultRef& result) { news.emplace_back(how, result); });
  };
  Flights::Joined first = join_same_hash("a");
  Flights::Joined other = join_same_hash("b");
  ASSERT_TRUE(first.lead);
  ASSERT_TRUE(other.lead);
  EXPECT_FALSE(join_same_hash("a").lead);
  other.lead->land(result_of("of b"));
  EXPECT_TRUE(news.empty()) << "whoever waits for a is not given b's";
  const CachedResultRef result = result_of("of a");
  first.lead->land(result);
  ASSERT_EQ(news.size(), 1U);
  EXPECT_EQ(news[0], std::pair(Landing::Result, result));
  EXPECT_EQ(flights.in_the_air(), 0U);
}

TEST_F(FlightsTest, WhatIsNotForKeepingSendsTheWaitersOnTheirOwn) {
  Flights::Joined first = join("q");
  join("q");
  first.lead->land_unkept();
  ASSERT_EQ(news.size(), 1U);
  EXPECT_EQ(news[0].first, Landing::Alone);
}

TEST_F(FlightsTest, ALostLeaderLetsOneOfTheWaitersLead) {
  {
    const Flights::Joined first = join("q");
    join("q");
    join("q");
  }
  ASSERT_EQ(news.size(), 2U);
  EXPECT_EQ(news[0].first, Landing::Again);
  Flights::Joined next = join("q");
  EXPECT_TRUE(next.lead);
  EXPECT_FALSE(join("q").lead);
}

TEST_F(FlightsTest, NobodyJoinsWithAnOwnWriteThatTheQueryMayNotHaveSeen) {
  Flights::Joined early = join("q");
  const uint64_t own = write(acts);
  Flights::Joined late = join("q", {own, nullptr});
  EXPECT_TRUE(late.lead);
  EXPECT_FALSE(join("q", {own, nullptr}).lead) << "the later flight is good enough for the next";
  early.lead->land(result_of("old"));
  EXPECT_TRUE(news.empty());
  late.lead->land(result_of("new"));
  EXPECT_EQ(news.size(), 1U);
}

TEST_F(FlightsTest, NobodyJoinsAfterAWriteToATableOfIt) {
  Flights::Joined early = join("q");
  write(notaries);
  EXPECT_TRUE(join("q").lead);
}

TEST_F(FlightsTest, NobodyJoinsWhileAWriteIsBeingCommitted) {
  Flights::Joined early = join("q");
  const Fence fence(board, {&notaries});
  EXPECT_TRUE(join("q").lead);
}

TEST_F(FlightsTest, WhoWaitedSinceBeforeAWriteMayHaveTheResultThatTheStoreRefuses) {
  Flights::Joined first = join("q");
  join("q");
  write(notaries);
  const CachedResultRef result = result_of("v");
  EXPECT_FALSE(store.put(kept_as(first.lead->key(), first.lead->filling(), result)));
  first.lead->land(result);
  ASSERT_EQ(news.size(), 1U);
  EXPECT_EQ(news[0].second, result);
}

TEST_F(FlightsTest, NobodyJoinsWhoWantsADescriptionThatWillNotCome) {
  Flights::Joined first = join("q", {}, {.description = true});
  EXPECT_FALSE(join("q").lead);
  EXPECT_FALSE(join("q", {}, {.description = true}).lead);
  EXPECT_TRUE(join("q", {}, {.parameter_description = true}).lead);
}

TEST_F(FlightsTest, AClientThatGoesIsNotCalled) {
  Flights::Joined first = join("q");
  Flights::Joined gone = join("q");
  join("q");
  EXPECT_TRUE(gone.ticket.leave());
  EXPECT_FALSE(gone.ticket.leave());
  first.lead->land(result_of("v"));
  EXPECT_EQ(news.size(), 1U);
  EXPECT_FALSE(gone.ticket.leave());
}

TEST_F(FlightsTest, AWaiterMayJoinAgainFromWithinItsCall) {
  Flights::Joined first = join("q");
  bool leads = false;
  flights.join(key("q"), filling({&notaries}), {}, {},
               [&](Landing, const CachedResultRef&) { leads = join("q").lead.has_value(); });
  first.lead.reset();
  EXPECT_TRUE(leads);
}

TEST_F(FlightsTest, OfManyThreadsOneAsksAndAllAreToldOnce) {
  std::atomic<int> told{0}, led{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      KeyBuilder own;
      for (int i = 0; i < 3'000; ++i) {
        const KeyView k = *own.build({.text = std::to_string(i % 3)});
        const TableState* const table = &notaries;
        Flights::Joined joined =
            flights.join(k, {Snapshot::take(tables, {&table, 1}), board.sequence(), now, 1, 1}, {}, {},
                         [&](Landing, const CachedResultRef&) { ++told; });
        if (!joined.lead) continue;
        ++led;
        joined.lead->land(result_of("v"));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(told + led, 4 * 3'000);
  EXPECT_EQ(flights.in_the_air(), 0U);
}

}  // namespace
}  // namespace sportello::cache
