#include "proxy/net/listener.h"

#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <sstream>

#include "conf/endpoint.h"
#include "protocol/sqlstate.h"
#include "proxy/log.h"

namespace sportello::proxy {
namespace {

constexpr int kMostAccepts = 64;  // a round; the others wait for the next
constexpr uint64_t kPauseMs = 100;

Error cannot(const std::string& what) {
  return {sqlstate::kConfigFileError, what + ": " + std::strerror(errno)};
}

void set_flag(int fd, int level, int name) {
  const int on = 1;
  setsockopt(fd, level, name, &on, sizeof on);
}

struct TcpPort {
  std::string setting;  // that asks for it
  std::string host;     // "*": all addresses
  int port = 0;
  bool reuse_port = false;
  int backlog = 0;
  int defer_accept_seconds = 0;  // 0: told of a connection at once
};

Result<int> bind_tcp(const TcpPort& port, const addrinfo& address) {
  const int fd = socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    return cannot("could not make a socket");
  }
  set_flag(fd, SOL_SOCKET, SO_REUSEADDR);
  if (port.reuse_port) {
    set_flag(fd, SOL_SOCKET, SO_REUSEPORT);
  }
  if (address.ai_family == AF_INET6) {
    set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY);
  }
  if (const int seconds = port.defer_accept_seconds; seconds > 0) {
    setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof seconds);
  }
  if (bind(fd, address.ai_addr, address.ai_addrlen) != 0 || listen(fd, port.backlog) != 0) {
    const Error error =
        cannot(port.setting + ": could not listen on " + port.host + ", port " + std::to_string(port.port));
    close(fd);
    return error;
  }
  return fd;
}

// At every address that the host's name has.
Result<void> listen_at(const TcpPort& port, std::vector<ListenSocket>& sockets) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* list = nullptr;
  const int status = getaddrinfo(port.host == "*" ? nullptr : port.host.c_str(),
                                 std::to_string(port.port).c_str(), &hints, &list);
  if (status != 0) {
    return Error{sqlstate::kConfigFileError,
                 port.setting + ": \"" + port.host + "\": " + gai_strerror(status)};
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(list, freeaddrinfo);
  for (const addrinfo* at = list; at != nullptr; at = at->ai_next) {
    auto bound = bind_tcp(port, *at);
    if (!bound.ok()) {
      // "*" on a machine without IPv6 is no mistake.
      if (port.host == "*" && at->ai_family == AF_INET6 && errno == EAFNOSUPPORT) {
        continue;
      }
      return std::move(bound).error();
    }
    sockets.emplace_back(*bound, "");
  }
  return {};
}

// The kernel keeps a connection to itself until its client has said something; after that long, or what a
// login may take, we get it all the same.
int defer_accept_seconds(const conf::Config& conf) {
  constexpr int64_t kMostSeconds = 45;
  if (!conf.tcp_defer_accept) {
    return 0;
  }
  const int64_t login = std::chrono::ceil<std::chrono::seconds>(conf.client_login_timeout).count();
  return static_cast<int>(login > 0 ? std::min(login, kMostSeconds) : kMostSeconds);
}

Result<void> listen_tcp(const conf::Config& conf, std::vector<ListenSocket>& sockets) {
  std::stringstream names(conf.listen_addr);
  std::string name;
  while (std::getline(names, name, ',')) {
    const size_t begin = name.find_first_not_of(" \t");
    if (begin == std::string::npos) {
      continue;
    }
    auto listening = listen_at({.setting = "listen_addr",
                                .host = name.substr(begin, name.find_last_not_of(" \t") - begin + 1),
                                .port = conf.listen_port,
                                .reuse_port = conf.so_reuseport,
                                .backlog = conf.listen_backlog,
                                .defer_accept_seconds = defer_accept_seconds(conf)},
                               sockets);
    if (!listening.ok()) {
      return listening;
    }
  }
  return {};
}

Result<void> listen_unix(const conf::Config& conf, std::vector<ListenSocket>& sockets) {
  const std::string path = conf.unix_socket_dir + "/.s.PGSQL." + std::to_string(conf.listen_port);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return Error{sqlstate::kConfigFileError,
                 "unix_socket_dir: \"" + path + "\" is too long for a socket's name"};
  }
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    return cannot("could not make a socket");
  }
  // A socket that somebody listens on is not ours to take away; one that nobody does was left by a crash.
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    close(fd);
    return Error{sqlstate::kConfigFileError, "unix socket \"" + path + "\" is in use"};
  }
  close(fd);
  unlink(path.c_str());
  const int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (bind(listening, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      chmod(path.c_str(), static_cast<mode_t>(conf.unix_socket_mode)) != 0 ||
      listen(listening, conf.listen_backlog) != 0) {
    const Error error = cannot("could not listen on unix socket \"" + path + "\"");
    close(listening);
    return error;
  }
  if (!conf.unix_socket_group.empty()) {
    const group* entry = getgrnam(conf.unix_socket_group.c_str());
    if (entry == nullptr || chown(path.c_str(), static_cast<uid_t>(-1), entry->gr_gid) != 0) {
      const Error error = cannot("unix_socket_group: \"" + conf.unix_socket_group + "\"");
      close(listening);
      return error;
    }
  }
  sockets.emplace_back(listening, path);
  return {};
}

}  // namespace

ListenSocket::~ListenSocket() {
  if (fd_ >= 0) {
    close(fd_);
    if (!unix_path_.empty()) {
      unlink(unix_path_.c_str());
    }
  }
}

Result<std::vector<ListenSocket>> make_listen_sockets(const conf::Config& conf) {
  std::vector<ListenSocket> sockets;
  const int passed = sd_listen_fds(1);
  for (int i = 0; i < passed; i++) {
    const int fd = SD_LISTEN_FDS_START + i;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    sockets.emplace_back(fd, "");
  }
  if (passed > 0) {
    return sockets;
  }
  if (auto listening = listen_tcp(conf, sockets); !listening.ok()) {
    return std::move(listening).error();
  }
  if (!conf.unix_socket_dir.empty()) {
    if (auto listening = listen_unix(conf, sockets); !listening.ok()) {
      return std::move(listening).error();
    }
  }
  if (sockets.empty()) {
    return Error{sqlstate::kConfigFileError,
                 "nothing to listen on: listen_addr and unix_socket_dir are empty"};
  }
  return sockets;
}

Result<std::vector<ListenSocket>> make_http_sockets(const conf::Config& conf) {
  constexpr int kBacklog = 16;
  std::vector<ListenSocket> sockets;
  const auto endpoint = conf::parse_endpoint(conf.http_listen);
  if (!endpoint) {
    return sockets;
  }
  auto listening = listen_at({.setting = "http_listen",
                              .host = endpoint->host,
                              .port = endpoint->port,
                              .reuse_port = conf.so_reuseport,
                              .backlog = kBacklog},
                             sockets);
  if (!listening.ok()) {
    return std::move(listening).error();
  }
  return sockets;
}

Listener::Listener(EventLoop& loop, std::shared_ptr<const ListenSocket> socket, Accepted accepted)
    : loop_(&loop), socket_(std::move(socket)), accepted_(std::move(accepted)) {}

void Listener::start() {
  if (!watch_.start(*loop_, socket_->fd(), EPOLLIN | EPOLLEXCLUSIVE, *this)) {
    log_error("a listening socket could not be watched");
  }
}

void Listener::stop() {
  watch_.stop();
  resume_.reset();
}

// Mostly one has come, and to look for a second costs a system call. When there is somebody in the next
// round, too, more are taken at a time, until nobody is left.
void Listener::on_socket(uint32_t) {
  most_ = loop_->round() == round_ + 1 ? std::min(most_ * 2, kMostAccepts) : 1;
  round_ = loop_->round();
  for (int i = 0; i < most_; i++) {
    if (!accept_one()) {
      most_ = 1;
      return;
    }
  }
}

void Listener::accept_rest() {
  while (accept_one()) {
  }
}

bool Listener::accept_one() {
  sockaddr_storage peer{};
  socklen_t length = sizeof peer;
  const int fd =
      accept4(socket_->fd(), reinterpret_cast<sockaddr*>(&peer), &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0) {
    accepted_(fd, ClientAddress::of(fd, peer));
    return true;
  }
  if (errno == EINTR || errno == ECONNABORTED) {
    return true;
  }
  if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
    log_limited("accept", "cannot accept: {}", std::strerror(errno));
    pause();
  }
  return false;
}

void Listener::pause() {
  watch_.stop();
  auto timer = std::make_unique<uv_timer_t>();
  uv_timer_init(loop_->uv(), timer.get());
  timer->data = this;
  uv_timer_start(
      timer.get(),
      [](uv_timer_t* handle) {
        if (handle->data != nullptr) {
          auto* listener = static_cast<Listener*>(handle->data);
          listener->resume_.reset();
          listener->start();
        }
      },
      kPauseMs, 0);
  resume_ = UvHandle<uv_timer_t>(std::move(timer));
}

}  // namespace sportello::proxy
