// One server connection: its socket, its login, and the LinkState that the session holding it works on.
//
//   Connecting ─▶ LoggingIn ─▶ Idle ⇄ Held ─▶ (Cleaning | Parked) ─▶ Idle
//   Connecting ─▶ LoggingIn ─▶ Held                                       for replication: its client's alone
//
// Parked: a cancel request for what ran here has not been delivered yet; nobody may have the link, whom it
// would hit. What to do with a link that has become free, or failed, the Worker decides (Host). Used on its
// worker's thread; moves to another worker only while Idle, and whole.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "proxy/net/transport.h"
#include "proxy/pool/link_state.h"
#include "proxy/pool/own_query.h"
#include "proxy/pool/pool.h"
#include "proxy/pool/server_connector.h"
#include "proxy/pool/server_login.h"
#include "proxy/session/replication_relay.h"

namespace sportello::proxy {

class ClientConnection;
class ServerLink;
class Worker;

enum class LinkPhase : uint8_t { Connecting, LoggingIn, Idle, Held, Cleaning, Parked, Closed };

// Why a query of ours runs on a link.
enum class OwnPurpose : uint8_t {
  Connect,     // connect_query, before anyone has it
  Rollback,    // its session vanished in a transaction
  Reset,       // server_reset_query
  ResetDoubt,  // a function that we cannot see into may have left something
  Check,       // server_check_query
};

std::string_view link_phase_name(LinkPhase phase);

class ServerLink final : private Transport::Handler, private ServerConnector::Owner {
 public:
  ServerLink(Worker& worker, Pool& pool);
  ~ServerLink();

  // Begins to connect; Worker::link_ready or link_failed tells how it went.
  void open(TimePoint now);
  // The same, for this client alone, which is told when it is ready; it is never idle.
  void open_for_replication(TimePoint now, ClientConnection* client, ReplicationRequest request);
  ReplicationKind replication() const { return replication_ ? replication_->kind : ReplicationKind::None; }

  // A session takes the idle link, or gives it back.
  void hold(ClientConnection* client);
  void let_go();
  // The link is dying: its holder has let go of it first.
  void detach_client() { client_ = nullptr; }
  // Runs a query of ours on the idle (or just let go) link, then tells Worker::link_cleaned.
  void run_own_query(OwnPurpose purpose, std::string_view sql);
  OwnPurpose own_purpose() const { return own_purpose_; }

  // What the holder sends; empties the outbox.
  void send(Outbox& box);
  void pause() { transport_->pause(); }
  void resume() { transport_->resume(); }
  void send(std::string_view bytes);

  // Nothing has come that nobody asked for, and the server has not hung up: looked up before an idle link is
  // used.
  bool still_there();

  // It is closed: whatever this round of the loop still has for it is not told.
  void abandon();

  // Moves to another worker.
  void leave_worker();
  void enter_worker(Worker& worker, Pool& pool);

  LinkPhase phase() const { return phase_; }
  void set_phase(LinkPhase phase);
  LinkState& state() { return state_; }
  Pool& pool() { return *pool_; }
  // Of a database with replicas: the one it is open to.
  const std::shared_ptr<NodeRuntime>& server() const { return server_; }
  ClientConnection* client() { return client_; }
  Transport* transport() { return transport_.get(); }
  // What it keeps of what its server has sent and what that has not taken.
  size_t buffer_bytes() const {
    const bool is_on_heap = input_.capacity() > std::string().capacity();
    return (is_on_heap ? input_.capacity() : 0) + (transport_ ? transport_->buffer_bytes() : 0);
  }
  const ServerEndpoint& endpoint() const { return endpoint_; }
  uint32_t process_id() const { return process_id_; }
  const std::string& cancel_key() const { return cancel_key_; }
  TimePoint opened_at() const { return opened_at_; }
  TimePoint phase_since() const { return phase_since_; }
  TimePoint last_active() const { return last_active_; }
  TimePoint last_heard() const { return last_heard_; }
  // Since when the server has said nothing that it ought to; TimePoint(): nothing is asked of it.
  TimePoint silent_since() const;
  // The proxy itself stood still for so long: that is not the server's.
  void forgive(Clock::duration gap);
  std::chrono::system_clock::time_point connect_time() const { return connect_time_; }
  uint64_t generation() const { return generation_; }
  const std::vector<std::pair<std::string, std::string>>& parameters() const { return parameters_; }

  // Its client may have the answer now that was held back.
  void go_on_with_answer();

  bool was_ready = false;       // its login (and connect_query) has succeeded
  int cancels_in_flight = 0;    // cancel connections that have not ended
  TimePoint cancel_deadline{};  // when the last of them is given up
  // Nobody gets it any more.
  bool is_outdated() const { return close_when_free || generation_ != pool_->shared().generation.load(); }
  bool close_when_free = false;  // KILL, RECONNECT, a changed configuration, its lifetime

 private:
  void on_readable() override;
  void on_drained() override;
  void connector_done(Result<ServerConnected> result) override;

  // Each answers whether the link is still this worker's and there may be more to read: once the Worker was
  // told that it is free, another thread may have it already.
  bool read_more(std::string_view* view);
  void keep_rest(std::string_view rest);
  bool on_login_bytes();
  bool on_session_bytes();
  bool on_session_view(std::string_view view);
  bool on_replication_bytes();
  bool on_own_query_bytes();
  bool on_idle_bytes();
  void logged_in(const ServerLoginResult& done);
  void fail(Error error);

  Worker* worker_;
  Pool* pool_;
  std::shared_ptr<NodeRuntime> server_;
  ClientConnection* client_ = nullptr;
  std::unique_ptr<ServerConnector> connector_;
  std::unique_ptr<Transport> transport_;
  std::unique_ptr<ServerLogin> login_;
  std::unique_ptr<ReplicationRequest> replication_;
  OwnQuery own_query_;
  OwnPurpose own_purpose_ = OwnPurpose::Connect;
  LinkState state_;
  std::string input_;  // the front of a message that has not come whole
  LinkPhase phase_ = LinkPhase::Connecting;
  ServerEndpoint endpoint_;
  uint32_t process_id_ = 0;
  std::string cancel_key_;
  std::vector<std::pair<std::string, std::string>> parameters_;
  TimePoint opened_at_{};
  TimePoint phase_since_{};
  TimePoint last_active_{};
  TimePoint last_heard_{};     // a byte of its server
  TimePoint patient_since_{};  // forgive()
  std::chrono::system_clock::time_point connect_time_{};
  uint64_t generation_ = 0;
};

}  // namespace sportello::proxy
