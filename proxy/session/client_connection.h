// One client's connection: its socket, its way from the first byte to the login (ClientStartup), then its
// session (ClientSession, or ReplicationRelay) and the wait for a server link. The edge around those cores:
// it moves bytes, asks the Worker for links and carries out timeouts. Used on its worker's thread only, from
// accept to close.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "proxy/net/transport.h"
#include "proxy/pool/pool.h"
#include "proxy/router/router.h"
#include "proxy/session/client_session.h"
#include "proxy/session/client_startup.h"
#include "proxy/session/connection_state.h"
#include "proxy/session/replication_relay.h"
#include "proxy/session/worker_cache.h"

namespace sportello::proxy {

class AdminSession;
class ServerLink;
class Worker;

class ClientConnection final : private Transport::Handler {
 public:
  ClientConnection(Worker& worker, int fd, ClientAddress address);
  ~ClientConnection();

  // `has_spoken`: there is something to read (tcp_defer_accept). False: the loop has no room for the socket.
  bool start(bool has_spoken);

  // ---- for the Worker ----
  // The link it waited for.
  void link_granted(ServerLink& link);
  // It cannot have one (timeout, the server refuses the login): the statement fails, the session stays.
  void link_refused(const Error& why);
  // The link it held died.
  void link_lost(const Error& why);
  // The link it held is at rest and goes back.
  ServerLink* release_link();
  // Ends it: says why (unless the reason has no text), then lets go of everything.
  void close(CloseReason reason, std::string_view detail = {});
  void close_with(const Error& fatal, CloseReason reason);

  // What was kept back while a replica answered goes on, or is asked of the primary.
  void go_on();
  // What the session did not take while it had a question of its own (ServerStep::goes_on).
  void take_held_input();
  // It waits for the primary, which is lost, for what a replica could answer.
  bool could_leave_primary();
  // No link is to be had at the replica after all, or no longer wanted at the primary.
  void reroute();

  // ---- for a lone read at a replica (client_routing.cc) ----
  bool is_routed() const { return routed_ != nullptr; }
  // The answer's last bytes are in `view`, and a table that it has read is being written (cache/README.md,
  // F7).
  bool holds_back(std::string_view view);
  void ask_primary(std::unique_ptr<Replay> replay) { again_ = std::move(replay); }

  // ---- where there is a cache (client_cache.cc) ----
  // The answer that it waits for has come to whoever asked for it.
  void flight_landed(uint64_t wait, cache::Landing how, const cache::CachedResultRef& result);

  // ---- for a replication client's own link (client_replication.cc) ----
  ReplicationKind replication() const { return replication_ ? replication_->kind() : ReplicationKind::None; }
  const ReplicationRelay* replication_or_null() const { return replication_.get(); }
  // `link` is being opened for it; what it asks for.
  ReplicationRequest opens_replication_link(ServerLink& link);
  void replication_link_ready();
  void replication_link_delayed(TimePoint until);
  void replication_link_lost(const Error& why);
  // What the server sent. False: the link is gone.
  bool on_replication_bytes(std::string_view bytes);

  // ---- for the ClientStartup ----
  // The login may go on: a secret was looked up.
  void secret_found(const SecretLookup& found);
  void keep_early_bytes(std::string_view bytes);
  // It is a client of that pool from now on, counted in the limits of its database and of its own user.
  void counted_in(const std::shared_ptr<PoolRuntime>& shared, const std::shared_ptr<UserRuntime>& user);
  // Its pool is that of others since a reload (PoolMember::next): once it holds no link it goes to its own.
  void leave_pool();
  // Authenticated, and its startup parameters taken. False: the connection was closed.
  bool startup_done();
  // Its password was right.
  void login_ended();
  void log_login_failure(std::string_view told, std::string_view detail);

  // What the link sent while it was asked about startup parameters; returns how much was used up.
  size_t on_startup_answer(std::string_view bytes);
  bool asks_server() const { return own_query_ != nullptr; }

  void send(Outbox& box);
  void note_answers(const ServerStep& step);
  size_t unsent_bytes() const { return transport_.unsent_bytes(); }
  // What it keeps of what its client has sent and what that has not taken.
  size_t buffer_bytes() const { return transport_.buffer_bytes() + (input_ ? input_->capacity() : 0); }
  int fd() const { return transport_.fd(); }
  void pause() { transport_.pause(); }
  void resume() { transport_.resume(); }
  // SUSPEND: reads nothing in between.
  void hold() { transport_.hold(); }
  void release() { transport_.release(); }
  // The client asked for its running statement to be cancelled.
  void cancel();

  // Timeouts; called a few times a second.
  void check_timeouts(TimePoint now);

  ClientSession& session() { return *session_; }
  const ClientSession* session_or_null() const { return session_.get(); }
  ServerLink* link() { return link_; }
  Pool* pool() { return pool_; }
  const ClientAddress& address() const { return address_; }
  // It has asked nothing that is not answered, and is in no transaction.
  bool is_resting() const;
  // In a drain: for a link to a database that is paused (nobody resumes it), or while nothing new is begun.
  bool waits_in_vain() const;
  // The client has begun a transaction and needs no link for that yet.
  bool has_begun_block() const { return session_ && session_->has_deferred_block(); }
  // It holds a link for good (pool_mode = session) and could go without leaving anything half done.
  bool is_between_transactions() const;
  bool is_waiting() const { return waits_for_link() || state_ == ConnectionState::AwaitsAnswer; }
  ConnectionState state() const { return state_; }
  bool is_logged_in() const { return startup_ == nullptr; }
  const std::string& user_name() const;
  const std::string& database_name() const;
  uint32_t process_id() const { return process_id_; }
  const std::string& cancel_key() const { return cancel_key_; }
  std::chrono::system_clock::time_point connect_time() const { return connect_time_; }
  TimePoint connected_at() const { return connected_at_; }
  TimePoint request_at() const { return request_at_; }
  TimePoint wait_since() const { return wait_since_; }
  // When the oldest request that is not answered went to the server.
  TimePoint asked_at() const { return query_at_ == TimePoint() ? transaction_at_ : query_at_; }
  // The proxy itself stood still for so long: that counts for none of the timeouts.
  void forgive(Clock::duration gap);
  const tls::TlsSession* tls() const { return transport_.tls(); }
  AdminSession* admin() { return admin_.get(); }
  void write(std::string_view bytes) { transport_.write(bytes); }
  ClientStartup* startup() { return startup_.get(); }
  size_t worker_slot = 0;  // index in the worker's list

 private:
  friend class ClientStartup;

  void on_readable() override;
  void on_drained() override;

  // The one place where the state changes.
  void move(ConnectionEvent event);
  void check_invariants() const;
  bool is_closed() const { return state_ == ConnectionState::Closed; }
  bool waits_for_link() const {
    return state_ == ConnectionState::Waits || state_ == ConnectionState::LoginWaits ||
           state_ == ConnectionState::OpensReplication;
  }

  void on_bytes(std::string_view bytes);
  void relay(std::string_view view);
  bool is_behind() const;
  bool serves_lone_read() const;
  void keep_rest(std::string_view rest);
  void use_link(ServerLink& link);
  void wait_for_link();
  void enter_pool(Pool& pool);
  void began_to_wait();
  ServerLink* take_link_of(Pool& pool);
  Route choose();
  Pool& enter_route(size_t node, size_t bytes);
  Pool& route(std::string_view in);
  Pool& waited_pool() { return routed_pool_ != nullptr ? *routed_pool_ : *pool_; }
  void leave_route();
  // It waits for another session's answer to what stands in front of input_.
  struct FlightWait {
    cache::Flights::Ticket ticket;
    uint64_t number = 0;  // of this wait; 0: it is over
    cache::RuleCounts* counts = nullptr;
    cache::CachedResultRef landed;
    bool asks_alone = false;  // it asks a server, whoever else does
  };
  // What became of a look into the cache.
  struct CacheAnswer {
    size_t taken = 0;       // bytes that were answered
    bool waits = false;     // for another session's answer
    Pool* route = nullptr;  // where it is to be asked, if that was looked for
  };
  CacheAnswer ask_cache(std::string_view in);
  CacheAnswer answer_from(const cache::CachedResult& result);
  bool waits_for_flight(cache::Flight& flight, const cache::SessionFloor& floor, cache::RuleCounts& counts);
  cache::NotCached judge_guard(const CacheVerdict& verdict) const;
  bool is_in_block() const;
  cache::NotCached judge_place(const CacheVerdict& verdict) const;
  std::optional<cache::KeyView> cache_key(const CacheVerdict& verdict);
  std::shared_ptr<const cache::TableStates> tables_of_scope() const;
  bool may_keep_answer_about(std::span<const cache::TableState* const> tables) const;
  void begin_fill(std::unique_ptr<CacheFill> fill);
  void end_fill();
  void finish_fill();
  void end_wait_for_flight(bool alone);
  void leave_flight();
  void fail_waiting(const Error& why);
  Pool& route_or_home(std::string_view in);
  void note_fled();
  void track_writes();
  void finish_login();
  void begin_replication();
  void relay_replication(std::string_view bytes);
  void become_session();
  void ask_server();
  void release_if_free();
  void note_request();
  void note_statements();
  void note_queries();
  void note_block();

  Worker* worker_;
  Transport transport_;
  ClientAddress address_;
  std::unique_ptr<ClientStartup> startup_;         // until the login is over
  std::unique_ptr<ClientSession> session_;         // from then on
  std::unique_ptr<AdminSession> admin_;            // instead, at the admin console
  std::unique_ptr<ReplicationRelay> replication_;  // instead, once a replication client has logged in
  std::unique_ptr<OwnQuery> own_query_;            // while a server is asked about startup parameters
  Pool* pool_ = nullptr;
  const PoolMember* member_ = nullptr;  // its user's part of pool_
  // While a lone read waits for a replica's link, or is there:
  Pool* routed_pool_ = nullptr;
  std::shared_ptr<NodeRuntime> routed_;
  size_t read_left_ = 0;  // bytes of it that were not sent yet
  uint64_t read_fingerprint_ = 0;
  TimePoint held_back_at_{};  // since when its answer is held back
  // While the answer to its read is for the cache, too:
  std::unique_ptr<CacheFill> fill_;
  std::unique_ptr<FlightWait> flight_;  // until what it waits for stands in front again
  ServerLink* link_ = nullptr;
  std::unique_ptr<Replay> again_;       // to be run again when the link comes
  std::unique_ptr<std::string> input_;  // what has come and cannot be taken yet
  uint64_t login_ = 0;                  // its number among those who have not logged in
  uint32_t process_id_ = 0;             // ours, of the key that the client cancels with
  std::string cancel_key_;
  TimePoint connected_at_{};
  TimePoint request_at_{};  // the last bytes from the client
  TimePoint wait_since_{};
  TimePoint transaction_at_{};  // when the current transaction got its link
  TimePoint query_at_{};        // when the oldest unanswered request was sent; TimePoint(): none
  TimePoint counted_at_{};      // up to when time was given to statements (worker_->queries())
  TimePoint answered_at_{};     // the last ReadyForQuery
  std::chrono::system_clock::time_point connect_time_{};
  ConnectionState state_ = ConnectionState::LoggingIn;
  bool cancel_sent_ = false;  // for the query that query_timeout ended
};

}  // namespace sportello::proxy
