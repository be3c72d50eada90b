#include "proxy/admin/admin_session.h"

#include "protocol/sqlstate.h"
#include "proxy/admin/admin_show.h"
#include "proxy/log.h"
#include "proxy/session/client_connection.h"
#include "proxy/worker_group.h"

namespace sportello::proxy {

AdminSession::AdminSession(Worker& worker, ClientConnection& connection, const std::string& user)
    : worker_(&worker),
      connection_(&connection),
      user_(user),
      protocol_({.user = user,
                 .process_id = connection.process_id(),
                 .version = program_version(),
                 .may_change = [&worker, user] { return worker.config()->is_admin(user); }}),
      control_(worker) {}

std::unique_ptr<AdminSession> AdminSession::open(Worker& worker, ClientConnection& connection,
                                                 const std::string& user, std::string& welcome) {
  std::unique_ptr<AdminSession> session(new AdminSession(worker, connection, user));
  session->protocol_.welcome(connection.cancel_key(), welcome);
  return session;
}

void AdminSession::on_bytes(std::string_view bytes) {
  std::string out;
  const AdminProtocol::Next next = protocol_.on_bytes(bytes, out);
  proceed(next, out);
}

void AdminSession::finished(Result<AdminAnswer> answer) {
  std::string out;
  const AdminProtocol::Next next = protocol_.finish(std::move(answer), out);
  proceed(next, out);
}

// The command may be over by now.
void AdminSession::told(const AdminNotice& notice) {
  if (!protocol_.is_running()) {
    return;
  }
  std::string out;
  protocol_.note(notice, out);
  connection_->write(out);
}

void AdminSession::cancel() {
  if (control_.cancel()) {
    finished(Error{sqlstate::kQueryCanceled, "canceling statement due to user request"});
  }
}

void AdminSession::proceed(AdminProtocol::Next next, const std::string& out) {
  connection_->write(out);
  if (connection_->unsent_bytes() > kMaxUnsentBytes) {
    connection_->close(CloseReason::ClientWriteTimeout);
    return;
  }
  switch (next) {
    case AdminProtocol::Next::NeedsBytes:
      return;
    case AdminProtocol::Next::Run:
      run(protocol_.command());
      return;
    case AdminProtocol::Next::Close:
      connection_->close(
          protocol_.violation().empty() ? CloseReason::ClientTerminated : CloseReason::ProtocolViolation,
          protocol_.violation());
      return;
  }
}

void AdminSession::run(const AdminCommand& command) {
  if (!is_harmless(command)) {
    log_info("C sportello/{}@{} {} {}", user_, connection_->address().to_string(), command.tag,
             command.argument);
  }
  // By the time the answer is there, client and session may be gone.
  const auto session = [worker = worker_, id = connection_->process_id()]() -> AdminSession* {
    ClientConnection* client = worker->find_client(id);
    return client != nullptr ? client->admin() : nullptr;
  };
  control_.carry_out(
      command,
      [session](Result<AdminAnswer> answer) {
        if (AdminSession* its = session()) {
          its->finished(std::move(answer));
        }
      },
      [session](const AdminNotice& notice) {
        if (AdminSession* its = session()) {
          its->told(notice);
        }
      });
}

}  // namespace sportello::proxy
