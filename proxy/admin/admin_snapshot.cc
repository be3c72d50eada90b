#include "proxy/admin/admin_snapshot.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "protocol/tls/tls_session.h"
#include "proxy/admin/admin_session.h"
#include "proxy/worker.h"

namespace sportello::proxy {
namespace {

using WallTime = SocketSnapshot::WallTime;

std::string tls_text(const tls::TlsSession* tls) {
  return tls == nullptr || !tls->is_established()
             ? ""
             : std::string(tls->protocol()) + "/" + std::string(tls->cipher());
}

SocketEnd end_of(const sockaddr_storage& address) {
  if (address.ss_family == AF_UNIX) {
    return {"unix", 0};
  }
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    return {text, ntohs(v4.sin_port)};
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
  if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
    inet_ntop(AF_INET, &v6.sin6_addr.s6_addr[12], text, sizeof text);
  } else {
    inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
  }
  return {text, ntohs(v6.sin6_port)};
}

using SocketName = int (*)(int, sockaddr*, socklen_t*);

SocketEnd socket_end(int fd, SocketName name) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  return name(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0 ? end_of(address) : SocketEnd{};
}

// The process at the other end of a Unix socket; 0: not known.
uint32_t peer_process(int fd) {
  ucred peer{};
  socklen_t length = sizeof peer;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 ? static_cast<uint32_t>(peer.pid) : 0;
}

// Ages are measured by the clock that does not jump, and shown as wall time.
class Moment {
 public:
  explicit Moment(TimePoint now) : now_(now), wall_now_(std::chrono::system_clock::now()) {}

  WallTime wall(TimePoint then) const { return wall_now_ - (now_ - then); }
  std::chrono::microseconds since(TimePoint then) const {
    return std::chrono::duration_cast<std::chrono::microseconds>(now_ - then);
  }

 private:
  TimePoint now_;
  WallTime wall_now_;
};

// Links have no number of their own: where they are in memory tells them apart.
uint64_t link_id(const ServerLink& link) { return reinterpret_cast<uintptr_t>(&link); }

std::string client_state(ClientConnection& client) {
  if (!client.is_logged_in()) {
    return "login";
  }
  return client.is_waiting()                                     ? "waiting"
         : client.link() != nullptr || client.admin() != nullptr ? "active"
                                                                 : "idle";
}

SocketSnapshot client_snapshot(ClientConnection& client, const Moment& moment) {
  const ClientAddress& address = client.address();
  SocketSnapshot snapshot{
      .id = client.process_id(),
      .user = client.user_name(),
      .pool_user = client.pool() != nullptr ? client.pool()->shared().user->name : client.user_name(),
      .database = client.database_name(),
      .state = client_state(client),
      .remote = {address.host(), address.port},
      .local = socket_end(client.fd(), getsockname),
      .connected_at = client.connect_time(),
      .request_at = moment.wall(client.request_at()),
      .tls = tls_text(client.tls()),
      .unsent_bytes = client.unsent_bytes(),
      .buffer_bytes = client.buffer_bytes()};
  if (address.is_local) {
    snapshot.process_id = peer_process(client.fd());
  }
  if (client.is_waiting()) {
    snapshot.wait = moment.since(client.wait_since());
  }
  if (const ReplicationRelay* relay = client.replication_or_null()) {
    snapshot.replication = replication_name(relay->kind());
    snapshot.application_name = relay->application_name();
  }
  if (client.link() != nullptr) {
    snapshot.link_id = link_id(*client.link());
  }
  if (const ClientSession* session = client.session_or_null()) {
    snapshot.application_name = (*session->settings())[Tracked::ApplicationName];
    snapshot.prepared_statements = session->prepared_statements();
    snapshot.pinned = session->pin_reasons();
  }
  return snapshot;
}

std::string server_state(ServerLink& link, TimePoint now) {
  switch (link.phase()) {
    case LinkPhase::Connecting:
    case LinkPhase::LoggingIn:
      return "new";
    case LinkPhase::Held:
      return "active";
    case LinkPhase::Cleaning:
      return "tested";
    case LinkPhase::Parked:
      return "being_canceled";
    case LinkPhase::Idle:
    case LinkPhase::Closed:
      break;
  }
  const PoolSettings& settings = link.pool().settings();
  const bool wants_check = !settings.server_check_query.empty() && settings.server_check_delay.count() > 0 &&
                           now - link.last_active() >= settings.server_check_delay;
  return wants_check ? "used" : "idle";
}

SocketSnapshot server_snapshot(ServerLink& link, TimePoint now, const Moment& moment) {
  PoolRuntime& shared = link.pool().shared();
  SocketSnapshot snapshot{.id = link_id(link),
                          .user = shared.user->name,
                          .pool_user = shared.user->name,
                          .database = shared.database->name,
                          .state = server_state(link, now),
                          .connected_at = link.connect_time(),
                          .request_at = moment.wall(link.last_active()),
                          .close_needed = link.is_outdated(),
                          .process_id = link.process_id(),
                          .prepared_statements = link.state().statements.size(),
                          .buffer_bytes = link.buffer_bytes()};
  if (const Transport* transport = link.transport()) {
    snapshot.remote = socket_end(transport->fd(), getpeername);
    snapshot.local = socket_end(transport->fd(), getsockname);
    snapshot.tls = tls_text(transport->tls());
    snapshot.unsent_bytes = transport->unsent_bytes();
  }
  snapshot.replication = replication_name(link.replication());
  if (ClientConnection* client = link.client()) {
    if (const ReplicationRelay* relay = client->replication_or_null()) {
      snapshot.application_name = relay->application_name();
    }
    snapshot.link_id = client->process_id();
    if (const ClientSession* session = client->session_or_null()) {
      snapshot.application_name = (*session->settings())[Tracked::ApplicationName];
    }
  }
  return snapshot;
}

}  // namespace

WorkerSnapshot take_snapshot(Worker& worker) {
  const TimePoint now = worker.now();
  const Moment moment(now);
  WorkerSnapshot snapshot;
  for (const auto& client : worker.clients()) {
    snapshot.clients.push_back(client_snapshot(*client, moment));
  }
  for (const auto& link : worker.links()) {
    snapshot.servers.push_back(server_snapshot(*link, now, moment));
  }
  return snapshot;
}

}  // namespace sportello::proxy
