// A client's session at the admin console: the edge between its connection, the conversation (AdminProtocol)
// and what its commands do (AdminControl). Lives and is used on its worker's thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "proxy/admin/admin_control.h"
#include "proxy/admin/admin_protocol.h"

namespace sportello::proxy {

class ClientConnection;
class Worker;

class AdminSession {
 public:
  // A client that asks for more and more and reads nothing of it is closed here.
  static constexpr size_t kMaxUnsentBytes = 16UL << 20;

  // Appends what a client is told after authentication, up to ReadyForQuery, to `welcome`.
  static std::unique_ptr<AdminSession> open(Worker& worker, ClientConnection& connection,
                                            const std::string& user, std::string& welcome);

  // May close the connection; the session lives on until the worker's callbacks have returned.
  void on_bytes(std::string_view bytes);
  // A cancel request: a command that waits for others waits no longer.
  void cancel();
  // The connection is about to go.
  void closed() { control_.closed(); }
  const std::string& user() const { return user_; }

 private:
  AdminSession(Worker& worker, ClientConnection& connection, const std::string& user);

  void proceed(AdminProtocol::Next next, const std::string& out);
  void run(const AdminCommand& command);
  void finished(Result<AdminAnswer> answer);
  void told(const AdminNotice& notice);

  Worker* worker_;
  ClientConnection* connection_;
  std::string user_;
  AdminProtocol protocol_;
  AdminControl control_;
};

}  // namespace sportello::proxy
