#include "tests/portal/load/load_run.h"

#include <algorithm>
#include <utility>

namespace sportello::portal {
namespace {

constexpr auto kTurn = std::chrono::milliseconds{100};
constexpr const char* kTimedOut = "timed out";

// Neighbouring seeds and client numbers give unlike sequences: the finalizer of SplitMix64.
uint64_t client_seed(uint64_t seed, uint64_t client) {
  uint64_t z = seed * 0x9e3779b97f4a7c15 + client * 0xd1b54a32d192ed03;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace

LoadRun::LoadRun(const LoadOptions& options, const std::vector<Request>& requests, const PortalFacts& facts,
                 Mix mix)
    : options_(options),
      mix_(std::move(mix)),
      world_{reactor_, options.conninfo, requests, options.reconnect,
             [this](uint32_t client, size_t request, Clock::time_point due, std::optional<Failure> failure) {
               request_done(client, request, due, std::move(failure));
             }},
      statistics_(requests.size()),
      newcomers_(options.clients),
      newcomer_(options.clients, true) {
  for (uint32_t number = 0; number < options.clients; ++number) {
    clients_.emplace_back(world_, number, options.protocol, facts, client_seed(options.seed, number));
  }
}

void LoadRun::run() {
  const auto begin = Clock::now();
  warm_at_ = begin + options_.warm_up;
  if (options_.warm_up.count() == 0) newcomers_ = 0;  // their coming in is what is measured
  for (uint32_t number = 0; number < options_.clients; ++number) {
    reactor_.call_at(begin + options_.warm_up * number / options_.clients, number);
  }
  while (Clock::now() < measured_to_ || running_ > 0) {
    start_measuring_if_warm();
    reactor_.turn(
        kTurn, [this](uint32_t client) { clients_[client].ready(); },
        [this](uint32_t client, Clock::time_point at) { came_due(client, at); });
    give_up_overdue();
  }
}

void LoadRun::start_measuring_if_warm() {
  const auto now = Clock::now();
  if (measured_from_ != Clock::time_point::max() || now < warm_at_ || newcomers_ > 0) return;
  measured_from_ = options_.warm_up.count() == 0 ? warm_at_ : now;
  measured_to_ = measured_from_ + options_.duration;
}

double LoadRun::seconds() const {
  return std::chrono::duration<double>(measured_to_ - measured_from_).count();
}

void LoadRun::came_due(uint32_t client, Clock::time_point at) {
  if (at >= measured_to_) return;
  if (is_measured(at) && ++measured_requests_ == options_.requests) {
    measured_to_ = at + Clock::duration{1};  // this one is the last
  }
  ++running_;
  clients_[client].begin(mix_.next(clients_[client].chance().below(UINT64_MAX)), at);
}

void LoadRun::request_done(uint32_t client, size_t request, Clock::time_point due,
                           std::optional<Failure> failure) {
  --running_;
  if (newcomers_ > 0 && newcomer_[client]) {
    newcomer_[client] = false;
    --newcomers_;
  }
  const auto now = Clock::now();
  if (is_measured(due)) {
    if (failure) {
      statistics_.failed(*std::move(failure));
    } else {
      statistics_.succeeded(request, std::chrono::duration_cast<std::chrono::microseconds>(now - due));
    }
  }
  reactor_.call_at(now + think_time(clients_[client]), client);
}

// Half to one and a half of the mean, even.
Clock::duration LoadRun::think_time(LoadClient& client) const {
  constexpr uint64_t kGrain = 1000;
  return options_.think / 2 +
         std::chrono::duration_cast<Clock::duration>(options_.think) * client.chance().below(kGrain) / kGrain;
}

void LoadRun::give_up_overdue() {
  const auto latest = Clock::now() - options_.timeout;
  for (auto& client : clients_) {
    if (client.state() != LoadClient::State::Thinking && client.due() < latest) {
      client.give_up({kTimedOut, "no answer within " + std::to_string(options_.timeout.count()) + " ms"});
    }
  }
}

}  // namespace sportello::portal
