// The part of ClientConnection that serves replication clients: they get a link of their own instead of a
// session, opened with their own startup parameters, and from then on bytes are passed both ways as they are.
#include "proxy/admin/admin_session.h"
#include "proxy/log.h"
#include "proxy/session/client_connection.h"
#include "proxy/worker.h"
#include "proxy/worker_group.h"

namespace sportello::proxy {

// Logged in; ClientStartup stays until the link is ready.
void ClientConnection::begin_replication() {
  replication_ = std::make_unique<ReplicationRelay>(startup_->replication(), startup_->application_name(),
                                                    worker_->session_context().max_packet_size);
  move(ConnectionEvent::ReplicationAsked);
  wait_since_ = worker_->now();
  worker_->replication_links().want(*pool_, *this);
}

ReplicationRequest ClientConnection::opens_replication_link(ServerLink& link) {
  link_ = &link;
  return startup_->replication_request();
}

void ClientConnection::replication_link_ready() {
  std::string welcome;
  startup_->append_replication_welcome(welcome, link_->parameters(), process_id_, cancel_key_);
  worker_->retire(std::move(startup_));
  move(ConnectionEvent::ReplicationReady);
  transport_.write(welcome);
  count(pool_->stats().server_assignments);
  if (worker_->config()->conf.log_connections) {
    log_info("C {}/{}@{} login for {} replication", database_name(), user_name(), address_.to_string(),
             replication_name(replication_->kind()));
  }
  if (input_) {
    transport_.resume();
    const std::unique_ptr<std::string> early = std::move(input_);
    relay_replication(*early);
  }
}

// The server is not there; the client waits on.
void ClientConnection::replication_link_delayed(TimePoint until) {
  link_ = nullptr;
  worker_->replication_links().want(*pool_, *this, until);
}

void ClientConnection::replication_link_lost(const Error& why) {
  link_ = nullptr;
  if (startup_) {
    close_with({why.sqlstate, "server login failed: " + why.message, why.detail, why.hint},
               CloseReason::LoginFailed);
  } else if (replication_->ended_in_error()) {
    close_with({}, CloseReason::ServerLost);  // the server has said why
  } else {
    close(CloseReason::ServerLost, why.message);
  }
}

void ClientConnection::relay_replication(std::string_view bytes) {
  count(pool_->stats().client_bytes, bytes.size());
  switch (replication_->on_client_bytes(bytes)) {
    case ReplicationRelay::Verdict::Terminate:
      close(CloseReason::ClientTerminated);
      return;
    case ReplicationRelay::Verdict::Violation:
      close(CloseReason::ProtocolViolation, "invalid message length");
      return;
    case ReplicationRelay::Verdict::PassOn:
      link_->send(bytes);
      return;
  }
}

bool ClientConnection::on_replication_bytes(std::string_view bytes) {
  answered_at_ = worker_->now();
  if (!replication_->on_server_bytes(bytes)) {
    worker_->link_failed(*link_,
                         {sqlstate::kProtocolViolation, "the server sent a message with an invalid length"});
    return false;
  }
  transport_.write(bytes);
  return true;
}

}  // namespace sportello::proxy
