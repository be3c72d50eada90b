// One thread of the data plane: an event loop, the sessions and links that live on it, and its part of every
// pool. A session stays for ever; an idle link may be handed to another worker whose clients wait. Everything
// here is for the worker's own thread, except what says "any thread".
//
// The Worker joins what the edges report (a session wants a link, a link is free, failed, clean) with what
// the pools decide (pool.h). It opens links, moves them, cleans them, and closes them when their time has
// come.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <thread>
#include <unordered_map>
#include <vector>

#include "proxy/net/event_loop.h"
#include "proxy/net/outbox.h"
#include "proxy/pool/cancel_sender.h"
#include "proxy/pool/pool.h"
#include "proxy/pool/replication_links.h"
#include "proxy/pool/server_link.h"
#include "proxy/runtime_config.h"
#include "proxy/session/client_connection.h"

namespace sportello::proxy {

class WorkerGroup;

class Worker {
 public:
  // Above so many unsent bytes to one peer, its source is not read.
  static constexpr size_t kHighWaterBytes = 64UL << 10;
  static constexpr std::chrono::milliseconds kTick{50};
  static constexpr std::chrono::milliseconds kSlowCheck{1000};  // for what is not urgent

  Worker(WorkerGroup& group, size_t index, RuntimeConfigRef config);
  ~Worker();

  void start();
  // Any thread.
  EventLoop& loop() { return *loop_; }
  size_t index() const { return index_; }
  std::thread& thread() { return thread_; }

  TimePoint now() const { return loop_->now(); }
  // To the microsecond, for statistics; read at most once for each round of callbacks.
  TimePoint precise_now() {
    if (precise_now_ == TimePoint()) {
      precise_now_ = Clock::now();
    }
    return precise_now_;
  }
  WorkerGroup& group() { return *group_; }
  const RuntimeConfigRef& config() const { return config_; }
  SessionContext& session_context() { return context_; }
  // Its counts are for any thread.
  WorkerCache& cache() { return cache_; }
  QueryTable& queries() { return queries_; }
  auth::VerifierSource& verifiers() { return verifiers_; }
  std::span<char> read_buffer() { return read_buffer_; }
  Outbox& to_server() { return to_server_; }
  Outbox& to_client() { return to_client_; }

  // ---- sessions ----
  void adopt_client(int fd, const ClientAddress& address);
  void remove_client(ClientConnection& client);
  bool is_draining() const { return draining_; }
  bool begins_nothing() const { return begins_nothing_; }
  const std::vector<std::unique_ptr<ClientConnection>>& clients() const { return clients_; }
  ClientConnection* find_client(uint32_t process_id);

  // The pool of a database and user; made when first asked for.
  Pool& pool(const std::shared_ptr<PoolRuntime>& shared);
  const std::unordered_map<PoolRuntime*, std::unique_ptr<Pool>>& pools() const { return pools_; }
  // That of a user's clients, made when first asked for.
  const PoolMember& pool_member(Pool& pool, const std::shared_ptr<UserRuntime>& user);
  const std::vector<std::unique_ptr<ServerLink>>& links() const { return links_; }

  // The same user's at a replica, made when first asked for.
  Pool& replica_pool(Pool& home, size_t node);
  // What its names mean to this worker's sessions.
  std::shared_ptr<DatabaseNames> names(const std::shared_ptr<DatabaseRuntime>& database);

  // A link for a session that has none: at once, or later through ClientConnection::link_granted.
  ServerLink* get_link(Pool& pool, ClientConnection& client);
  void stop_waiting(Pool& pool, ClientConnection& client);

  // ---- links ----
  ServerTarget server_target(Pool& pool);
  std::unique_ptr<ServerLogin> make_server_login(Pool& pool, const tls::TlsSession* tls,
                                                 const ReplicationRequest* replication = nullptr);
  ReplicationLinks& replication_links() { return replication_links_; }
  // The slot is taken.
  void open_replication_link(Pool& pool, ClientConnection& client);
  // The pool is at a limit and a replication client wants a slot: an idle link, wherever, gives its own up.
  void make_room(Pool& pool);
  void link_ready(ServerLink& link);
  // The session is done with it.
  void link_free(ServerLink& link);
  // It was granted and not used after all.
  void link_unused(ServerLink& link) { put_back(link); }
  void link_cleaned(ServerLink& link, const std::optional<Error>& error);
  void link_failed(ServerLink& link, Error error);
  // The session is gone; what it left behind is rolled back, or the link closed.
  void link_orphaned(ServerLink& link);
  void close_link(ServerLink& link);
  // Its client has to wait for the end of the answer (ClientConnection::holds_back()).
  void hold_answer(ServerLink& link);
  void cancel_on(ServerLink& link);
  void cancel_ended(CancelSender& sender);

  // From auth::random_bytes(), many at a time: the generator is dear to ask for a few.
  std::string random_bytes(size_t count);

  // Objects that are still on the stack: destroyed when the callbacks in hand have returned.
  template <typename T>
  void retire(std::unique_ptr<T> object) {
    if (object) {
      retired_.emplace_back(object.release(), [](void* retired) { delete static_cast<T*>(retired); });
    }
  }

  // ---- from the control plane, posted ----
  void apply_config(RuntimeConfigRef config);
  // `begins_nothing`: who needs a link for more than a transaction that has begun is closed instead.
  void begin_drain(bool begins_nothing);
  void serve(const std::shared_ptr<PoolRuntime>& shared);
  void receive_link(std::unique_ptr<ServerLink> link, const std::shared_ptr<PoolRuntime>& shared);
  void fail_waiting(const std::shared_ptr<PoolRuntime>& shared, const Error& why);
  // Who waits where the server refuses the login is told so; if it still does.
  void tell_refusal(const std::shared_ptr<PoolRuntime>& shared);
  // Writes go elsewhere: nobody is left on links to what was the primary.
  void leave_server(const std::shared_ptr<NodeRuntime>& server);
  void reroute_waiting(const std::shared_ptr<PoolRuntime>& shared);
  void serve_waiting();
  void yield_slot(const std::shared_ptr<PoolRuntime>& shared);
  // An idle link of another pool makes room for one of `wanted`, if that still waits for a slot.
  void evict_idle(const std::shared_ptr<PoolRuntime>& wanted);
  // Of a database without clients and links: lets go of its pools here.
  void forget_pools(const DatabaseRuntime* database);

  // Nothing of the database runs or waits here any more (PAUSE).
  bool is_quiet(const DatabaseRuntime* database) const;
  // Links to this database of a server, whatever it is called here: the others when they come free.
  void leave_database(const std::string& dbname);
  void close_idle_links(const std::function<bool(ServerLink&)>& which);

  // The name of a server has other addresses: links to those that it lost are closed as they come free.
  void leave_lost_addresses(const std::string& host, const AddressList& addresses);

  // The HealthWatch says so: links to it are closed, what waits there fails.
  void node_down(const NodeHealth& node);

  // SUSPEND: nothing is read, but from the admin console, and no timeout runs, until resume().
  void suspend();
  void resume();
  // Connections with bytes that their peers have not taken yet.
  size_t unflushed() const;
  // suspend_timeout: those are closed.
  void close_unflushed();

 private:
  void send_on(ServerLink& link, bool doubt);
  void put_back(ServerLink& link);
  void note_limits();
  void note_member(Pool& pool, PoolMember& member);
  void move_clients();
  void close_resting_clients();
  void reset(ServerLink& link);
  void give(ServerLink& link, ClientConnection& client);
  void hand_over(ServerLink& link, size_t worker, Pool& pool);
  void open_links(Pool& pool, bool to_minimum = false);
  ServerLink& new_link(Pool& pool);
  void evict_elsewhere(Pool& pool);
  void replication_link_failed(ServerLink& link, const Error& error);
  void tick();
  void end_round();
  void go_on_with_answers();
  void check_pools(TimePoint now);
  void note_kept_pools();
  bool wants_minimum(Pool& pool, TimePoint time) const;
  void leave_lost_primary(Pool& pool);
  std::vector<Pool*> known_pools() const;
  void check_links(TimePoint now);
  void check_health(ServerLink& link, TimePoint now);
  void forgive_standstill(TimePoint now);
  void check_clients(TimePoint now);
  std::unique_ptr<ServerLink> take_out(ServerLink& link);

  WorkerGroup* group_;
  size_t index_;
  RuntimeConfigRef config_;
  std::unique_ptr<EventLoop> loop_;
  std::thread thread_;
  std::vector<char> read_buffer_;
  Outbox to_server_;
  Outbox to_client_;
  std::unique_ptr<sql::FactsCache> facts_;
  StatementCache statements_;
  QueryTable queries_;
  SessionContext context_;
  WorkerCache cache_;
  auth::VerifierSource verifiers_;
  std::unordered_map<PoolRuntime*, std::unique_ptr<Pool>> pools_;
  std::vector<std::unique_ptr<ServerLink>> links_;
  ReplicationLinks replication_links_{*this};
  std::vector<std::unique_ptr<ClientConnection>> clients_;
  std::unordered_map<uint32_t, ClientConnection*> by_process_id_;
  std::vector<std::unique_ptr<CancelSender>> cancels_;
  std::vector<std::unique_ptr<void, void (*)(void*)>> retired_;
  std::unordered_map<uint64_t, std::weak_ptr<DatabaseNames>> names_;  // by the database's id
  Limbo limbo_;
  std::vector<ServerLink*> held_answers_;
  std::function<void()> on_held_ = [this] { go_on_with_answers(); };
  UvHandle<uv_timer_t> held_timer_;  // while there are any
  std::function<void()> on_tick_;
  std::function<void()> on_round_end_ = [this] { end_round(); };
  UvHandle<uv_timer_t> tick_timer_;
  std::string random_;  // not given out yet
  TimePoint last_slow_check_{};
  TimePoint precise_now_{};  // none: not read in this round
  TimePoint last_tick_{};
  int giving_ = 0;  // put_back() under way, one inside the other
  bool draining_ = false;
  bool begins_nothing_ = false;  // part of a drain
  bool suspended_ = false;
};

}  // namespace sportello::proxy
