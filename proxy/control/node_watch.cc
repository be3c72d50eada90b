#include "proxy/control/node_watch.h"

#include <algorithm>
#include <set>

#include "proxy/control/watched_database.h"
#include "proxy/log.h"
#include "proxy/pool/node_plan.h"
#include "proxy/session/session_settings.h"

namespace sportello::proxy {
namespace {

constexpr std::chrono::milliseconds kLook{1000};
constexpr std::chrono::milliseconds kNever{0};
// For as long, at most, servers that do not answer keep a database from having a primary.
constexpr std::chrono::seconds kMostAwaited{5};
constexpr size_t kMostMarks = 512;
constexpr size_t kMostWatched = 64;
// So long after a read was kept from a replica, it is worth asking often.
constexpr std::chrono::seconds kHeldLately{1};

// `word` in lower case.
bool mentions(const std::string& text, std::string_view word) {
  std::string lower = text;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return lower.find(word) != std::string::npos;
}

}  // namespace

NodeWatch::NodeWatch(EventLoop& loop, WorkerGroup& group)
    : loop_(&loop), group_(&group), on_tick_([this] { tick(); }), on_hurry_([this] { tick(); }) {
  group_->set_on_write_settled([this] { loop_->post([this] { tick(); }); });
  group_->set_on_servers_changed([this] { loop_->post([this] { look_now(); }); });
}

NodeWatch::~NodeWatch() {
  group_->set_on_write_settled(nullptr);
  group_->set_on_servers_changed(nullptr);
}

void NodeWatch::apply_config(RuntimeConfigRef config) {
  config_ = std::move(config);
  for (const auto& [name, entry] : config_->conf.databases) {
    const bool routes = entry.routing != conf::Routing::Off && !entry.replicas.empty();
    if (name != "*" && (routes || !entry.candidates.empty() || config_->caches(name))) {
      group_->note_nodes(*config_, *group_->directory().database(name));
    }
  }
  for (auto& [name, watched] : watched_) {
    watched->set.reset();  // looked at anew
  }
  look_for_databases();
}

void NodeWatch::look_now() {
  if (config_ != nullptr) {
    look_for_databases();
    tick();
  }
}

void NodeWatch::look_for_databases() {
  const TimePoint now = loop_->now();
  look_at_ = now + kLook;
  const auto known = group_->directory().databases();
  look_up_names();
  std::erase_if(watched_, [&](const auto& entry) {
    const auto& database = entry.second->database;
    return database->current_nodes() == nullptr ||
           std::find(known.begin(), known.end(), database) == known.end() ||
           !is_in_use(*config_, *database, now);
  });
  for (const auto& database : known) {
    cache::LostFences& lost_fences = database->scope.lost_fences;
    if (!is_in_use(*config_, *database, now) || database->current_nodes() == nullptr) {
      lost_fences.settle_all();
      continue;
    }
    if (watched_.size() >= kMostWatched && !watched_.contains(database->name)) {
      settle(*database);  // nobody will say
      lost_fences.settle_all();
      continue;
    }
    auto& slot = watched_[database->name];
    if (slot == nullptr) {
      slot = std::make_unique<Watched>();
      slot->database = database;
    }
    watch(*slot);
    if (!asks_primary(*slot)) {
      lost_fences.settle_all();
    }
  }
  set_pace();
}

// Often while servers are watched; else as often as somebody may come who has such.
void NodeWatch::set_pace() {
  const auto& databases = config_->conf.databases;
  const bool may_come = std::any_of(databases.begin(), databases.end(), [&](const auto& entry) {
    return may_have_several(entry.second) || config_->caches(entry.first);
  });
  const std::chrono::milliseconds pace = !watched_.empty() ? kTick : may_come ? kLook : kNever;
  if (pace == pace_) {
    return;
  }
  pace_ = pace;
  hurry_.reset();
  tick_.reset();
  if (pace != kNever) {
    tick_ = loop_->every(pace, &on_tick_);
  }
}

// ---- names ----

// Of servers that can be asked. The resolver keeps what it knows and asks again in time, so this is cheap.
void NodeWatch::look_up_names() {
  std::set<std::string> hosts;
  for (const auto& [name, entry] : config_->conf.databases) {
    if (config_->monitor_user(entry, entry.primary).empty()) {
      continue;
    }
    for (const conf::ServerAddress& server : servers_of(entry)) {
      if (is_name(server)) {
        hosts.insert(server.host);
      }
    }
  }
  std::erase_if(lookups_, [&](const auto& lookup) { return !hosts.contains(lookup.first); });
  for (const std::string& host : hosts) {
    Lookup& lookup = lookups_[host];
    if (!lookup.is_busy) {
      lookup.is_busy = true;
      lookup.ticket = NameResolver::system().resolve(
          *loop_, host, [this, host](const NameAnswer& answer) { name_answered(host, answer); });
    }
  }
}

void NodeWatch::name_answered(const std::string& host, const NameAnswer& answer) {
  Lookup& lookup = lookups_[host];
  lookup.is_busy = false;
  lookup.was_answered = true;
  if (answer.addresses.empty()) {
    if (lookup.complained != answer.why) {
      log_warning("the servers at \"{}\" could not be looked up: {}", host, answer.why);
    }
    lookup.complained = answer.why;
  } else {
    lookup.complained.clear();
  }
  if (!answer.addresses.empty() && group_->node_addresses().learn(host, answer.addresses)) {
    for (const auto& [name, entry] : config_->conf.databases) {
      if (name != "*") {
        group_->directory().database(name);  // known before its first client comes
      }
    }
    for (const auto& database : group_->directory().databases()) {
      group_->renote_nodes(database);
    }
    loop_->post([this] { look_now(); });  // not within what it ends
  }
  for (auto& [name, watched] : watched_) {
    settle_if_all_asked(*watched);
  }
}

bool NodeWatch::is_unresolved(const conf::ServerAddress& address) const {
  return is_name(address) && group_->node_addresses().of(address.host).empty();
}

// ---- who is the primary ----

void NodeWatch::settle(DatabaseRuntime& database) {
  if (database.scope.primary_unknown.exchange(false)) {
    group_->post_serve_all();
  }
}

bool NodeWatch::asks_primary(const Watched& watched) {
  return watched.set != nullptr && watched.sources.contains(&watched.set->primary());
}

bool NodeWatch::awaits_servers(const Watched& watched) const {
  return loop_->now() - watched.since < kMostAwaited &&
         std::any_of(watched.set->nodes.begin(), watched.set->nodes.end(), [&](const auto& node) {
           const auto source = watched.sources.find(node.get());
           if (source != watched.sources.end()) {
             return !source->second->has_outcome();
           }
           const auto lookup = lookups_.find(node->address.host);
           return is_unresolved(node->address) && lookup != lookups_.end() && !lookup->second.was_answered;
         });
}

void NodeWatch::settle_if_all_asked(Watched& watched) {
  if (watched.database->scope.primary_unknown.load() && !awaits_servers(watched)) {
    note_roles(watched);
  }
}

// ---- asking them ----

// One source a node, by the login that the configuration has now.
void NodeWatch::watch(Watched& watched) {
  const NodeSetRef set = watched.database->current_nodes();
  if (set == nullptr || set == watched.set) {
    return;
  }
  if (watched.set == nullptr || watched.set->nodes.front() != set->nodes.front()) {
    watched.marks.clear();
    watched.since = loop_->now();
  }
  watched.set = set;
  std::erase_if(watched.sources, [&](const auto& entry) {
    return std::none_of(set->nodes.begin(), set->nodes.end(),
                        [&](const auto& node) { return node.get() == entry.first; });
  });
  for (const auto& node : set->nodes) {
    if (is_unresolved(node->address)) {
      continue;  // where it leads is not known
    }
    std::optional<OwnLogin> login = monitor_login_at(*config_, watched.database->name, node->address, true);
    if (!login) {
      log_limited("node login", "servers of database \"{}\": nobody to log in as; set monitor_user",
                  printable(watched.database->name));
      watched.sources.erase(node.get());
      continue;
    }
    auto& source = watched.sources[node.get()];
    if (source == nullptr || source->login() != *login) {
      Watched* its = &watched;
      DatabaseScope& scope = watched.database->scope;
      source = std::make_unique<NodeSource>(*loop_, *std::move(login), node, scope.board, scope.lost_fences,
                                            [this, its](NodeSource& told) { answered(*its, told); });
    }
  }
  settle_if_all_asked(watched);
}

bool NodeWatch::in_hurry(const Watched& watched) const {
  const DatabaseScope& scope = watched.database->scope;
  const TimePoint held{Clock::duration(scope.held_at.load(std::memory_order_relaxed))};
  return held != TimePoint() && loop_->now() - held < kHeldLately && scope.board.pending();
}

void NodeWatch::tick() {
  if (config_ == nullptr) {
    return;
  }
  if (loop_->now() >= look_at_) {
    look_for_databases();
  }
  bool any_hurry = false;
  for (auto& [name, watched] : watched_) {
    settle_if_all_asked(*watched);
    watched->database->scope.nudged.store(false);
    any_hurry = any_hurry || in_hurry(*watched);
    ask(*watched);
  }
  if (!any_hurry) {
    hurry_.reset();
  } else if (!hurry_) {
    hurry_ = loop_->every(kHurry, &on_hurry_);
  }
}

void NodeWatch::ask(Watched& watched) {
  const TimePoint now = loop_->now();
  const bool hurry = in_hurry(watched);
  const cache::FreshnessBoard& board = watched.database->scope.board;
  for (auto& [node, source] : watched.sources) {
    const bool is_primary = node == &watched.set->primary();
    const bool lacks = is_primary ? board.question_pending() : node->position->reached() < board.sequence();
    const auto pause = hurry && lacks ? std::max(source->pause, kHurry) : kRest;
    if (!source->is_busy() && now - source->asked_at() >= pause) {
      source->ask(now);
    }
  }
}

void NodeWatch::answered(Watched& watched, NodeSource& source) {
  NodeRuntime& node = *source.node();
  const NodeFinding& finding = source.finding();
  node.reachable.store(finding.answered);
  if (finding.answered) {
    source.pause = node.lsn.load() == source.position().value && !finding.in_recovery ? kHurry
                   : node.lsn.load() == source.position().value
                       ? std::min(std::max(source.pause * 2, kHurry), kMostHurry)
                       : kHurry;
    node.lsn.store(source.position().value);
    node.timeline.store(finding.timeline);
  }
  if (watched.database->scope.primary_unknown.load()) {
    settle_if_all_asked(watched);
    return;  // whose positions count is said by the next answers
  }
  note_roles(watched);
  const bool is_primary = &node == &watched.set->primary();
  if (is_primary) {
    note_primary(watched, source);
  } else {
    note_replica(watched, source);
  }
}

void NodeWatch::note_roles(Watched& watched) {
  std::vector<NodeFinding> findings;
  for (const auto& node : watched.set->nodes) {
    const auto source = watched.sources.find(node.get());
    findings.push_back(source == watched.sources.end() ? NodeFinding() : source->second->finding());
  }
  const NodeRoles found = decide_roles(findings, watched.last_primary);
  std::string conflict;
  bool came_back = false;
  for (size_t i = 0; i < found.roles.size(); i++) {
    NodeRuntime& node = *watched.set->nodes[i];
    if (found.roles[i] == NodeRole::Unknown) {
      continue;
    }
    const NodeRole before = node.role.exchange(found.roles[i]);
    came_back = came_back || (before != found.roles[i] && found.roles[i] == NodeRole::Primary);
    if (found.roles[i] == NodeRole::SecondPrimary) {
      conflict +=
          (conflict.empty() ? "" : ", ") + node.address.host + ":" + std::to_string(node.address.port);
    }
  }
  if (conflict != watched.conflict) {
    watched.conflict = conflict;
    if (!conflict.empty()) {
      log_error("database \"{}\" has a second primary, which is left alone: {}",
                printable(watched.database->name), conflict);
    }
  }
  if (found.primary != 0) {
    const std::shared_ptr<NodeRuntime> left = watched.set->nodes.front();
    const std::shared_ptr<NodeRuntime> taken = watched.set->nodes[found.primary];
    log_warning("database \"{}\": the server at host \"{}\", port {}, is the primary now, on timeline {}",
                printable(watched.database->name), taken->address.host, taken->address.port,
                findings[found.primary].timeline);
    group_->make_primary(watched.database, taken);
    watched.set = watched.database->current_nodes();
    watched.last_primary.timeline = findings[found.primary].timeline;
    watched.database->scope.board.primary_is(watched.last_primary.timeline);
    watched.database->scope.lost_fences.settle_all();  // what they wait for would happen elsewhere
    if (!left->reachable.load()) {
      left->role.store(NodeRole::Unknown);
    }
    watched.marks.clear();
    group_->post_all([left](Worker& worker) { worker.leave_server(left); });
  } else if (came_back) {
    group_->post_serve_all();
  }
  if (found.roles[found.primary] == NodeRole::Primary) {
    watched.last_primary.instance = findings[found.primary].instance;
  }
  settle(*watched.database);
}

void NodeWatch::note_primary(Watched& watched, NodeSource& source) {
  const NodeFinding& finding = source.finding();
  DatabaseScope& scope = watched.database->scope;
  scope.primary_lost.store(!finding.answered || finding.in_recovery);
  if (!finding.answered || finding.in_recovery) {
    return;
  }
  source.node()->lag_bytes.store(0);
  source.node()->lag_us.store(0);
  if (finding.timeline > watched.last_primary.timeline) {
    scope.lost_fences.settle_all();  // another server has its address
    watched.last_primary.timeline = finding.timeline;
  }
  scope.board.question_answered(source.question(), source.position(), finding.timeline);
  if (source.paths()) {
    note_paths(watched, *source.paths());
  }
  const uint64_t lsn = source.position().value;
  if (watched.marks.empty() ||
      (lsn > watched.marks.back().lsn && loop_->now() - watched.marks.back().at >= kTick)) {
    watched.marks.push_back({loop_->now(), lsn});
    if (watched.marks.size() > kMostMarks) {
      watched.marks.pop_front();
    }
  }
  // The replicas may have it already.
  if (in_hurry(watched)) {
    for (auto& [node, other] : watched.sources) {
      if (other.get() != &source && node->position->reached() < scope.board.sequence()) {
        other->pause = kHurry;
        other->ask(loop_->now());
      }
    }
  }
}

void NodeWatch::note_replica(Watched& watched, NodeSource& source) {
  NodeRuntime& node = *source.node();
  const NodeFinding& finding = source.finding();
  cache::FreshnessBoard& board = watched.database->scope.board;
  if (!finding.answered) {
    board.lose_node(*node.position);
    node.lag_us.store(-1);
    return;
  }
  if (!finding.in_recovery) {
    board.lose_node(*node.position);
    return;
  }
  board.replica_at(*node.position, source.position(), finding.timeline);
  if (watched.marks.empty() || finding.timeline != watched.last_primary.timeline) {
    node.lag_bytes.store(-1);
    node.lag_us.store(-1);
    return;
  }
  const uint64_t lsn = source.position().value;
  const uint64_t newest = watched.set->primary().lsn.load();
  node.lag_bytes.store(newest > lsn ? static_cast<int64_t>(newest - lsn) : 0);
  // Since the first moment at which the primary was ahead of it.
  const auto ahead = std::find_if(watched.marks.begin(), watched.marks.end(),
                                  [&](const Mark& mark) { return mark.lsn > lsn; });
  const auto lag = ahead == watched.marks.end() ? Clock::duration::zero() : loop_->now() - ahead->at;
  node.lag_us.store(std::chrono::duration_cast<std::chrono::microseconds>(lag).count());
}

// What the entry itself sets comes first for every link.
void NodeWatch::note_paths(Watched& watched, const DefaultPaths& found) {
  DefaultPaths paths = found;
  const conf::Database* entry = config_->database(watched.database->name);
  const auto options = entry != nullptr ? parse_startup_options(watched.set->primary().address.options)
                                        : std::optional<StartupSettings>();
  const std::string& link_options = watched.set->primary().address.options;
  const bool unclear = entry == nullptr || mentions(entry->connect_query, "search_path") ||
                       (!options && mentions(link_options, "search_path"));
  const std::string* given = options ? find_startup(*options, "search_path") : nullptr;
  const bool begins_read_committed = entry != nullptr && found.begins_read_committed &&
                                     !mentions(entry->connect_query, "isolation") &&
                                     !mentions(link_options, "isolation");
  if (given != nullptr) {
    paths = {.of_server = *given};
  }
  if (unclear) {
    paths = {};
  }
  watched.database->scope.begins_read_committed.store(begins_read_committed);
  paths.begins_read_committed = begins_read_committed;
  if (!watched.has_paths || !(paths == watched.paths)) {
    watched.has_paths = true;
    watched.paths = paths;
    watched.database->scope.paths.publish(std::make_shared<const DefaultPaths>(std::move(paths)));
  }
}

}  // namespace sportello::proxy
