// Gets a connected (and, where the sslmode asks for it, enciphered) socket to a PostgreSQL server: resolves
// the name, tries its addresses in turn, asks for TLS and shakes hands. Used for links and for cancel
// requests. One attempt an object; its Owner is told once, unless the object is destroyed before.
// protocol-flow.html#PROTOCOL-FLOW-SSL.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "protocol/result.h"
#include "protocol/tls/tls_context.h"
#include "protocol/tls/tls_session.h"
#include "proxy/net/name_resolver.h"
#include "proxy/net/socket_options.h"
#include "proxy/net/transport.h"

namespace sportello::proxy {

// Where to, and how.
struct ServerTarget {
  std::string host;      // a name, an address, or the directory of a Unix socket
  std::string hostaddr;  // the one address of that name to go to; empty: any
  uint16_t port = 5432;
  std::shared_ptr<const tls::TlsContext> tls;  // nullptr: sslmode = disable
  SocketOptions options;
};

// Which of the server's addresses it became.
struct ServerEndpoint {
  sockaddr_storage address{};
  socklen_t length = 0;
};

// "10.0.0.5"; empty for a Unix socket.
std::string numeric_address(const ServerEndpoint& endpoint);

struct ServerConnected {
  std::unique_ptr<Transport> transport;
  ServerEndpoint endpoint;
};

class ServerConnector final : private Transport::Handler {
 public:
  class Owner {
   public:
    // May destroy the connector.
    virtual void connector_done(Result<ServerConnected> result) = 0;

   protected:
    ~Owner() = default;
  };

  ServerConnector(EventLoop& loop, ServerTarget target, Owner& owner);
  ServerConnector(const ServerConnector&) = delete;
  ServerConnector& operator=(const ServerConnector&) = delete;

  // Not told before this has returned, if the host is a name.
  void start();
  // To that address and no other: where a cancel request has to go.
  void start_to(const ServerEndpoint& endpoint);
  // Its owner has no more use for it: whatever this round of the loop still has for it is not told.
  void abandon();
  // It, or its machine, has said something so far, be it that nobody listens there.
  bool server_answered() const { return server_answered_; }

 private:
  void on_readable() override;
  void on_drained() override;
  void resolved(const NameAnswer& answer);
  void add_address(const std::string& numeric);
  void try_next();
  void connected();
  void begin_handshake();
  void succeed();
  void fail_handshake();
  void fail(std::string why);
  void next_or_fail(const std::string& why);

  EventLoop* loop_;
  ServerTarget target_;
  Owner* owner_;
  NameResolver::Ticket lookup_;
  std::vector<ServerEndpoint> endpoints_;
  size_t at_ = 0;
  std::unique_ptr<Transport> transport_;
  bool awaits_tls_answer_ = false;
  bool server_answered_ = false;
};

}  // namespace sportello::proxy
