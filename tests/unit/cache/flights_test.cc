#include "cache/flights.h"

#include <thread>

#include "tests/unit/cache/store_fixture.h"

namespace sportello::cache {
namespace {

struct FlightsTest : StoreFixture {
  Flights flights;
  std::vector<std::pair<Landing, CachedResultRef>> news;

  // One who misses a result: `ticket` is empty if it leads.
  struct Asker {
    std::unique_ptr<Flight> flight = std::make_unique<Flight>();
    std::optional<Flights::Ticket> ticket;
    bool leads() const { return !ticket; }
  };
  Asker join(const KeyView& of, SessionFloor floor = {}, AnswerForm form = {}) {
    Asker asker;
    asker.flight->begin(of, filling({&notaries}), form);
    asker.ticket = flights.join(*asker.flight, floor, [this](Landing how, const CachedResultRef& result) {
      news.emplace_back(how, result);
    });
    return asker;
  }
  Asker join(std::string_view text, SessionFloor floor = {}, AnswerForm form = {}) {
    return join(key(text), floor, form);
  }
};

TEST_F(FlightsTest, OneAsksAndTheOthersWait) {
  Asker first = join("q");
  ASSERT_TRUE(first.leads());
  EXPECT_FALSE(join("q").leads());
  EXPECT_FALSE(join("q").leads());
  EXPECT_TRUE(join("other").leads());
  const CachedResultRef result = result_of("v");
  first.flight->land(result);
  ASSERT_EQ(news.size(), 2U);
  EXPECT_EQ(news[0], std::pair(Landing::Result, result));
  EXPECT_EQ(news[1], std::pair(Landing::Result, result));
  EXPECT_EQ(flights.in_the_air(), 0U);
}

TEST_F(FlightsTest, AnotherKeyWithTheSameHashIsAnotherFlight) {
  const auto join_same_hash = [this](std::string_view bytes) { return join(KeyView{bytes, 7}); };
  Asker first = join_same_hash("a");
  Asker other = join_same_hash("b");
  ASSERT_TRUE(first.leads());
  ASSERT_TRUE(other.leads());
  EXPECT_FALSE(join_same_hash("a").leads());
  other.flight->land(result_of("of b"));
  EXPECT_TRUE(news.empty()) << "whoever waits for a is not given b's";
  const CachedResultRef result = result_of("of a");
  first.flight->land(result);
  ASSERT_EQ(news.size(), 1U);
  EXPECT_EQ(news[0], std::pair(Landing::Result, result));
  EXPECT_EQ(flights.in_the_air(), 0U);
}

TEST_F(FlightsTest, WhatIsNotForKeepingSendsTheWaitersOnTheirOwn) {
  Asker first = join("q");
  join("q");
  first.flight->land_unkept();
  ASSERT_EQ(news.size(), 1U);
  EXPECT_EQ(news[0].first, Landing::Alone);
}

TEST_F(FlightsTest, ALostLeaderLetsOneOfTheWaitersLead) {
  {
    const Asker first = join("q");
    join("q");
    join("q");
  }
  ASSERT_EQ(news.size(), 2U);
  EXPECT_EQ(news[0].first, Landing::Again);
  Asker next = join("q");
  EXPECT_TRUE(next.leads());
  EXPECT_FALSE(join("q").leads());
}

TEST_F(FlightsTest, NobodyJoinsWithAnOwnWriteThatTheQueryMayNotHaveSeen) {
  Asker early = join("q");
  const uint64_t own = write(acts);
  Asker late = join("q", {own, nullptr});
  EXPECT_TRUE(late.leads());
  EXPECT_FALSE(join("q", {own, nullptr}).leads()) << "the later flight is good enough for the next";
  early.flight->land(result_of("old"));
  EXPECT_TRUE(news.empty());
  late.flight->land(result_of("new"));
  EXPECT_EQ(news.size(), 1U);
}

TEST_F(FlightsTest, NobodyJoinsAfterAWriteToATableOfIt) {
  Asker early = join("q");
  write(notaries);
  EXPECT_TRUE(join("q").leads());
}

TEST_F(FlightsTest, NobodyJoinsWhileAWriteIsBeingCommitted) {
  Asker early = join("q");
  const Fence fence(board, {&notaries});
  EXPECT_TRUE(join("q").leads());
}

TEST_F(FlightsTest, WhoWaitedSinceBeforeAWriteMayHaveTheResultThatTheStoreRefuses) {
  Asker first = join("q");
  join("q");
  write(notaries);
  const CachedResultRef result = result_of("v");
  EXPECT_FALSE(store.put(kept_as(first.flight->key(), first.flight->filling(), result)));
  first.flight->land(result);
  ASSERT_EQ(news.size(), 1U);
  EXPECT_EQ(news[0].second, result);
}

TEST_F(FlightsTest, NobodyJoinsWhoWantsADescriptionThatWillNotCome) {
  Asker first = join("q", {}, {.description = true});
  EXPECT_FALSE(join("q").leads());
  EXPECT_FALSE(join("q", {}, {.description = true}).leads());
  EXPECT_TRUE(join("q", {}, {.parameter_description = true}).leads());
}

TEST_F(FlightsTest, AClientThatGoesIsNotCalled) {
  Asker first = join("q");
  Asker gone = join("q");
  join("q");
  EXPECT_TRUE(gone.ticket->leave());
  EXPECT_FALSE(gone.ticket->leave());
  first.flight->land(result_of("v"));
  EXPECT_EQ(news.size(), 1U);
  EXPECT_FALSE(gone.ticket->leave());
}

TEST_F(FlightsTest, AWaiterMayJoinAgainFromWithinItsCall) {
  Asker first = join("q");
  bool leads = false;
  Flight second;
  second.begin(key("q"), filling({&notaries}), {});
  flights.join(second, {}, [&](Landing, const CachedResultRef&) { leads = join("q").leads(); });
  first.flight->drop();
  EXPECT_TRUE(leads);
}

TEST_F(FlightsTest, WhoWaitsForAFlightThatANewerOneFollowedCanStillLeave) {
  Asker early = join("q");
  Asker gone = join("q");
  write(notaries);
  Asker late = join("q");
  ASSERT_TRUE(late.leads());
  EXPECT_TRUE(gone.ticket->leave());
  late.flight->land(result_of("new"));
  early.flight->land(result_of("old"));
  EXPECT_TRUE(news.empty());
  EXPECT_EQ(flights.in_the_air(), 0U);
}

TEST_F(FlightsTest, OfManyThreadsOneAsksAndAllAreToldOnce) {
  std::atomic<int> told{0}, led{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      KeyBuilder own;
      Flight flight;
      for (int i = 0; i < 3'000; ++i) {
        const KeyView k = *own.build({.text = std::to_string(i % 3)});
        const TableState* const table = &notaries;
        flight.begin(k, {Snapshot::take(tables, {&table, 1}), board.sequence(), now, 1, 1}, {});
        if (flights.join(flight, {}, [&](Landing, const CachedResultRef&) { ++told; })) continue;
        ++led;
        flight.land(result_of("v"));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(told + led, 4 * 3'000);
  EXPECT_EQ(flights.in_the_air(), 0U);
}

}  // namespace
}  // namespace sportello::cache
