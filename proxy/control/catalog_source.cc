#include "proxy/control/catalog_source.h"

#include <algorithm>

#include "cache/catalog_queries.h"
#include "proxy/log.h"

namespace sportello::proxy {
namespace {

constexpr std::chrono::milliseconds kConnectDeadline{5'000};
// The server gives up a query earlier (own_login.h).
constexpr std::chrono::milliseconds kAnswerDeadline{15'000};
constexpr std::chrono::milliseconds kLeftAlone{1'000};
// What was known may be old after so long.
constexpr std::chrono::milliseconds kPatience{1'000};
// And after so long it says nothing any more. A server restarts in less, and who asks it twice meanwhile
// still knows what only reads.
constexpr std::chrono::milliseconds kLapse{3'000};
// Questions take no more than one part in so many of a server's core, as long as one a kLongestPause is less.
constexpr int kShare = 20;
constexpr std::chrono::milliseconds kLongestPause{900};

}  // namespace

CatalogSource::CatalogSource(EventLoop& loop, OwnLogin login, std::chrono::milliseconds interval,
                             cache::CatalogSlot& slot, std::atomic<uint64_t>& ddl_epoch)
    : loop_(&loop),
      login_(std::move(login)),
      interval_(interval),
      slot_(&slot),
      ddl_epoch_(&ddl_epoch),
      connection_(loop) {}

void CatalogSource::tick() {
  let_lapse();
  switch (connection_.state()) {
    case PqConnection::State::Closed:
      if (is_open_) {
        fail("the connection was lost");
      } else if (loop_->now() >= retry_at_) {
        connect();
      }
      return;
    case PqConnection::State::Idle:
      if (is_due()) {
        ask();
      }
      return;
    case PqConnection::State::Busy:
      if (!is_withdrawn_ && catalog_ != nullptr && loop_->now() - asked_at_ > kPatience) {
        withdraw();
      }
      return;
    case PqConnection::State::Resolving:
    case PqConnection::State::Connecting:
    case PqConnection::State::Streaming:
      return;
  }
}

void CatalogSource::withdraw() {
  is_withdrawn_ = true;
  slot_->withdraw();
}

void CatalogSource::let_lapse() {
  if (loop_->now() - known_at_ > kLapse) {
    slot_->set_lapsed(true);
  }
}

bool CatalogSource::is_due() const {
  return loop_->now() >= due_at_ || ddl_epoch_->load(std::memory_order_relaxed) != good_for_;
}

void CatalogSource::connect() {
  connection_.connect(login_.keywords, kConnectDeadline, [this](const Result<void>& result) {
    if (result.ok()) {
      is_open_ = true;
      begin_load();
      return;
    }
    const bool lacks = connection_.lacked_password();
    fail(result.error().message + (lacks && login_.has_hash_only
                                       ? "; auth_file has only a hash of its password"
                                   : lacks ? "; neither auth_file nor the database's entry has its password"
                                           : ""));
  });
}

// ---- has it changed? ----

void CatalogSource::ask() {
  asked_at_ = loop_->now();
  asked_in_ = ddl_epoch_->load(std::memory_order_relaxed);
  is_withdrawn_ = false;
  connection_.query({.sql = cache::kCatalogChange, .parameters = {mark_.seen}, .most_rows = 1},
                    kAnswerDeadline, [this](Result<PqRows> result) { answered(std::move(result)); });
}

void CatalogSource::answered(Result<PqRows> result) {
  if (!result.ok()) {
    fail(result.error().message);
    return;
  }
  Result<cache::CatalogMark> mark = cache::read_catalog_mark(result->rows);
  if (!mark.ok()) {
    fail(mark.error().message);
  } else if (mark->is_standby) {
    fail("the server is a standby");
  } else if (mark->sums && mark->sums != mark_.sums) {
    slot_->set_lapsed(true);
    withdraw();
    begin_load();
  } else {
    mark_.seen = std::move(mark->seen);
    publish();
  }
}

// ---- loading ----

void CatalogSource::begin_load() {
  asked_at_ = loop_->now();
  asked_in_ = ddl_epoch_->load(std::memory_order_relaxed);
  load_.emplace();
  load_on();
}

void CatalogSource::load_on() {
  const std::optional<cache::CatalogLoad::Question> question = load_->next();
  if (!question) {
    loaded();
    return;
  }
  PqQuery query{.sql = question->sql, .parameters = {}, .most_rows = question->most_rows};
  if (question->has_mark) {
    query.parameters.emplace_back();
  }
  connection_.query(query, kAnswerDeadline, [this](Result<PqRows> result) {
    Result<void> taken =
        result.ok() ? load_->answered(result->rows) : Result<void>(std::move(result).error());
    if (!taken.ok()) {
      fail(taken.error().message);
    } else if (load_->mark().is_standby) {
      fail("the server is a standby");
    } else {
      load_on();
    }
  });
}

void CatalogSource::loaded() {
  cache::CatalogMark mark = load_->mark();
  cache::CatalogRef loaded = std::move(*load_).build();
  load_.reset();
  if (catalog_ == nullptr) {
    log_info("catalog ({}): {} relations are known", printable(login_.name), loaded->size());
  }
  // Of the same version: new files, not a new meaning.
  if (catalog_ == nullptr || catalog_->version() != loaded->version()) {
    catalog_ = std::move(loaded);
    note_change();
  }
  mark_ = std::move(mark);
  publish();
}

// What was loaded is good for the next epoch as well, unless somebody has sent DDL meanwhile: then it is on
// its way already.
void CatalogSource::note_change() {
  uint64_t current = asked_in_;
  if (ddl_epoch_->compare_exchange_strong(current, asked_in_ + 1)) {
    asked_in_++;
  }
}

void CatalogSource::publish() {
  const bool is_new = is_withdrawn_ || slot_->entry().catalog != catalog_ || good_for_ != asked_in_;
  if (is_new) {
    slot_->publish(catalog_, asked_in_);
  }
  is_withdrawn_ = false;
  good_for_ = asked_in_;
  uv_update_time(loop_->uv());
  known_at_ = loop_->now();
  slot_->set_lapsed(false);
  due_at_ = loop_->now() +
            pause_after(std::chrono::duration_cast<std::chrono::milliseconds>(loop_->now() - asked_at_));
}

std::chrono::milliseconds CatalogSource::pause_after(std::chrono::milliseconds taken) const {
  return std::max(interval_, std::min(taken * kShare, kLongestPause));
}

void CatalogSource::fail(const std::string& why) {
  log_limited("catalog", "catalog ({}): everything is unknown: {}", printable(login_.name), printable(why));
  slot_->withdraw();
  catalog_.reset();
  load_.reset();
  mark_ = {};
  is_open_ = false;
  is_withdrawn_ = false;
  retry_at_ = loop_->now() + kLeftAlone;
  connection_.close();
}

}  // namespace sportello::proxy
