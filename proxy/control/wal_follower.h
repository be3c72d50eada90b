// Follows the log of one database's primary: a temporary slot on the publication, over a replication
// connection, and an ordinary connection that says what is visible there. What it means for tables is
// cache/log_follower.h's, what sessions may know is FollowerStatus. For the control loop's thread.
//
//   Closed ─▶ server: may it be followed? ─▶ log: who is it? ─▶ slot ─▶ what is covered? ─▶ stream
//                                                            any failure ─▶ Closed, for a while
//
// While it streams, the ordinary connection is asked: at once when a commit waits to be visible, soon when a
// write of ours has no position, and every kClockShare of max_invalidation_lag anyway. Each answer may renew
// what is proven (wal_proof.h).
#pragma once

#include <functional>
#include <string>

#include "cache/log_follower.h"
#include "proxy/control/own_login.h"
#include "proxy/control/wal_proof.h"
#include "proxy/control/wal_questions.h"
#include "proxy/net/pq_connection.h"
#include "proxy/session/database_scope.h"

namespace sportello::proxy {

struct WalFollowerSettings {
  OwnLogin login;  // of the ordinary connection; the other one differs in options alone
  std::string publication;
  std::chrono::milliseconds max_lag{0};

  bool operator==(const WalFollowerSettings&) const = default;
};

class WalFollower {
 public:
  // How often tick() is called.
  static constexpr std::chrono::milliseconds kTick{10};

  WalFollower(EventLoop& loop, WalFollowerSettings settings, DatabaseScope& scope);
  ~WalFollower();
  WalFollower(const WalFollower&) = delete;
  WalFollower& operator=(const WalFollower&) = delete;

  // Does what is due.
  void tick();
  const WalFollowerSettings& settings() const { return settings_; }

 private:
  void connect();
  void ask_server();
  void connect_to_log();
  void identify();
  void make_slot();
  void ask_coverage();
  void note_coverage(CoveredTables covered);
  void begin_stream();

  Result<void> take(std::string_view payload);
  void send_status(bool wants_reply);
  void ask_if_due();
  bool is_due() const;
  void ask_clock();
  void told(const WalClock& clock, const cache::FreshnessBoard::Question& question);
  void renew();
  void hurry();
  std::chrono::milliseconds clock_pause() const;

  // Asks; a failure of any kind is a failure of the follower.
  void ask(PqConnection& connection, const PqQuery& query, std::chrono::milliseconds deadline,
           std::function<void(const PqRows&)> then);
  void fail(const std::string& why);
  void set_state(FollowerState state);
  void publish_facts();

  EventLoop* loop_;
  const WalFollowerSettings settings_;
  DatabaseScope* scope_;
  cache::LogFollower log_;
  WalProof proof_;
  FollowerFacts facts_;
  bool is_streaming_ = false;
  int failures_ = 0;      // in a row
  TimePoint retry_at_{};  // Closed: not before
  TimePoint heard_at_{};  // from the log
  TimePoint ticked_at_{};
  Clock::duration silent_{};  // so long, less what we stood still
  TimePoint asked_at_{};
  TimePoint clock_at_{};   // when the question that is asked anyway is due
  TimePoint status_at_{};  // when the server is told our position next
  TimePoint coverage_at_{};
  std::chrono::milliseconds pause_{0};  // between questions while a fence stays up
  std::string clock_mark_;              // the publication's, as told last
  std::string covered_mark_;            // when it was asked of which tables it is
  WalServer server_;
  uint32_t timeline_ = 0;
  std::string slot_;
  std::function<void()> on_hurry_;
  UvHandle<uv_timer_t> hurry_;  // while a fence is up
  PqConnection queries_;        // these last: their answers use the rest
  PqConnection stream_;
};

}  // namespace sportello::proxy
