// One worker's part of a pool: its idle links (last in, first out) and its waiting clients (first come, first
// served), and the decisions about them. No I/O: Worker carries the decisions out.
//
// Clients of different workers are served in the order in which they began to wait, to within kSameInstant:
// of two clients that came closer together than that, the one on the link's own worker goes first, which
// saves moving the link between loops.
//
// Used on its worker's thread only; what workers share is in PoolRuntime.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "proxy/pool/pool_runtime.h"

namespace sportello::proxy {

class ServerLink;
class ClientConnection;

// A user whose clients a pool serves: its own, or, where the entry of the database names as whom to log in,
// any.
struct PoolMember {
  std::shared_ptr<UserRuntime> user;
  ClientSettings settings;
  // Since a reload others are logged in so: its clients go to this pool. nullptr: they stay.
  std::shared_ptr<PoolRuntime> next;
};

class Pool {
 public:
  static constexpr std::chrono::milliseconds kSameInstant{1};
  static constexpr int kMaxConnecting = 4;

  Pool(std::shared_ptr<PoolRuntime> shared, size_t worker);

  PoolRuntime& shared() { return *shared_; }
  PoolStats& stats() { return *shared_->workers[worker_].stats; }
  const std::shared_ptr<PoolRuntime>& shared_ref() { return shared_; }
  const PoolSettings& settings() const { return *settings_; }
  // Its server does not answer (HealthWatch), or is not the primary that it ought to be, or nobody knows yet
  // which one that is (NodeWatch): nobody is given a link.
  bool is_down() const {
    return (settings_->node != nullptr && settings_->node->down.load(std::memory_order_relaxed)) ||
           (settings_->server != nullptr && shared_->node == 0 &&
            (is_primary_unknown() || is_wrong_primary()));
  }
  void set_settings(PoolSettingsRef settings) { settings_ = std::move(settings); }

  // The same user's pools at the replicas, where this worker has met them; Worker::replica_pool() fills it.
  std::vector<Pool*> replicas;

  // This worker's; Worker::pool_member() makes them. They stay where they are.
  std::unordered_map<const UserRuntime*, PoolMember> members;

  // What a client with these settings is told of its parameters at login; kept, as nearly all have the same.
  const std::string& parameter_statuses(const std::shared_ptr<const Welcome>& welcome,
                                        const Settings& settings);

  // The idle link that was used last, unless somebody waits for one.
  ServerLink* take_idle();
  void put_idle(ServerLink* link);
  void remove_idle(ServerLink* link);
  const std::vector<ServerLink*>& idle() const { return idle_; }

  void wait(ClientConnection* client, TimePoint now);
  void stop_waiting(ClientConnection* client);
  struct Waiting {
    ClientConnection* client;
    TimePoint since;
  };
  const std::deque<Waiting>& waiting() const { return waiting_; }

  // Who gets a link that is free on this worker.
  struct Turn {
    enum class Whose : uint8_t { Nobodys, Here, OtherWorker } whose = Whose::Nobodys;
    ClientConnection* client = nullptr;  // Here: no longer waiting
    size_t worker = 0;                   // OtherWorker
  };
  Turn next_turn();

  // Takes a slot for one more link if the limits allow one and somebody waits for it (or `to_minimum`: the
  // pool has fewer than its minimum). The slot is given back by release_slot().
  enum class Opening : uint8_t { Granted, NotNeeded, AtLimit, NotYet };
  Opening take_slot(TimePoint now, bool to_minimum = false);
  void release_slot();
  // Why nobody gets a link here for now: the server refuses to be logged in to, is not asked again yet, and
  // there is no link to wait for.
  std::optional<Error> refusal(TimePoint now) const;
  // The same for a replication client, whose turn it is not for the pool to say.
  bool take_slot_for_replication();
  bool is_at_limit() const;

 private:
  bool is_primary_unknown() const {
    return shared_->database->scope.primary_unknown.load(std::memory_order_relaxed);
  }
  bool is_wrong_primary() const {
    const NodeRole role = settings_->server->role.load(std::memory_order_relaxed);
    return role == NodeRole::Replica || role == NodeRole::SecondPrimary;
  }
  bool take_slots(int pool_size);
  void publish_oldest();

  std::shared_ptr<PoolRuntime> shared_;
  PoolSettingsRef settings_;
  size_t worker_;
  std::vector<ServerLink*> idle_;
  std::deque<Waiting> waiting_;
  struct Statuses {
    std::shared_ptr<const Welcome> welcome;
    Settings settings;
    std::string bytes;
  } statuses_;  // made last
};

}  // namespace sportello::proxy
