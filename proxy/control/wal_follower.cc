#include "proxy/control/wal_follower.h"

#include <algorithm>
#include <array>
#include <random>

#include "protocol/replication/replication_messages.h"
#include "protocol/sqlstate.h"
#include "proxy/log.h"

namespace sportello::proxy {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kConnectDeadline = 5s;
constexpr std::chrono::milliseconds kAnswerDeadline = 10s;
// The server waits for transactions that write now, however long, and would go on waiting for them if we
// went.
constexpr std::chrono::milliseconds kSlotDeadline = 24h;
constexpr std::chrono::milliseconds kRetryLeast = 100ms;
constexpr std::chrono::milliseconds kRetryMost = 5s;
// Questions while a streamed commit is not visible yet, ever further apart.
constexpr std::chrono::milliseconds kHurry = 1ms;
constexpr std::chrono::milliseconds kMostHurry = 10ms;
// Questions for the position of a write of ours.
constexpr std::chrono::milliseconds kPositions = 5ms;
constexpr int kClockShare = 4;
constexpr std::chrono::milliseconds kClockMost = 1s;
constexpr std::chrono::milliseconds kCoveragePause = 5s;
// Without any sign of life for so long, there is nobody.
constexpr std::chrono::milliseconds kSilence = 10s;
// A tick that comes later than this was ours to come.
constexpr std::chrono::milliseconds kStoodStill = 100ms;

std::string quoted(std::string_view text, char quote) {
  std::string out(1, quote);
  for (const char c : text) {
    out.append(c == quote ? 2 : 1, c);
  }
  return out + quote;
}

// Nobody else's, on whatever machine.
std::string slot_name() {
  std::random_device random;
  std::array<char, 40> name{};
  std::snprintf(name.data(), name.size(), "sportello_%08x%08x", random(), random());
  return name.data();
}

PqConnection::Keywords replication_keywords(const OwnLogin& login) {
  PqConnection::Keywords keywords = login.keywords;
  for (auto& [name, value] : keywords) {
    if (name == "options") {
      value = "-c search_path=pg_catalog";  // no statement_timeout
    } else if (name == "application_name") {
      value = "sportello follower";
    }
  }
  keywords.emplace_back("replication", "database");
  return keywords;
}

int64_t postgres_time() {
  const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(since_1970 - 946'684'800s).count();
}

std::string login_failure(const PqConnection& connection, const OwnLogin& login, const Error& error) {
  if (!connection.lacked_password()) {
    return error.message;
  }
  return error.message + (login.has_hash_only
                              ? "; auth_file has only a hash of its password"
                              : "; neither auth_file nor the database's entry has its password");
}

}  // namespace

WalFollower::WalFollower(EventLoop& loop, WalFollowerSettings settings, DatabaseScope& scope)
    : loop_(&loop),
      settings_(std::move(settings)),
      scope_(&scope),
      log_(scope.tables, scope.board, *scope.follower.position()),
      on_hurry_([this] { hurry(); }),
      queries_(loop),
      stream_(loop) {
  set_state(FollowerState::Connecting);
}

WalFollower::~WalFollower() {
  scope_->follower.set_not_good();  // before fences come down
  scope_->follower.set_facts({});
}

void WalFollower::tick() {
  const TimePoint now = loop_->now();
  silent_ += std::min<Clock::duration>(now - ticked_at_, kStoodStill);
  ticked_at_ = now;
  if (queries_.state() == PqConnection::State::Closed && !is_streaming_ &&
      stream_.state() == PqConnection::State::Closed) {
    if (now >= retry_at_) {
      connect();
    }
  } else if (queries_.state() == PqConnection::State::Closed) {
    fail("the connection for questions was lost");
  } else if (is_streaming_) {
    if (silent_ >= std::max<Clock::duration>(2 * settings_.max_lag, kSilence)) {
      fail("the server is silent");
    } else {
      if (now >= status_at_) {
        send_status(true);
      }
      ask_if_due();
    }
  }
  publish_facts();
}

// ---- on the way to a stream ----

void WalFollower::connect() {
  queries_.connect(settings_.login.keywords, kConnectDeadline, [this](const Result<void>& result) {
    if (result.ok()) {
      ask_server();
    } else {
      fail(login_failure(queries_, settings_.login, result.error()));
    }
  });
}

void WalFollower::ask_server() {
  ask(queries_, {.sql = kWalServerQuestion, .parameters = {}}, kAnswerDeadline, [this](const PqRows& rows) {
    Result<WalServer> server = read_wal_server(rows);
    if (!server.ok()) {
      fail(server.error().message);
      return;
    }
    server_ = *std::move(server);
    scope_->board.set_wal_layout(server_.layout);
    connect_to_log();
  });
}

void WalFollower::connect_to_log() {
  stream_.connect(replication_keywords(settings_.login), kConnectDeadline,
                  [this](const Result<void>& result) {
                    if (result.ok()) {
                      identify();
                    } else {
                      fail(login_failure(stream_, settings_.login, result.error()));
                    }
                  });
}

void WalFollower::identify() {
  ask(stream_, {.sql = "IDENTIFY_SYSTEM", .parameters = {}, .simple = true}, kAnswerDeadline,
      [this](const PqRows& rows) {
        const Result<WalIdentity> identity = read_wal_identity(rows);
        if (!identity.ok()) {
          fail(identity.error().message);
        } else if (identity->system != server_.system) {
          fail("two connections to it reached two different servers");
        } else {
          timeline_ = identity->timeline;
          make_slot();
        }
      });
}

void WalFollower::make_slot() {
  set_state(FollowerState::Preparing);
  slot_ = slot_name();
  ask(stream_,
      {.sql = "CREATE_REPLICATION_SLOT " + slot_ + " TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT",
       .parameters = {},
       .simple = true},
      kSlotDeadline, [this](const PqRows&) {
        log_.begin(timeline_);
        // Which tables, as it is before the first snapshot is taken.
        ask_clock();
      });
}

void WalFollower::begin_stream() {
  set_state(FollowerState::Settling);
  is_streaming_ = true;
  silent_ = {};
  status_at_ = loop_->now();
  clock_at_ = loop_->now();
  stream_.stream(
      "START_REPLICATION SLOT " + slot_ + " LOGICAL 0/0 (proto_version '1', publication_names " +
          quoted(quoted(settings_.publication, '"'), '\'') + ")",
      kAnswerDeadline, [this](std::string_view payload) { return take(payload); },
      [this](const std::string& why) { fail(why); });
}

void WalFollower::ask_coverage() {
  coverage_at_ = loop_->now() + std::clamp(settings_.max_lag / 2, kClockMost, kCoveragePause);
  ask(queries_,
      {.sql = kWalCoverageQuestion, .parameters = {settings_.publication}, .most_rows = kMostCovered},
      kAnswerDeadline, [this](const PqRows& rows) {
        Result<CoveredTables> covered = read_wal_coverage(rows);
        if (!covered.ok()) {
          fail(covered.error().message);
          return;
        }
        note_coverage(*std::move(covered));
        if (!is_streaming_) {
          begin_stream();
        }
      });
}

// What was written to a table before it joined is not in the log, even if it commits later. (L3)
void WalFollower::note_coverage(CoveredTables covered) {
  const CoveredTablesRef before = scope_->follower.covered();
  const bool grows = !std::includes(before->begin(), before->end(), covered.begin(), covered.end());
  if (grows || covered_mark_ != clock_mark_) {
    scope_->follower.set_not_good();
    proof_.clear();
    log_.unsettle();
    set_state(FollowerState::Settling);
  }
  covered_mark_ = clock_mark_;
  if (*before != covered) {
    scope_->follower.set_covered(std::move(covered));
  }
}

// ---- the stream ----

// Asks nothing itself: a question that fails would end the stream that calls.
Result<void> WalFollower::take(std::string_view payload) {
  heard_at_ = loop_->now();
  silent_ = {};
  const Result<replication::StreamMessage> message = replication::decode_stream_message(payload);
  if (!message.ok()) {
    return message.error();
  }
  if (const auto* keepalive = std::get_if<replication::Keepalive>(&*message)) {
    log_.reached(keepalive->end);
    if (keepalive->wants_reply) {
      status_at_ = {};
    }
  } else {
    const Result<replication::LogMessage> log =
        replication::decode_log_message(std::get<replication::XLogData>(*message).data);
    if (!log.ok()) {
      return log.error();
    }
    if (Result<void> taken = log_.take(*log); !taken.ok()) {
      return taken;
    }
  }
  proof_.applied(log_.applied());
  renew();
  if (log_.wants_snapshot() && !hurry_) {
    pause_ = kHurry;
    hurry_ = loop_->every(kHurry, &on_hurry_);
  }
  return {};
}

void WalFollower::send_status(bool wants_reply) {
  status_at_ = loop_->now() + clock_pause();
  if (!stream_.send(replication::encode_standby_status(
          {.flushed = log_.applied(), .sent_at = postgres_time(), .wants_reply = wants_reply}))) {
    fail("the connection for the log was lost");
  }
}

// ---- what is visible, and how far the log is ----

void WalFollower::hurry() {
  if (!is_streaming_ || !log_.wants_snapshot()) {
    hurry_.reset();
    return;
  }
  ask_if_due();
}

std::chrono::milliseconds WalFollower::clock_pause() const {
  return std::clamp(settings_.max_lag / kClockShare, 1ms, kClockMost);
}

bool WalFollower::is_due() const {
  const auto passed = loop_->now() - asked_at_;
  return loop_->now() >= clock_at_ || (log_.wants_snapshot() && passed >= pause_) ||
         (passed >= kPositions && scope_->board.question_pending());
}

void WalFollower::ask_if_due() {
  if (queries_.state() != PqConnection::State::Idle) {
    return;
  }
  if (loop_->now() >= coverage_at_) {
    ask_coverage();
  } else if (is_due()) {
    ask_clock();
  }
}

void WalFollower::ask_clock() {
  asked_at_ = loop_->now();
  clock_at_ = asked_at_ + clock_pause();
  const auto question = scope_->board.question_begins();
  ask(queries_, {.sql = kWalClockQuestion, .parameters = {settings_.publication}}, kAnswerDeadline,
      [this, question](const PqRows& rows) {
        const Result<WalClock> clock = read_wal_clock(rows);
        if (!clock.ok()) {
          fail(clock.error().message);
        } else {
          told(*clock, question);
        }
      });
}

void WalFollower::told(const WalClock& clock, const cache::FreshnessBoard::Question& question) {
  if (clock.timeline != timeline_) {
    fail("the server's timeline changed");
    return;
  }
  if (clock.publication.empty()) {
    fail("there is no publication \"" + settings_.publication + "\" (see \"sportello setup-sql\")");
    return;
  }
  clock_mark_ = clock.publication;
  scope_->board.question_answered(question, clock.inserted, clock.timeline);
  if (!is_streaming_ || clock_mark_ != covered_mark_) {
    ask_coverage();
    return;
  }
  const size_t before = log_.fences();
  log_.seen(clock.snapshot);
  pause_ = log_.fences() < before ? kHurry : std::min(pause_ * 2, kMostHurry);
  proof_.answered(asked_at_, replay_end_of(clock.flushed, server_.layout));
  proof_.applied(log_.applied());
  renew();
  if (log_.wants_snapshot() && !hurry_) {
    hurry_ = loop_->every(kHurry, &on_hurry_);
  }
}

void WalFollower::renew() {
  if (!log_.is_settled() || proof_.proven() == TimePoint()) {
    return;
  }
  if (facts_.state != FollowerState::Following) {
    set_state(FollowerState::Following);
    failures_ = 0;
    log_info("log ({}): followed from {} on", printable(settings_.login.name), to_string(log_.applied()));
  }
  scope_->follower.set_good_until(std::min(proof_.proven(), heard_at_) + settings_.max_lag);
}

// ---- failing ----

void WalFollower::ask(PqConnection& connection, const PqQuery& query, std::chrono::milliseconds deadline,
                      std::function<void(const PqRows&)> then) {
  connection.query(query, deadline, [this, then = std::move(then)](const Result<PqRows>& result) {
    if (result.ok()) {
      then(*result);
    } else {
      fail(result.error().message);
    }
  });
}

void WalFollower::fail(const std::string& why) {
  scope_->follower.set_not_good();  // before fences come down (L4)
  log_.lost();
  proof_.clear();
  hurry_.reset();
  is_streaming_ = false;
  covered_mark_.clear();
  stream_.close();
  queries_.close();
  const auto pause = std::min(kRetryLeast * (1 << std::min(failures_++, 6)), kRetryMost);
  static thread_local std::minstd_rand random{std::random_device{}()};
  retry_at_ =
      loop_->now() + pause / 2 + std::chrono::milliseconds(random() % static_cast<unsigned>(pause.count()));
  if (facts_.state == FollowerState::Following) {
    facts_.reconnects++;
  }
  if (facts_.last_error != why || facts_.state == FollowerState::Following) {
    log_warning("log ({}): not followed: {}", printable(settings_.login.name), printable(why));
  }
  facts_.last_error = why;
  set_state(FollowerState::Connecting);
}

void WalFollower::set_state(FollowerState state) {
  facts_.state = state;
  publish_facts();
}

void WalFollower::publish_facts() {
  const bool follows = facts_.state == FollowerState::Following;
  facts_.applied = log_.applied();
  facts_.lag_bytes = follows ? static_cast<int64_t>(proof_.lag_bytes()) : -1;
  facts_.lag_us = follows ? proof_.lag(loop_->now()).count() : -1;
  facts_.commits = log_.commits();
  facts_.fences = log_.fences();
  scope_->follower.set_facts(facts_);
}

}  // namespace sportello::proxy
