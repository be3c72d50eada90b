// The part of ClientConnection that sends lone reads to replicas: whether, to which, what happens when that
// goes wrong. Decisions are ClientSession::lone_read()'s and router.h's.
#include "proxy/log.h"
#include "proxy/router/router.h"
#include "proxy/session/client_connection.h"
#include "proxy/worker.h"
#include "proxy/worker_group.h"

namespace sportello::proxy {
namespace {

// An answer that is held back for longer goes out all the same: tables that are written without a pause would
// hold it for ever.
constexpr std::chrono::seconds kMostHeldBack{5};

// The end of a lone batch: ReadyForQuery, outside a transaction.
constexpr std::string_view kReadyIdle("Z\0\0\0\5I", 6);

// Pools at which links are to be had, as far as this worker knows. `only`: of this server; nullptr: of any.
class PoolFilter final : public NodeFilter {
 public:
  PoolFilter(Worker& worker, Pool& home, const NodeRuntime* only)
      : worker_(worker), home_(home), only_(only) {}

  bool may_use(size_t node) override {
    if (only_ != nullptr && home_.settings().nodes->nodes[node].get() != only_) {
      return false;
    }
    Pool& pool = worker_.replica_pool(home_, node);
    return !pool.is_down() &&
           pool.shared().retry_at.load(std::memory_order_relaxed) <= worker_.now().time_since_epoch().count();
  }

 private:
  Worker& worker_;
  Pool& home_;
  const NodeRuntime* only_;
};

}  // namespace

void ClientConnection::track_writes() {
  const PoolSettings& settings = pool_->settings();
  const std::string& role =
      settings.address.user.empty() ? pool_->shared().user->name : settings.address.user;
  session_->track_writes(std::make_unique<SessionFreshness>(worker_->names(pool_->shared().database),
                                                            pool_->shared().user->id, role));
}

// nullptr: it waits there. A pool may have gone to another server since the route was chosen, of which nobody
// has asked how far it has come: then it is the primary's.
ServerLink* ClientConnection::take_link_of(Pool& pool) {
  ServerLink* link = worker_->get_link(pool, *this);
  if (link != nullptr && routed_ != nullptr && link->server() != routed_) {
    worker_->link_unused(*link);
    leave_route();
    link = worker_->get_link(*pool_, *this);
  }
  return link;
}

// Of a read of session_->reading().
Route ClientConnection::choose() {
  const NodeSet& set = *pool_->settings().nodes;
  DatabaseScope& scope = session_->scope();
  const cache::ReadNeeds needs = read_needs(member_->settings.freshness, session_->reading(),
                                            scope.tables.all(), session_->freshness()->last_write());
  const NodeRuntime* only =
      session_->has_deferred_block() ? session_->deferred_block().server.get() : nullptr;
  PoolFilter filter(*worker_, *pool_, only);
  const Route route = choose_node(set, member_->settings.freshness, needs, filter);
  if (route.reason == RouteReason::FloorNotReached || route.reason == RouteReason::Fenced) {
    scope.held_at.store(worker_->now().time_since_epoch().count(), std::memory_order_relaxed);
  }
  return route;
}

Pool& ClientConnection::enter_route(size_t node, size_t bytes) {
  routed_ = pool_->settings().nodes->nodes[node];
  routed_->in_flight.fetch_add(1, std::memory_order_relaxed);
  routed_->reads.fetch_add(1, std::memory_order_relaxed);
  routed_pool_ = &worker_->replica_pool(*pool_, node);
  read_left_ = bytes;
  if (session_->has_deferred_block()) {
    session_->deferred_block().server = routed_;
  }
  return *routed_pool_;
}

// Where what stands in front of `in` is to be asked.
Pool& ClientConnection::route(std::string_view in) {
  const LoneRead read = session_->lone_read(in);
  const Route route = read.reason == RouteReason::Replica ? choose() : Route{0, read.reason};
  session_->scope().routes.add(route.reason);
  if (route.node == 0 || pool_->settings().nodes->routing != conf::Routing::On) {
    return *pool_;
  }
  read_fingerprint_ = read.fingerprint;
  return enter_route(route.node, read.bytes);
}

Pool& ClientConnection::route_or_home(std::string_view in) {
  const bool routes = startup_ == nullptr && pool_->settings().nodes != nullptr &&
                      pool_->settings().nodes->routing != conf::Routing::Off;
  return routes ? route(in) : *pool_;
}

bool ClientConnection::could_leave_primary() {
  const bool waits = state_ == ConnectionState::Waits && routed_ == nullptr && session_ != nullptr;
  if (!waits || session_->freshness() == nullptr || pool_->settings().nodes->routing != conf::Routing::On) {
    return false;
  }
  const bool reads =
      again_ ? again_->of_lone_read : input_ && session_->lone_read(*input_).reason == RouteReason::Replica;
  return reads && choose().node != 0;
}

void ClientConnection::leave_route() {
  if (routed_ != nullptr) {
    routed_->in_flight.fetch_sub(1, std::memory_order_relaxed);
    routed_.reset();
    routed_pool_ = nullptr;
    read_left_ = 0;
    held_back_at_ = TimePoint();
  }
}

// A replica's answer was not good; again_ is to be asked of the primary.
void ClientConnection::note_fled() {
  if (again_) {
    count(routed_->retried);
    count(pool_->stats().retried_reads);
  }
  if (session_->take_fled_read_only()) {
    if (again_) {
      again_->only_reads = false;
    }
    if (read_fingerprint_ != 0) {  // of several shapes nobody knows which it was
      session_->freshness()->names().refuse_shape(read_fingerprint_);
    }
  }
}

bool ClientConnection::holds_back(std::string_view view) {
  const DatabaseScope& scope = session_->scope();
  const bool ends = view.ends_with(kReadyIdle);
  if (!ends || pool_->settings().nodes == nullptr || member_->settings.freshness != conf::Freshness::Table ||
      !cache::is_fenced(session_->reading(), scope.tables.all())) {
    return false;
  }
  if (session_->flee()) {
    return false;  // nothing of it was seen: the primary is asked
  }
  if (held_back_at_ == TimePoint()) {
    held_back_at_ = worker_->now();
  }
  return worker_->now() - held_back_at_ < kMostHeldBack;
}

void ClientConnection::go_on() {
  if (is_closed() || link_ != nullptr || is_waiting()) {
    return;
  }
  if (again_) {
    wait_since_ = worker_->now();
    Pool* from = pool_;
    // Another replica may have it, if the primary is gone, too.
    if (again_->of_lone_read && session_->scope().primary_lost.load(std::memory_order_relaxed)) {
      if (const Route other = choose(); other.node != 0) {
        end_fill();  // it may have seen less than was noted
        from = &enter_route(other.node, 0);
      }
    }
    if (ServerLink* link = take_link_of(*from)) {
      link_granted(*link);
    } else {
      began_to_wait();
    }
  } else if (input_) {
    transport_.resume();
    relay(*input_);
  }
}

void ClientConnection::reroute() {
  leave_route();
  move(ConnectionEvent::LinkRefused);
  go_on();
}

}  // namespace sportello::proxy
