// Store, flights, fences and board in front of a model database: a primary that shows its commits late,
// replicas that replay them later or earlier than that, writers past us, a follower of the log, writes that
// touch more than anybody knows. One seeded thread, every step a random one. Each rule of cache/README.md is
// left out once, to see that the checks notice.
//
//   tables 0, 1   written through us, known:  strictly serializable
//   table 2       written past us:            what the follower has applied, no later read misses
//   table 3       written by a hidden trigger: who wrote it sees it
#include <gtest/gtest.h>

#include <array>
#include <charconv>
#include <deque>
#include <random>

#include "cache/fence.h"
#include "cache/flights.h"
#include "cache/result_store.h"
#include "tests/unit/cache/history.h"
#include "tests/unit/cache/left_out_rule.h"
#include "tests/unit/cache/messages.h"

namespace sportello::cache {
namespace {

struct Rules {
  bool fences = true;            // F1
  bool epochs = true;            // F2: settling moves them on
  bool early_snapshots = true;   // C1: epochs are noted before the query is sent
  bool own_writes = true;        // C3: a hit has seen the session's own write
  bool replicas_as_of = true;    // C3: a replica's result has seen what the replica had reached
  bool joins_of_valid = true;    // C4: a flight is joined while its snapshot is valid
  bool joins_own_writes = true;  // C4: and only if it has seen the session's own write
  bool visibility = true;        // a streamed commit settles once the primary shows it
};

constexpr int kPastUs = 2;
constexpr int kHidden = 3;

struct Record {
  uint64_t end;
  uint64_t commit;
  int table;
  bool hidden;  // it wrote kHidden, too
};

std::string text_of(const History::Seen& seen) {
  std::string text;
  for (const auto& [table, commit] : seen) text += std::to_string(table) + " " + std::to_string(commit) + " ";
  return text;
}

History::Seen seen_in(const CachedResult& result) {
  constexpr size_t kBeforeValue = 5 + 2 + 4;  // of a DataRow with one column
  History::Seen seen;
  const char* at = result.rows_and_end().data() + kBeforeValue;
  const char* const end = result.rows_and_end().data() + result.rows_and_end().size();
  for (int table = 0; std::from_chars(at, end, table).ec == std::errc();) {
    at = std::from_chars(at, end, table).ptr + 1;
    at = std::from_chars(at, end, seen[table]).ptr + 1;
  }
  return seen;
}

struct Write {
  Record record{};
  uint64_t began_after = 0;
  Fence fence;
};

struct Read {
  std::vector<int> tables;
  uint64_t began_after = 0;
  uint64_t past_us = 0;  // what it must at least see of that table
  uint64_t hidden = 0;
  bool alone = false;
  int node = 0;
  Filling filling;
  std::unique_ptr<Flight> flight = std::make_unique<Flight>();
  Flights::Ticket ticket;
  bool waits = false;
  std::optional<History::Seen> seen;
};

struct Session {
  uint64_t last_write = 0;
  uint64_t hidden_commit = 0;
  std::optional<Write> write;
  std::optional<Read> read;
  std::optional<std::pair<Landing, CachedResultRef>> news;
};

class Simulation {
 public:
  Simulation(uint64_t seed, const Rules& rules) : rules_(rules), random_(seed) {
    for (auto& position : positions_) position = board_.add_node();
  }

  void run(int steps) {
    for (int i = 0; i < steps; ++i) step();
  }
  int violations() const { return broken_ + history_.violations(); }
  int hits() const { return hits_; }
  uint64_t joined() const { return flights_.joined(); }

 private:
  static constexpr int kPrimary = 0;  // of applied_; the others are replicas
  static constexpr size_t kNodes = 3;

  size_t pick(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }
  TableState& state(int table) { return tables_->of(static_cast<Oid>(table)); }

  void step() {
    switch (pick(16)) {
      case 0:
      case 1: {
        size_t& applied = applied_[pick(kNodes)];
        applied = std::min(log_.size(), applied + 1 + pick(3));
        return;
      }
      case 2:
        return tell_position();
      case 3:
        return question_ ? answer() : ask();
      case 4:
        return stream();
      case 5:
        return settle_streamed();
      case 6:
        if (pick(8) == 0) commit({0, 0, kPastUs, false});
        return;
      default:
        return session_step(sessions_[pick(sessions_.size())]);
    }
  }

  // --- the database ---
  Record commit(Record record) {
    record.end = (log_.empty() ? 0 : log_.back().end) + 10;
    record.commit = ++commits_;
    if (record.table < kPastUs) history_.committed(record.table, record.commit);
    log_.push_back(record);
    return record;
  }
  uint64_t newest_of(int node, int table) const {
    for (size_t i = applied_[static_cast<size_t>(node)]; i-- > 0;) {
      if (log_[i].table == table || (table == kHidden && log_[i].hidden)) return log_[i].commit;
    }
    return 0;
  }
  Lsn position_at(size_t applied) const { return Lsn{applied == 0 ? 0 : log_[applied - 1].end}; }

  // --- control ---
  void tell_position() {
    const size_t node = 1 + pick(kNodes - 1);
    board_.replica_at(*positions_[node], position_at(applied_[node]), 1);
  }
  void ask() { question_ = {board_.question_begins(), position_at(log_.size())}; }
  void answer() {
    board_.question_answered(question_->first, question_->second, 1);
    question_.reset();
  }
  std::vector<TableState*> written_by(const Record& record) {
    std::vector<TableState*> states{&state(record.table)};
    if (record.hidden) states.push_back(&state(kHidden));
    return states;
  }
  // Now and then, and then a lot: a follower that lags.
  void follow() {
    if (pick(8) != 0) return;
    for (size_t i = 0; i < 12; ++i) pick(2) == 0 ? stream() : settle_streamed();
  }
  void stream() {
    if (streamed_ == log_.size()) return;
    streamed_fences_.emplace_back(board_, written_by(log_[streamed_++]));
  }
  void settle_streamed() {
    const size_t limit = rules_.visibility ? std::min(streamed_, applied_[kPrimary]) : streamed_;
    if (settled_ == limit) return;
    const Record& record = log_[settled_++];
    streamed_fences_.front().settle_streamed(Lsn{record.end});
    streamed_fences_.pop_front();
    if (record.table == kPastUs) past_us_applied_ = record.commit;
    board_.replica_at(*positions_[kPrimary], Lsn{record.end}, 1);  // the follower's own
  }

  // --- sessions ---
  void session_step(Session& session) {
    if (session.write) return write_step(session);
    if (session.read) return read_step(session);
    pick(25) == 0 ? begin_write(session) : begin_read(session);
  }
  void begin_write(Session& session) {
    Write write;
    write.record.table = static_cast<int>(pick(2));
    write.record.hidden = pick(2) == 0;
    write.began_after = history_.begins();
    if (rules_.fences) write.fence = Fence(board_, {&state(write.record.table)});
    session.write = std::move(write);
  }
  void write_step(Session& session) {
    Write& write = *session.write;
    if (write.record.commit == 0) {
      write.record = commit(write.record);
      return;
    }
    if (position_at(applied_[kPrimary]) < Lsn{write.record.end}) return;
    if (!rules_.fences) write.fence = Fence(board_, {&state(write.record.table)});
    if (rules_.epochs) {
      session.last_write = write.fence.settle();
    } else {
      session.last_write = board_.note_write();
      raise_last_write(state(write.record.table), session.last_write);
      write.fence.settle_rolled_back();
    }
    if (write.record.hidden) session.hidden_commit = write.record.commit;
    history_.write_ends(write.began_after, write.record.commit);
    session.write.reset();
  }

  std::vector<const TableState*> states(const Read& read) {
    std::vector<const TableState*> states;
    for (const int table : read.tables) states.push_back(&state(table));
    return states;
  }
  KeyView key_of(const Read& read) {
    std::string text;
    for (const int table : read.tables) text += std::to_string(table);
    return *keys_.build({.text = text});
  }
  void begin_read(Session& session) {
    static const std::array<std::vector<int>, 5> kReads{{{0}, {1}, {0, 1}, {kPastUs}, {kHidden}}};
    Read read;
    read.tables = kReads[pick(kReads.size())];
    read.began_after = history_.begins();
    read.past_us = past_us_applied_;
    read.hidden = session.hidden_commit;
    session.read = std::move(read);
    session.news.reset();
    look_up(session);
  }
  void look_up(Session& session) {
    Read& read = *session.read;
    const NodePosition* const follower = positions_[kPrimary].get();
    const SessionFloor floor{session.last_write, follower};
    const Found found = store_.look_up({key_of(read),
                                        Clock::time_point(),
                                        std::chrono::hours(1),
                                        rules_.own_writes ? floor : SessionFloor(),
                                        {}});
    if (found.result != nullptr) {
      ++hits_;
      return end_read(session, seen_in(*found.result));
    }
    const ReadNeeds needs = needs_of(states(read), tables_->all(), session.last_write);
    read.node = static_cast<int>(pick(kNodes));
    const NodePosition& position = *positions_[static_cast<size_t>(read.node)];
    uint64_t as_of = board_.sequence();
    if (read.node != kPrimary && !position.may_answer(needs)) read.node = kPrimary;
    if (read.node != kPrimary && rules_.replicas_as_of) as_of = position.reached();
    read.filling = {Snapshot::take(tables_, states(read)), as_of, Clock::time_point(), 1, 1};
    if (read.alone) return;
    Filling of_flight = read.filling;
    if (!rules_.joins_of_valid) of_flight.snapshot = Snapshot::take(never_written_, {});
    read.flight->begin(key_of(read), std::move(of_flight), {});
    const auto ticket = flights_.join(*read.flight, rules_.joins_own_writes ? floor : SessionFloor(),
                                      [&session](Landing how, const CachedResultRef& result) {
                                        session.news = {how, result};
                                      });
    read.waits = ticket.has_value();
    read.ticket = ticket.value_or(Flights::Ticket());
  }
  void read_step(Session& session) {
    Read& read = *session.read;
    if (read.waits) return wait_step(session);
    if (pick(30) == 0) {
      session.read.reset();  // the client goes, or its link
      return;
    }
    if (!read.seen) {
      read.seen.emplace();
      for (const int table : read.tables) (*read.seen)[table] = newest_of(read.node, table);
      return;
    }
    if (read.node != kPrimary && is_fenced(states(read), tables_->all())) return;  // F7
    const CachedResultRef result = result_of(text_of(*read.seen));
    if (!rules_.early_snapshots) read.filling.snapshot = Snapshot::take(tables_, states(read));
    const bool is_kept = pick(20) != 0;
    if (is_kept) store_.put(kept_as(key_of(read), read.filling, result));
    is_kept ? read.flight->land(result) : read.flight->land_unkept();
    end_read(session, *read.seen);
  }
  void wait_step(Session& session) {
    if (!session.news) {
      if (pick(30) == 0 && session.read->ticket.leave()) session.read.reset();
      return;
    }
    const auto [how, result] = *std::exchange(session.news, std::nullopt);
    if (how == Landing::Result) return end_read(session, seen_in(*result));
    session.read->waits = false;
    session.read->alone = how == Landing::Alone;
    look_up(session);
  }
  void end_read(Session& session, const History::Seen& seen) {
    const Read& read = *session.read;
    if (read.tables.front() == kPastUs) {
      broken_ += seen.at(kPastUs) < read.past_us;
    } else if (read.tables.front() == kHidden) {
      broken_ += seen.at(kHidden) < read.hidden;
    } else {
      history_.read_ends(read.began_after, seen);
    }
    session.read.reset();
  }

  Rules rules_;
  std::mt19937_64 random_;
  std::shared_ptr<TableStates> tables_ = std::make_shared<TableStates>();
  std::shared_ptr<TableStates> never_written_ = std::make_shared<TableStates>();
  FreshnessBoard board_{*tables_};
  ResultStore store_{1 << 20, 2};
  Flights flights_;
  KeyBuilder keys_;
  std::array<std::shared_ptr<NodePosition>, kNodes> positions_;  // of kPrimary: the follower's
  std::vector<Record> log_;
  std::array<size_t, kNodes> applied_{};  // of kPrimary: visible
  std::deque<Fence> streamed_fences_;
  size_t streamed_ = 0;
  size_t settled_ = 0;
  uint64_t commits_ = 0;
  uint64_t past_us_applied_ = 0;
  std::optional<std::pair<FreshnessBoard::Question, Lsn>> question_;
  std::array<Session, 6> sessions_;
  History history_;
  int broken_ = 0;
  int hits_ = 0;
};

constexpr int kSeeds = 150;
constexpr int kSteps = 3'000;

int violations_without(bool Rules::*rule) {
  return cache::violations_without<Simulation>(rule, kSeeds, kSteps);
}

TEST(CacheSimulation, IsAsRightAsTheDatabase) {
  int hits = 0;
  uint64_t joined = 0;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Simulation simulation(seed, Rules());
    simulation.run(kSteps);
    ASSERT_EQ(simulation.violations(), 0) << "seed " << seed;
    hits += simulation.hits();
    joined += simulation.joined();
  }
  EXPECT_GT(hits, kSeeds * 100) << "too few hits to show much";
  EXPECT_GT(joined, kSeeds * 20U) << "too few joined flights to show much";
}

TEST(CacheSimulation, NoticesThatFencesAreMissing) { EXPECT_GT(violations_without(&Rules::fences), 0); }
TEST(CacheSimulation, NoticesThatEpochsStandStill) { EXPECT_GT(violations_without(&Rules::epochs), 0); }
TEST(CacheSimulation, NoticesThatEpochsAreNotedLate) {
  EXPECT_GT(violations_without(&Rules::early_snapshots), 0);
}
TEST(CacheSimulation, NoticesThatOwnWritesAreForgotten) {
  EXPECT_GT(violations_without(&Rules::own_writes), 0);
}
TEST(CacheSimulation, NoticesThatAReplicaIsTakenForThePrimary) {
  EXPECT_GT(violations_without(&Rules::replicas_as_of), 0);
}
TEST(CacheSimulation, NoticesThatAFlightIsJoinedAfterAWrite) {
  EXPECT_GT(violations_without(&Rules::joins_of_valid), 0);
}
TEST(CacheSimulation, NoticesThatAFlightIsJoinedDespiteAnOwnWrite) {
  EXPECT_GT(violations_without(&Rules::joins_own_writes), 0);
}
TEST(CacheSimulation, NoticesThatStreamedCommitsAreNotAwaited) {
  EXPECT_GT(violations_without(&Rules::visibility), 0);
}

}  // namespace
}  // namespace sportello::cache
