#include "proxy/http/http_server.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <sys/socket.h>

#include <cstdarg>

#include "protocol/invariant.h"
#include "proxy/admin/admin_gather.h"
#include "proxy/admin/admin_view.h"
#include "proxy/http/dashboard.h"
#include "proxy/http/health_page.h"
#include "proxy/http/metrics_page.h"
#include "proxy/log.h"

namespace sportello::proxy {
namespace {

constexpr unsigned kServiceUnavailable = 503;
constexpr int kMostRuns = 16;  // of libmicrohttpd at a time: others have work on this loop, too

constexpr std::pair<const char*, const char*> kHeaders[] = {
    {"Connection", "close"},
    {"Cache-Control", "no-store"},
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Content-Security-Policy",
     "default-src 'none'; connect-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
     "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
};

// The address at our end.
std::string reached_at(int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    return {};
  }
  return ClientAddress::of(fd, address).host();
}

std::vector<std::string_view> headers(MHD_Connection* connection, std::string_view name) {
  struct Search {
    std::string_view name;
    std::vector<std::string_view> found;
  } search{name, {}};
  MHD_get_connection_values(
      connection, MHD_HEADER_KIND,
      [](void* to, MHD_ValueKind, const char* key, const char* value) {
        auto* looked_for = static_cast<Search*>(to);
        if (strcasecmp(key, std::string(looked_for->name).c_str()) == 0) {
          looked_for->found.emplace_back(value != nullptr ? value : "");
        }
        return MHD_YES;
      },
      &search);
  return std::move(search.found);
}

bool has_body(MHD_Connection* connection) {
  const auto lengths = headers(connection, "Content-Length");
  return !headers(connection, "Transfer-Encoding").empty() || lengths.size() > 1 ||
         (lengths.size() == 1 && lengths.front() != "0");
}

bool needs_workers(HttpPage page) { return page == HttpPage::Metrics || page == HttpPage::Health; }

void log_of_library(void*, const char* format, va_list arguments) {
  char line[256];
  std::vsnprintf(line, sizeof line, format, arguments);
  log_at(spdlog::level::debug, "http: {}", line);
}

}  // namespace

struct HttpServer::Hooks {
  static MHD_Result on_request(void* server, MHD_Connection* handle, const char* path, const char* method,
                               const char* version, const char*, size_t*, void**) {
    const auto* context = MHD_get_connection_info(handle, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    auto& connection = *static_cast<Connection*>(context->socket_context);
    return static_cast<HttpServer*>(server)->on_request(connection, path, method, version) ? MHD_YES : MHD_NO;
  }

  static void on_connection(void* server, MHD_Connection* handle, void** context,
                            MHD_ConnectionNotificationCode what) {
    auto& self = *static_cast<HttpServer*>(server);
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
      const auto* info = MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CONNECTION_FD);
      self.connections_.push_back({.handle = handle, .fd = info->connect_fd, .since = self.loop_->now()});
      *context = &self.connections_.back();
    } else {
      self.connections_.remove_if([&](const Connection& each) { return &each == *context; });
    }
  }
};

HttpServer::HttpServer(EventLoop& loop, WorkerGroup& group, std::vector<ListenSocket> sockets, OwnNames names)
    : loop_(&loop), group_(&group), names_(std::move(names)), on_tick_([this] { tick(); }) {
  daemon_ = MHD_start_daemon(
      MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, nullptr,
      nullptr, &Hooks::on_request, this, MHD_OPTION_EXTERNAL_LOGGER, &log_of_library, nullptr,
      MHD_OPTION_NOTIFY_CONNECTION, &Hooks::on_connection, this, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
      kMostHeaderBytes, MHD_OPTION_CONNECTION_TIMEOUT,
      static_cast<unsigned>(std::chrono::ceil<std::chrono::seconds>(kDeadline).count()),
      MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
  invariant(daemon_ != nullptr, "libmicrohttpd runs on epoll");
  const auto* info = MHD_get_daemon_info(daemon_, MHD_DAEMON_INFO_EPOLL_FD);
  invariant(watch_.start(*loop_, info->epoll_fd, EPOLLIN, *this), "a loop can watch one descriptor more");
  for (ListenSocket& socket : sockets) {
    listeners_.push_back(
        std::make_unique<Listener>(*loop_, std::make_shared<ListenSocket>(std::move(socket)),
                                   [this](int fd, const ClientAddress& address) { accepted(fd, address); }));
    listeners_.back()->start();
  }
}

HttpServer::~HttpServer() {
  listeners_.clear();
  watch_.stop();
  for (Connection& connection : connections_) {
    if (std::exchange(connection.is_suspended, false)) {
      MHD_resume_connection(connection.handle);
    }
  }
  MHD_stop_daemon(daemon_);
}

// ---- connections ----

void HttpServer::on_socket(uint32_t) { run(); }

void HttpServer::accepted(int fd, const ClientAddress&) {
  if (connections_.size() >= kMostConnections) {
    end_oldest();
  }
  sockaddr_storage peer{};
  socklen_t length = sizeof peer;
  getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &length);
  if (MHD_add_connection(daemon_, fd, reinterpret_cast<sockaddr*>(&peer), length) != MHD_YES) {
    log_limited("http", "a connection to http_listen could not be taken");
  }
  if (!tick_) {
    tick_ = loop_->every(kTick, &on_tick_);
  }
  run();
}

// Its socket is ended under it, which libmicrohttpd finds out.
void HttpServer::end_oldest() {
  for (const Connection& connection : connections_) {
    if (!connection.is_suspended) {
      log_limited("http", "more than {} connections to http_listen: the oldest is ended", kMostConnections);
      shutdown(connection.fd, SHUT_RDWR);
      run();
      return;
    }
  }
}

void HttpServer::run() {
  MHD_UNSIGNED_LONG_LONG wait_ms = 0;
  for (int i = 0; i < kMostRuns; i++) {
    MHD_run(daemon_);
    if (MHD_get_timeout(daemon_, &wait_ms) != MHD_YES || wait_ms > 0) {
      break;
    }
  }
}

void HttpServer::tick() {
  const TimePoint now = loop_->now();
  for (const Connection& connection : connections_) {
    if (!connection.is_suspended && now - connection.since > kDeadline) {
      shutdown(connection.fd, SHUT_RDWR);
    }
  }
  if (asking_ && now - asked_at_ > kWorkersMayTake) {
    log_limited("http workers", "a worker has not told in {} ms what it has", kWorkersMayTake.count());
    workers_answered({});
  }
  run();
  if (connections_.empty()) {
    tick_.reset();
  }
}

// ---- requests ----

bool HttpServer::on_request(Connection& connection, const char* path, const char* method,
                            const char* version) {
  if (connection.view != nullptr) {
    return answer(connection, page(connection.page, *connection.view));
  }
  const std::string address = reached_at(connection.fd);
  const HttpVerdict verdict = judge({.method = method,
                                     .path = path,
                                     .version = version,
                                     .hosts = headers(connection.handle, "Host"),
                                     .reached_at = address,
                                     .has_body = has_body(connection.handle)},
                                    names_);
  connection.page = verdict.page;
  if (needs_workers(verdict.page)) {
    connection.is_suspended = true;
    MHD_suspend_connection(connection.handle);
    ask_workers();
    return true;
  }
  switch (verdict.page) {
    case HttpPage::Dashboard:
      return answer(connection,
                    {.content_type = "text/html; charset=utf-8", .body = std::string(dashboard_page())});
    case HttpPage::Live:
      return answer(connection, {.body = "alive\n"});
    case HttpPage::Ready:
      return answer(connection, ready());
    default:
      return answer(connection, verdict.refusal);
  }
}

bool HttpServer::answer(Connection& connection, const HttpReply& reply) const {
  MHD_Response* response = MHD_create_response_from_buffer(
      reply.body.size(), const_cast<char*>(reply.body.data()), MHD_RESPMEM_MUST_COPY);
  if (response == nullptr) {
    return false;
  }
  MHD_add_response_header(response, "Content-Type", std::string(reply.content_type).c_str());
  for (const auto& [name, value] : kHeaders) {
    MHD_add_response_header(response, name, value);
  }
  if (reply.status == MHD_HTTP_METHOD_NOT_ALLOWED) {
    MHD_add_response_header(response, "Allow", "GET, HEAD");
  }
  const bool queued = MHD_queue_response(connection.handle, reply.status, response) == MHD_YES;
  MHD_destroy_response(response);
  return queued;
}

HttpReply HttpServer::page(HttpPage page, const OperatorView& view) const {
  if (page == HttpPage::Health) {
    return health_page(Health::of(view), view);
  }
  if (view.workers.empty()) {
    return {.status = kServiceUnavailable, .body = "a worker does not answer\n"};
  }
  return {.content_type = "text/plain; version=0.0.4; charset=utf-8", .body = MetricsPage::of(view)};
}

HttpReply HttpServer::ready() const {
  if (group_->is_draining()) {
    return {.status = kServiceUnavailable, .body = "draining: no new clients are taken\n"};
  }
  if (group_->is_suspended()) {
    return {.status = kServiceUnavailable, .body = "suspended: no client is heard\n"};
  }
  return {.body = "ready\n"};
}

// ---- what the workers have ----

void HttpServer::ask_workers() {
  if (std::exchange(asking_, true)) {
    return;
  }
  asked_at_ = loop_->now();
  gather<WorkerTally>(
      *group_, *loop_, take_tally,
      [this, round = ++round_, alive = std::weak_ptr<char>(alive_)](std::vector<WorkerTally> tallies) {
        if (!alive.expired() && asking_ && round == round_) {
          workers_answered(std::move(tallies));
          run();
        }
      });
}

void HttpServer::workers_answered(std::vector<WorkerTally> tallies) {
  asking_ = false;
  auto view = std::make_shared<OperatorView>(view_now());
  view->workers = std::move(tallies);
  for (Connection& connection : connections_) {
    if (std::exchange(connection.is_suspended, false)) {
      connection.view = view;
      MHD_resume_connection(connection.handle);
    }
  }
}

OperatorView HttpServer::view_now() const {
  return {.shared = view_of(*group_, loop_->now()),
          .servers = group_->nodes().nodes(),
          .process = process_facts(),
          .started_at = group_->started_at(),
          .wall_now = std::chrono::system_clock::now(),
          .draining = group_->is_draining()};
}

}  // namespace sportello::proxy
