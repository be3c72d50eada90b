// Asks one server of a database what it is, how far its log has come, and of a primary whether the processes
// are gone whose end nobody knows, over a connection of our own that is
// kept. One question at a time; when to ask is the NodeWatch's. For the control loop's thread.
//
// Nothing in the questions hangs on search_path: the connection has the role's own, as it is asked for, too.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "cache/freshness_board.h"
#include "cache/lost_fences.h"
#include "proxy/control/own_login.h"
#include "proxy/net/pq_connection.h"
#include "proxy/pool/node.h"
#include "proxy/router/default_paths.h"
#include "proxy/router/node_roles.h"

namespace sportello::proxy {

class NodeSource {
 public:
  using Answered = std::function<void(NodeSource&)>;

  NodeSource(EventLoop& loop, OwnLogin login, std::shared_ptr<NodeRuntime> node, cache::FreshnessBoard& board,
             cache::LostFences& lost_fences, Answered answered);
  NodeSource(const NodeSource&) = delete;
  NodeSource& operator=(const NodeSource&) = delete;

  // Asks now, unless it is busy or waits for its next attempt to connect.
  void ask(TimePoint now);
  bool is_busy() const { return busy_; }
  TimePoint asked_at() const { return asked_at_; }
  // It has answered, or failed to, at least once.
  bool has_outcome() const { return has_outcome_; }

  // What it said last, and to which question of the board.
  const NodeFinding& finding() const { return finding_; }
  Lsn position() const { return position_; }
  const cache::FreshnessBoard::Question& question() const { return question_; }
  // Of a primary: the search_paths, asked once in a while.
  const std::optional<DefaultPaths>& paths() const { return paths_; }

  const OwnLogin& login() const { return login_; }
  const std::shared_ptr<NodeRuntime>& node() const { return node_; }

  std::chrono::milliseconds pause{0};  // the NodeWatch's own: until the next question

 private:
  void connect();
  void query();
  void query_lost();
  void query_processes(const cache::LostFences::Question& question);
  void query_transactions(const cache::LostFences::Question& question);
  bool is_primary() const { return node_->role.load() == NodeRole::Primary; }
  void query_paths();
  void told(const PqRows& rows);
  void failed(const std::string& why);
  void done();

  EventLoop* loop_;
  const OwnLogin login_;
  const std::shared_ptr<NodeRuntime> node_;
  cache::FreshnessBoard* board_;
  cache::LostFences* lost_fences_;
  const Answered answered_;
  bool busy_ = false;
  bool has_outcome_ = false;
  TimePoint asked_at_{};
  unsigned failures_ = 0;  // in a row
  TimePoint retry_at_{};
  TimePoint paths_at_{};
  std::string complained_;  // of what, last
  NodeFinding finding_;
  Lsn position_{};
  cache::FreshnessBoard::Question question_;
  std::optional<DefaultPaths> paths_;
  PqConnection connection_;  // last: its answers use the rest
};

}  // namespace sportello::proxy
