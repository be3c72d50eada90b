#include "proxy/control/auth_query.h"

#include "proxy/log.h"

namespace sportello::proxy {
namespace {

// Each may have a connection.
constexpr size_t kMostSources = 32;
constexpr std::chrono::seconds kTick{5};
constexpr std::chrono::seconds kConnectionKept{30};  // after the last question
constexpr std::chrono::seconds kAnswersKept{600};    // likewise; auth_cache_ttl says which of them are good

}  // namespace

AuthQuery::AuthQuery(EventLoop& loop, PrimaryOf primary_of)
    : loop_(&loop), primary_of_(std::move(primary_of)), on_tick_([this] { reap(); }) {}

bool AuthQuery::look_up(const RuntimeConfigRef& config, const std::string& database, const std::string& user,
                        Answer answer) {
  std::optional<AuthTarget> target = auth_target(*config, database, primary_of_);
  if (!target) {
    return false;
  }
  loop_->post([this, target = *std::move(target), user, ttl = config->conf.auth_cache_ttl,
               answer = std::move(answer)]() mutable {
    if (AuthSource* asked = source(target)) {
      asked->look_up(user, ttl, std::move(answer));
      return;
    }
    log_limited("auth_query sources", "auth_query: users of more than {} databases are being looked up",
                kMostSources);
    SecretLookup refused;
    refused.failed = true;
    refused.why = "too many are being looked up";
    answer(refused);
  });
  return true;
}

AuthSource* AuthQuery::source(const AuthTarget& target) {
  const auto known = sources_.find(target);
  if (known != sources_.end()) {
    return known->second.get();
  }
  if (sources_.size() >= kMostSources && !forget_least_used()) {
    return nullptr;
  }
  if (!tick_) {
    tick_ = loop_->every(kTick, &on_tick_);
  }
  return sources_.emplace(target, std::make_unique<AuthSource>(*loop_, target)).first->second.get();
}

// False: all are busy.
bool AuthQuery::forget_least_used() {
  auto oldest = sources_.end();
  for (auto at = sources_.begin(); at != sources_.end(); ++at) {
    const bool is_older =
        oldest == sources_.end() || at->second->last_asked_at() < oldest->second->last_asked_at();
    if (!at->second->is_busy() && is_older) {
      oldest = at;
    }
  }
  if (oldest == sources_.end()) {
    return false;
  }
  sources_.erase(oldest);
  return true;
}

void AuthQuery::reap() {
  for (auto at = sources_.begin(); at != sources_.end();) {
    AuthSource& source = *at->second;
    const auto unused = loop_->now() - source.last_asked_at();
    if (!source.is_busy() && unused >= kConnectionKept && source.is_connected()) {
      source.disconnect();
    }
    at = !source.is_busy() && unused >= kAnswersKept ? sources_.erase(at) : std::next(at);
  }
  if (sources_.empty()) {
    tick_.reset();
  }
}

}  // namespace sportello::proxy
