// A primary, replicas that replay late, sessions that read and write through fences and the board, failovers:
// one seeded thread, every step a random one. What sessions saw is checked to be strictly serializable, and
// each rule of cache/README.md is left out once, to see that the check notices.
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <random>

#include "cache/fence.h"
#include "tests/unit/cache/history.h"
#include "tests/unit/cache/left_out_rule.h"

namespace sportello::cache {
namespace {

struct Rules {
  bool fences = true;       // F1: raised before a commit is sent, down after its answer
  bool floors = true;       // F3: a replica must have reached what the read needs
  bool pending = true;      // F4: an answer counts for writes from before its question
  bool timelines = true;    // F5: positions of another timeline do not count
  bool late_ends = true;    // F7: a replica's answer ends after the writes that began meanwhile
  bool lost_fences = true;  // F8: a lost link's fence stays up until its server process is gone
};

constexpr int kTables = 3;

struct Record {
  uint64_t end;         // its LSN
  uint64_t commit = 0;  // 0: something else
  int table = 0;
};

struct Node {
  std::vector<Record> log;
  size_t applied = 0;  // of log: replayed; on the primary: visible
  uint32_t timeline = 1;
  std::shared_ptr<NodePosition> position;

  Lsn replayed() const { return Lsn{applied == 0 ? 0 : log[applied - 1].end}; }
  uint64_t newest_of(int table) const {
    for (size_t i = applied; i-- > 0;) {
      if (log[i].commit != 0 && log[i].table == table) return log[i].commit;
    }
    return 0;
  }
};

// A write from the moment it is sent.
struct Write {
  int table = 0;
  uint64_t began_after = 0;
  uint64_t commit = 0;  // 0: not done yet
  bool link_lost = false;
  Fence fence;
};

struct Read {
  std::vector<int> tables;
  uint64_t began_after = 0;
  int node = -1;  // -1: the primary, whichever that is
  std::optional<History::Seen> seen;
};

struct Session {
  uint64_t last_write = 0;
  std::optional<Write> write;
  std::optional<Read> read;
};

class Simulation {
 public:
  Simulation(uint64_t seed, const Rules& rules) : rules_(rules), random_(seed) {
    for (Node& node : nodes_) node.position = board_.add_node();
    board_.primary_is(1);
  }

  void run(int steps) {
    for (int i = 0; i < steps; ++i) step();
  }
  int violations() const { return history_.violations(); }
  size_t from_replicas() const { return from_replicas_; }

 private:
  size_t pick(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }
  Node& primary() { return nodes_[primary_]; }

  void step() {
    switch (pick(20)) {
      case 0:
        return replicate(nodes_[pick(nodes_.size())]);
      case 1:
        return replay(nodes_[pick(nodes_.size())]);
      case 2:
        return show_one(primary());
      case 3:
        return tell_position();
      case 4:
        return ask();
      case 5:
        return answer();
      case 6:
        return log_something();
      case 7:
        return lost_commits();
      case 8:
        return pick(20) == 0 ? promote() : void();
      default:
        return session_step(sessions_[pick(sessions_.size())]);
    }
  }

  // --- the servers ---
  void replicate(Node& node) {
    if (&node == &primary()) return;
    if (node.timeline != primary().timeline) {
      if (pick(12) == 0) rewind(node);
      return;
    }
    const size_t n = std::min(primary().log.size(), node.log.size() + 1 + pick(8));
    node.log.assign(primary().log.begin(), primary().log.begin() + static_cast<std::ptrdiff_t>(n));
  }
  void rewind(Node& node) {
    node.log = primary().log;
    node.applied = std::min(node.applied, node.log.size()) / 2;
    node.timeline = primary().timeline;
  }
  void replay(Node& node) {
    if (&node != &primary()) node.applied = std::min(node.log.size(), node.applied + 1 + pick(6));
  }
  void show_one(Node& node) { node.applied = std::min(node.log.size(), node.applied + 1 + pick(2)); }
  void log_something() {
    if (pick(4) == 0) primary().log.push_back({next_lsn() + 50 * pick(3), 0, 0});
  }
  uint64_t next_lsn() { return (primary().log.empty() ? 0 : primary().log.back().end) + 10 + pick(20); }
  void commit(Write& write) {
    write.commit = ++commits_;
    history_.committed(write.table, write.commit);
    primary().log.push_back({next_lsn(), write.commit, write.table});
  }
  bool is_visible(const Write& write) {
    return write.commit != 0 && primary().newest_of(write.table) >= write.commit;
  }
  // Only to a replica that has every commit: what else is lost is no matter of ours. Writes that were not yet
  // done fail.
  void promote() {
    const size_t to = pick(nodes_.size());
    Node& node = nodes_[to];
    if (to == primary_ || node.timeline != primary().timeline) return;
    const auto has_all = [&](const Record& record) {
      return record.commit == 0 || std::any_of(node.log.begin(), node.log.end(), [&](const Record& own) {
               return own.commit == record.commit;
             });
    };
    if (!std::all_of(primary().log.begin(), primary().log.end(), has_all)) return;
    node.applied = node.log.size();
    node.timeline = ++timeline_;
    primary_ = to;
    if (rules_.timelines) board_.primary_is(timeline_);
  }

  // --- the node watch ---
  uint32_t told_timeline(const Node& node) const { return rules_.timelines ? node.timeline : 1; }
  void tell_position() {
    Node& node = nodes_[pick(nodes_.size())];
    board_.replica_at(*node.position, node.replayed(), told_timeline(node));
  }
  struct Asked {
    FreshnessBoard::Question question;
    Lsn inserted;
    uint32_t timeline;
  };
  void ask() {
    if (asked_) return;
    const Node& node = primary();
    asked_ = {board_.question_begins(), Lsn{node.log.empty() ? 0 : node.log.back().end}, told_timeline(node)};
  }
  void answer() {
    if (!asked_) return;
    if (!rules_.pending) asked_->question = board_.question_begins();
    board_.question_answered(asked_->question, asked_->inserted, asked_->timeline);
    asked_.reset();
  }

  // --- the proxy ---
  std::vector<const TableState*> states(const std::vector<int>& tables) {
    std::vector<const TableState*> states;
    for (const int table : tables) states.push_back(&tables_.of(static_cast<Oid>(table)));
    return states;
  }
  void session_step(Session& session) {
    if (session.write) return write_step(session);
    if (session.read) return read_step(session);
    pick(12) == 0 ? begin_write(session) : begin_read(session);
  }
  void begin_write(Session& session) {
    Write write{static_cast<int>(pick(kTables)), history_.begins(), 0, false, Fence()};
    // Now and then a statement of which nobody knows what it writes.
    TableState& state = pick(5) == 0 ? tables_.all() : tables_.of(static_cast<Oid>(write.table));
    if (rules_.fences) write.fence = Fence(board_, {&state});
    session.write = std::move(write);
  }
  void write_step(Session& session) {
    Write& write = *session.write;
    if (pick(10) == 0) {
      // The client hears that nobody knows. Its server process may still commit.
      write.link_lost = true;
      if (!rules_.lost_fences) write.fence.settle();
      lost_.push_back(std::move(write));
      session.write.reset();
    } else if (write.commit == 0) {
      commit(write);
    } else if (is_visible(write)) {
      if (!rules_.fences) write.fence = Fence(board_, {&tables_.of(static_cast<Oid>(write.table))});
      session.last_write = write.fence.settle();
      history_.write_ends(write.began_after, write.commit);
      session.write.reset();
    }
  }
  void lost_commits() {
    if (lost_.empty()) return;
    Write& write = lost_[pick(lost_.size())];
    if (write.commit == 0 && pick(2) == 0) return commit(write);
    if (write.commit != 0 && !is_visible(write)) return;
    std::swap(write, lost_.back());
    lost_.pop_back();  // and the fence settles
  }
  void begin_read(Session& session) {
    Read read{{static_cast<int>(pick(kTables))}, history_.begins(), -1, {}};
    if (pick(3) == 0) read.tables.push_back(static_cast<int>(pick(kTables)));
    const ReadNeeds needs = needs_of(states(read.tables), tables_.all(), session.last_write);
    const size_t node = pick(nodes_.size());
    const bool allowed = rules_.floors ? nodes_[node].position->may_answer(needs) : !needs.fenced;
    if (node != primary_ && allowed) read.node = static_cast<int>(node);
    session.read = std::move(read);
  }
  void read_step(Session& session) {
    Read& read = *session.read;
    if (!read.seen) {
      const Node& node = read.node < 0 ? primary() : nodes_[static_cast<size_t>(read.node)];
      if (read.node >= 0 && rules_.timelines && node.timeline != timeline_) {
        read.node = -1;  // its links were closed with the timeline
        return;
      }
      read.seen.emplace();
      for (const int table : read.tables) (*read.seen)[table] = node.newest_of(table);
      return;
    }
    if (rules_.late_ends && read.node >= 0 && is_fenced(states(read.tables), tables_.all())) return;
    from_replicas_ += read.node >= 0;
    history_.read_ends(read.began_after, *read.seen);
    session.read.reset();
  }

  Rules rules_;
  std::mt19937_64 random_;
  TableStates tables_;
  FreshnessBoard board_{tables_};
  std::array<Node, 3> nodes_;
  size_t primary_ = 0;
  uint32_t timeline_ = 1;
  uint64_t commits_ = 0;
  std::optional<Asked> asked_;
  std::array<Session, 5> sessions_;
  std::vector<Write> lost_;
  History history_;
  size_t from_replicas_ = 0;
};

constexpr int kSeeds = 200;
constexpr int kSteps = 2'000;

int violations_without(bool Rules::*rule) {
  return cache::violations_without<Simulation>(rule, kSeeds, kSteps);
}

TEST(FreshnessSimulation, NobodySeesAnOlderStateThanMustBeSeen) {
  size_t from_replicas = 0;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Simulation simulation(seed, Rules());
    simulation.run(kSteps);
    ASSERT_EQ(simulation.violations(), 0) << "seed " << seed;
    from_replicas += simulation.from_replicas();
  }
  EXPECT_GT(from_replicas, kSeeds * 10U) << "replicas answered hardly anything, so little was shown";
}

TEST(FreshnessSimulation, NoticesThatFencesAreMissing) { EXPECT_GT(violations_without(&Rules::fences), 0); }
TEST(FreshnessSimulation, NoticesThatFloorsAreMissing) { EXPECT_GT(violations_without(&Rules::floors), 0); }
TEST(FreshnessSimulation, NoticesThatAnswersCountForLaterWrites) {
  EXPECT_GT(violations_without(&Rules::pending), 0);
}
TEST(FreshnessSimulation, NoticesThatTimelinesAreMixed) {
  EXPECT_GT(violations_without(&Rules::timelines), 0);
}
TEST(FreshnessSimulation, NoticesThatAReplicasAnswerEndsBeforeTheWriteItSaw) {
  EXPECT_GT(violations_without(&Rules::late_ends), 0);
}
TEST(FreshnessSimulation, NoticesThatALostLinksFenceComesDownEarly) {
  EXPECT_GT(violations_without(&Rules::lost_fences), 0);
}

}  // namespace
}  // namespace sportello::cache
