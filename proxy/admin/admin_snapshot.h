// What one worker has at one moment, as plain values: its clients and its server links. Taken on the worker's
// thread, shown on another's (admin_show.h). Holds no secret: no password, no cancel key, no statement.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace sportello::proxy {

class Worker;

struct SocketEnd {
  std::string address;  // "unix" for a Unix socket
  int port = 0;
};

struct SocketSnapshot {
  using WallTime = std::chrono::system_clock::time_point;

  uint64_t id = 0;
  std::string user;
  std::string pool_user;  // of the pool, which may be others' clients', too
  std::string database;
  std::string state;
  SocketEnd remote;
  SocketEnd local;
  WallTime connected_at{};
  WallTime request_at{};
  std::chrono::microseconds wait{0};
  bool close_needed = false;
  uint64_t link_id = 0;  // of the link that the client holds, or the client that holds the link; 0: none
  uint32_t process_id = 0;
  std::string tls;
  std::string application_name;
  size_t prepared_statements = 0;
  std::string pinned;
  std::string replication = "none";  // or physical, logical
  size_t unsent_bytes = 0;
  size_t buffer_bytes = 0;  // taken by these, and by what has come and cannot be passed on yet
};

struct WorkerSnapshot {
  std::vector<SocketSnapshot> clients;  // state: active, idle, waiting, login
  std::vector<SocketSnapshot> servers;  // state: active, idle, used, tested, new, being_canceled
};

WorkerSnapshot take_snapshot(Worker& worker);

}  // namespace sportello::proxy
