#include "proxy/control/auth_source.h"

#include "protocol/invariant.h"
#include "protocol/sqlstate.h"
#include "proxy/log.h"

namespace sportello::proxy {
namespace {

constexpr size_t kMostCached = 10'000;
constexpr size_t kMostWaiters = 10'000;
constexpr std::chrono::milliseconds kLeftAlone{1'000};

// The user's name has bytes that the database's encoding does not: nobody there is called so.
constexpr std::string_view kCharacterNotInRepertoire = "22021";
constexpr std::string_view kUntranslatableCharacter = "22P05";
// statement_timeout: the next in line would only wait as long again.
constexpr std::string_view kServerGaveUp = sqlstate::kQueryCanceled;

// What clients are told; the log says more.
constexpr const char* kUnreachable = "its server cannot be asked";
constexpr const char* kRefused = "its server refused to answer";
constexpr const char* kUnusable = "the answer of its server is of no use";
constexpr const char* kTooMany = "too many are being looked up";

SecretLookup failure(std::string why) {
  SecretLookup lookup;
  lookup.failed = true;
  lookup.why = std::move(why);
  return lookup;
}

SecretLookup lookup_of(const AuthRecord& record) {
  SecretLookup lookup;
  lookup.known = record.known;
  lookup.expired =
      record.is_expired(std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()));
  lookup.secret = record.secret;
  return lookup;
}

}  // namespace

AuthSource::AuthSource(EventLoop& loop, AuthTarget target)
    : loop_(&loop), target_(std::move(target)), cache_(kMostCached), connection_(loop) {}

void AuthSource::look_up(const std::string& user, std::chrono::milliseconds ttl, Answer answer) {
  last_asked_at_ = loop_->now();
  if (const AuthRecord* record = cache_.find(user, loop_->now(), ttl)) {
    answer(lookup_of(*record));
    return;
  }
  if (!last_failure_.empty() && loop_->now() < left_alone_until_) {
    answer(failure(last_failure_));
    return;
  }
  if (waiters_ >= kMostWaiters) {
    log_limited("auth_query waiters", "auth_query ({}): {} clients wait already", printable(target_.name),
                waiters_);
    answer(failure(kTooMany));
    return;
  }
  std::vector<Answer>& answers = waiting_[user];
  answers.push_back(std::move(answer));
  ++waiters_;
  if (answers.size() == 1) {
    line_.push_back(user);
    if (line_.size() == 1) {
      go_on();
    }
  }
}

void AuthSource::go_on() {
  if (line_.empty()) {
    return;
  }
  if (connection_.state() == PqConnection::State::Idle) {
    ask();
  } else if (connection_.state() == PqConnection::State::Closed) {
    connection_.connect(target_.keywords, kAuthQueryDeadline,
                        [this](const Result<void>& result) { connected(result); });
  }
}

void AuthSource::connected(const Result<void>& result) {
  if (result.ok()) {
    go_on();
    return;
  }
  const bool lacked = connection_.lacked_password();
  const char* hint = "";
  if (lacked && target_.has_hash_only) {
    hint = "; auth_file has only a hash of its password, which is good for checking and not for logging in";
  } else if (lacked) {
    hint = "; neither auth_file nor the database's entry has its password";
  }
  log_limited("auth_query connect", "auth_query ({}): {}{}", printable(target_.name),
              printable(result.error().message), hint);
  fail_all(kUnreachable);
}

void AuthSource::ask() {
  const std::string& user = line_.front();
  // Two rows are enough to see that there is more than one.
  connection_.query({.sql = target_.query, .parameters = {user}, .most_rows = 2}, kAuthQueryDeadline,
                    [this, user](Result<PqRows> result) { answered(user, std::move(result)); });
}

void AuthSource::answered(const std::string& user, Result<PqRows> result) {
  const std::string& sqlstate = connection_.server_sqlstate();
  const bool is_no_name = sqlstate == kCharacterNotInRepertoire || sqlstate == kUntranslatableCharacter;
  const bool is_lost = connection_.state() == PqConnection::State::Closed;
  if (!result.ok() && (is_lost || sqlstate == kServerGaveUp)) {
    log_limited("auth_query lost", "auth_query ({}): {}", printable(target_.name),
                printable(result.error().message));
    fail_all(kUnreachable);
    return;
  }
  SecretLookup found;
  if (is_no_name) {
    cache_.store(user, {}, loop_->now());
  } else if (!result.ok()) {
    log_limited("auth_query refused", "auth_query ({}): SQLSTATE {}: {}", printable(target_.name), sqlstate,
                printable(result.error().message));
    found = failure(kRefused);
  } else if (const auto record = read_auth_record(*result, user); !record.ok()) {
    log_limited("auth_query unusable", "auth_query ({}): {}", printable(target_.name),
                record.error().message);
    found = failure(kUnusable);
  } else {
    cache_.store(user, *record, loop_->now());
    found = lookup_of(*record);
  }
  invariant(!line_.empty() && line_.front() == user, "the first in line is asked for");
  line_.pop_front();
  answer_all(user, found);
  go_on();
}

void AuthSource::answer_all(const std::string& user, const SecretLookup& found) {
  auto taken = waiting_.extract(user);
  waiters_ -= taken.mapped().size();
  for (const Answer& answer : taken.mapped()) {
    answer(found);
  }
}

void AuthSource::fail_all(const std::string& why) {
  last_failure_ = why;
  left_alone_until_ = loop_->now() + kLeftAlone;
  for (const std::string& user : std::exchange(line_, {})) {
    answer_all(user, failure(why));
  }
}

}  // namespace sportello::proxy
