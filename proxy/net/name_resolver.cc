#include "proxy/net/name_resolver.h"

#include <netdb.h>

#include <deque>
#include <mutex>
#include <thread>

#include "proxy/log.h"

namespace sportello::proxy {
namespace {

NameAnswer ask_system(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int status = getaddrinfo(host.c_str(), nullptr, &hints, &list);
  NameAnswer answer;
  if (status != 0) {
    answer.why = gai_strerror(status);
    answer.is_final = status == EAI_NONAME || status == EAI_NODATA;
    return answer;
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(list, freeaddrinfo);
  for (const addrinfo* at = list; at != nullptr; at = at->ai_next) {
    char text[NI_MAXHOST];
    if (getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0) {
      answer.addresses.emplace_back(text);
    }
  }
  return answer;
}

}  // namespace

bool is_numeric_address(const std::string& host) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST;
  addrinfo* list = nullptr;
  if (getaddrinfo(host.c_str(), nullptr, &hints, &list) != 0) {
    return false;
  }
  freeaddrinfo(list);
  return true;
}

// Guarded by State::mutex until its answer is posted; `answer` is for the loop's thread alone.
struct NameResolver::Ticket::Waiter {
  std::shared_ptr<State> state;
  EventLoop* loop;
  std::string host;
  Answer answer;
};

struct NameResolver::State : std::enable_shared_from_this<State> {
  explicit State(LookUp its_look_up) : look_up(std::move(its_look_up)) {}

  using Waiter = Ticket::Waiter;

  const LookUp look_up;
  std::mutex mutex;  // guards what follows
  NameCache cache;
  Change on_change;
  std::vector<std::shared_ptr<Waiter>> waiting;
  std::deque<std::string> line;  // names for which there is no thread yet
  size_t threads = 0;

  static void post(const std::shared_ptr<Waiter>& waiter, NameAnswer answer) {
    waiter->loop->post([waiter, answer = std::move(answer)] {
      if (waiter->answer) {
        std::exchange(waiter->answer, nullptr)(answer);
      }
    });
  }

  void ask(const std::string& host) {
    if (!cache.begin(host)) {
      return;
    }
    line.push_back(host);
    if (threads < kMostAtOnce) {
      ++threads;
      std::thread([state = shared_from_this()] { state->work(); }).detach();
    }
  }

  void work() {
    std::unique_lock lock(mutex);
    while (!line.empty()) {
      const std::string host = std::move(line.front());
      line.pop_front();
      lock.unlock();
      NameAnswer answer = look_up(host);
      lock.lock();
      take(host, std::move(answer));
    }
    --threads;
  }

  void take(const std::string& host, NameAnswer answer) {
    if (answer.addresses.empty()) {
      log_limited("dns", "could not resolve host \"{}\": {}", host, answer.why);
    }
    if (cache.answered(host, answer, Clock::now())) {
      log_info("host \"{}\" has other addresses now", host);
      if (on_change) {
        on_change(host, answer.addresses);
      }
    }
    std::erase_if(waiting, [&](const std::shared_ptr<Waiter>& waiter) {
      if (waiter->host != host) {
        return false;
      }
      post(waiter, answer);
      return true;
    });
  }
};

NameResolver::NameResolver(LookUp look_up) : state_(std::make_shared<State>(std::move(look_up))) {}

NameResolver& NameResolver::system() {
  static NameResolver resolver(ask_system);
  return resolver;
}

NameResolver::Ticket& NameResolver::Ticket::operator=(Ticket&& other) noexcept {
  Ticket old;
  std::swap(old.waiter_, waiter_);
  std::swap(waiter_, other.waiter_);
  return *this;
}

NameResolver::Ticket::~Ticket() {
  if (waiter_ != nullptr) {
    waiter_->answer = nullptr;
    const std::lock_guard lock(waiter_->state->mutex);
    std::erase(waiter_->state->waiting, waiter_);
  }
}

NameResolver::Ticket NameResolver::resolve(EventLoop& loop, const std::string& host, Answer answer) {
  Ticket ticket;
  ticket.waiter_ = std::make_shared<Ticket::Waiter>(Ticket::Waiter{state_, &loop, host, std::move(answer)});
  const std::lock_guard lock(state_->mutex);
  NameCache::Found found = state_->cache.find(host, Clock::now());
  if (found.standing == NameCache::Standing::Missing) {
    state_->waiting.push_back(ticket.waiter_);
  } else {
    State::post(ticket.waiter_, {std::move(found.addresses), std::move(found.why), false});
  }
  if (found.standing == NameCache::Standing::Missing || found.standing == NameCache::Standing::Stale) {
    state_->ask(host);
  }
  return ticket;
}

void NameResolver::set_ttls(std::chrono::milliseconds good, std::chrono::milliseconds bad) {
  const std::lock_guard lock(state_->mutex);
  state_->cache.set_ttls(good, bad);
}

void NameResolver::set_on_change(Change change) {
  const std::lock_guard lock(state_->mutex);
  state_->on_change = std::move(change);
}

void NameResolver::refresh(const std::set<std::string>& in_use) {
  const std::lock_guard lock(state_->mutex);
  for (const std::string& host : state_->cache.due(in_use, Clock::now())) {
    state_->ask(host);
  }
}

std::vector<NameCache::Known> NameResolver::known() const {
  const std::lock_guard lock(state_->mutex);
  return state_->cache.known(Clock::now());
}

}  // namespace sportello::proxy
