// The HTTP server for operators (http_listen): /metrics, /health, /live, /ready and the dashboard. The edge:
// which request gets what is http_request.h's, what a page says metrics_page.h's and health_page.h's, HTTP
// itself libmicrohttpd's, of which this is the one file.
//
// On the control loop's thread, never a worker's; a worker only counts what it has (worker_tally.h), once for
// all who ask meanwhile, and a page goes out without it when it takes too long.
//
//   Listener ─ fd ─▶ libmicrohttpd ─ request ─▶ judge() ─┬─▶ answered at once
//                                                        └─▶ suspended ─ gather() ─▶ resumed, answered
//
// Bounds: connections (the oldest makes room), their whole life (kDeadline), headers (kMostHeaderBytes). One
// request a connection, so nothing can hide behind it. Requests with a body are refused.
#pragma once

#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "proxy/http/http_request.h"
#include "proxy/http/operator_view.h"
#include "proxy/net/event_loop.h"
#include "proxy/net/listener.h"

struct MHD_Connection;
struct MHD_Daemon;

namespace sportello::proxy {

class WorkerGroup;

class HttpServer final : private SocketWatch::Owner {
 public:
  static constexpr size_t kMostConnections = 64;
  static constexpr size_t kMostHeaderBytes = 32UL << 10;
  static constexpr std::chrono::milliseconds kDeadline{5000};
  static constexpr std::chrono::milliseconds kWorkersMayTake{2000};
  static constexpr std::chrono::milliseconds kTick{100};

  // Listens from now on, and answers once the loop runs. `group` runs as long as this is asked anything.
  HttpServer(EventLoop& loop, WorkerGroup& group, std::vector<ListenSocket> sockets, OwnNames names);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

 private:
  struct Connection {
    MHD_Connection* handle = nullptr;
    int fd = -1;
    TimePoint since{};
    HttpPage page = HttpPage::None;            // that it waits for
    bool is_suspended = false;                 // while the workers are asked
    std::shared_ptr<const OperatorView> view;  // then
  };
  struct Hooks;  // what libmicrohttpd calls

  void on_socket(uint32_t events) override;
  void accepted(int fd, const ClientAddress& address);
  void end_oldest();
  // Lets libmicrohttpd do what there is to do.
  void run();
  void tick();

  // False: the connection is to be closed.
  bool on_request(Connection& connection, const char* path, const char* method, const char* version);
  bool answer(Connection& connection, const HttpReply& reply) const;
  HttpReply page(HttpPage page, const OperatorView& view) const;
  HttpReply ready() const;

  void ask_workers();
  void workers_answered(std::vector<WorkerTally> tallies);
  OperatorView view_now() const;

  EventLoop* loop_;
  WorkerGroup* group_;
  OwnNames names_;
  MHD_Daemon* daemon_ = nullptr;
  SocketWatch watch_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::list<Connection> connections_;  // the oldest first
  bool asking_ = false;                // the workers, since asked_at_
  uint64_t round_ = 0;                 // of asking; a late answer to an older one is nobody's
  TimePoint asked_at_{};
  std::function<void()> on_tick_;
  UvHandle<uv_timer_t> tick_;                               // while there are connections
  std::shared_ptr<char> alive_ = std::make_shared<char>();  // those who are still asked look here
};

}  // namespace sportello::proxy
