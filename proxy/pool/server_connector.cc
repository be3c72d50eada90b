#include "proxy/pool/server_connector.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "protocol/sqlstate.h"
#include "protocol/startup_messages.h"

namespace sportello::proxy {
namespace {

ServerEndpoint unix_endpoint(const std::string& directory, uint16_t port) {
  ServerEndpoint endpoint;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = directory + "/.s.PGSQL." + std::to_string(port);
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  std::memcpy(&endpoint.address, &address, sizeof address);
  endpoint.length = sizeof address;
  return endpoint;
}

}  // namespace

std::string numeric_address(const ServerEndpoint& endpoint) {
  char text[NI_MAXHOST];
  const bool is_known = endpoint.length > 0 && endpoint.address.ss_family != AF_UNIX &&
                        getnameinfo(reinterpret_cast<const sockaddr*>(&endpoint.address), endpoint.length,
                                    text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0;
  return is_known ? text : "";
}

ServerConnector::ServerConnector(EventLoop& loop, ServerTarget target, Owner& owner)
    : loop_(&loop), target_(std::move(target)), owner_(&owner) {}

void ServerConnector::start_to(const ServerEndpoint& endpoint) {
  endpoints_ = {endpoint};
  try_next();
}

void ServerConnector::abandon() {
  lookup_ = {};
  if (transport_) {
    transport_->leave_loop();
  }
}

void ServerConnector::start() {
  if (target_.host.starts_with('/')) {
    start_to(unix_endpoint(target_.host, target_.port));
    return;
  }
  const std::string& given = target_.hostaddr.empty() ? target_.host : target_.hostaddr;
  if (is_numeric_address(given)) {
    resolved({{given}, "", false});
    return;
  }
  lookup_ = NameResolver::system().resolve(*loop_, target_.host,
                                           [this](const NameAnswer& answer) { resolved(answer); });
}

void ServerConnector::resolved(const NameAnswer& answer) {
  for (const std::string& address : answer.addresses) {
    add_address(address);
  }
  if (endpoints_.empty()) {
    fail("could not resolve host \"" + target_.host + "\": " + answer.why);
  } else {
    try_next();
  }
}

void ServerConnector::add_address(const std::string& numeric) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST;
  addrinfo* list = nullptr;
  if (getaddrinfo(numeric.c_str(), std::to_string(target_.port).c_str(), &hints, &list) != 0) {
    return;
  }
  ServerEndpoint& endpoint = endpoints_.emplace_back();
  std::memcpy(&endpoint.address, list->ai_addr, list->ai_addrlen);
  endpoint.length = list->ai_addrlen;
  freeaddrinfo(list);
}

void ServerConnector::try_next() {
  const ServerEndpoint& endpoint = endpoints_[at_];
  const int fd = socket(endpoint.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    next_or_fail(std::strerror(errno));
    return;
  }
  if (endpoint.address.ss_family != AF_UNIX) {
    apply_socket_options(fd, target_.options);
  }
  const int status = connect(fd, reinterpret_cast<const sockaddr*>(&endpoint.address), endpoint.length);
  const int error = errno;
  transport_ = std::make_unique<Transport>(*loop_, fd, static_cast<Transport::Handler*>(this));
  if (status != 0 && error != EINPROGRESS) {
    server_answered_ = server_answered_ || error == ECONNREFUSED;
    transport_.reset();
    next_or_fail(std::strerror(error));
    return;
  }
  if (!transport_->watch(true)) {
    transport_.reset();
    next_or_fail("out of event-loop resources");
  }
}

void ServerConnector::next_or_fail(const std::string& why) {
  if (++at_ < endpoints_.size()) {
    try_next();
  } else {
    fail("could not connect to server \"" + target_.host + "\", port " + std::to_string(target_.port) + ": " +
         why);
  }
}

void ServerConnector::on_drained() {
  if (awaits_tls_answer_ || transport_->tls() != nullptr) {
    return;
  }
  connected();
}

void ServerConnector::connected() {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(transport_->fd(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) {
    server_answered_ = server_answered_ || error == ECONNREFUSED;
    transport_.reset();
    next_or_fail(std::strerror(error));
    return;
  }
  if (target_.tls == nullptr || endpoints_[at_].address.ss_family == AF_UNIX) {
    succeed();
    return;
  }
  awaits_tls_answer_ = true;
  std::string request;
  append_ssl_request(request);
  transport_->write(request);
}

void ServerConnector::on_readable() {
  if (awaits_tls_answer_) {
    // One byte and no more: what follows an 'S' in the clear is not the server's (CVE-2021-23222).
    char answer[2];
    const auto read = transport_->read({answer, sizeof answer});
    if (read.status == Transport::ReadStatus::WouldBlock) {
      return;
    }
    server_answered_ = true;
    if (read.status != Transport::ReadStatus::Data) {
      transport_.reset();
      next_or_fail("the server closed the connection");
      return;
    }
    awaits_tls_answer_ = false;
    if (read.bytes != 1) {
      fail("the server sent bytes in the clear after its answer to SSLRequest");
    } else if (answer[0] == 'S') {
      begin_handshake();
    } else if (answer[0] == 'N' &&
               (target_.tls->mode() == tls::SslMode::Allow || target_.tls->mode() == tls::SslMode::Prefer)) {
      succeed();
    } else {
      fail(answer[0] == 'N' ? "the server does not do TLS, which sslmode requires"
                            : "the server gave no proper answer to SSLRequest");
    }
    return;
  }
  if (transport_->tls() == nullptr) {
    // A connect that failed.
    connected();
    return;
  }
  const auto read = transport_->read({});
  if (read.status == Transport::ReadStatus::Failed || read.status == Transport::ReadStatus::Eof) {
    fail_handshake();
    return;
  }
  if (transport_->tls()->is_established()) {
    succeed();
  }
}

void ServerConnector::begin_handshake() {
  auto session = tls::TlsSession::connect(target_.tls, target_.host);
  if (!session.ok()) {
    fail(session.error().message);
    return;
  }
  if (!transport_->start_tls(std::move(session).value())) {
    fail_handshake();
  }
}

// What TLS says of it ("certificate verify failed: hostname mismatch") nobody else can tell.
void ServerConnector::fail_handshake() {
  const std::string reason = transport_->tls_failure();
  fail(reason.empty() ? "the TLS handshake with the server failed" : reason);
}

void ServerConnector::succeed() {
  owner_->connector_done(ServerConnected{std::move(transport_), endpoints_[at_]});
}

void ServerConnector::fail(std::string why) {
  transport_.reset();
  owner_->connector_done(Error{sqlstate::kSqlclientUnableToEstablishConnection, std::move(why)});
}

}  // namespace sportello::proxy
