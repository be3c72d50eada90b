// Delivers one CancelRequest to the server that runs a link's statement, and tells when it is over: the
// server closes the connection after it has sent the signal. Until then nobody else may get the link.
// protocol-flow.html#id-1.10.6.7.10.
#pragma once

#include <memory>
#include <string>

#include "proxy/net/transport.h"
#include "proxy/pool/server_connector.h"

namespace sportello::proxy {

class ServerLink;
class Worker;

class CancelSender final : private Transport::Handler, private ServerConnector::Owner {
 public:
  // `link` may be closed meanwhile; forget() then.
  CancelSender(Worker& worker, ServerLink& link, ServerTarget target, TimePoint deadline);

  void start();
  void forget() { link_ = nullptr; }
  // It is over, or given up: whatever this round of the loop still has for it is not told.
  void abandon();
  ServerLink* link() const { return link_; }
  TimePoint deadline() const { return deadline_; }

 private:
  void connector_done(Result<ServerConnected> result) override;
  void on_readable() override;
  void on_drained() override {}

  Worker* worker_;
  ServerLink* link_;
  ServerEndpoint endpoint_;
  std::string request_;
  std::unique_ptr<ServerConnector> connector_;
  std::unique_ptr<Transport> transport_;
  TimePoint deadline_;
};

}  // namespace sportello::proxy
