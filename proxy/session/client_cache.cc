// The part of ClientConnection that asks the result cache before any server: whether what the client wants
// is there, who asks for it if not, and what of a server's answer is kept. Rules and invariants are
// cache/README.md's; which bytes make a read and its answer is ClientSession's (cached_read.cc).
#include <algorithm>

#include "protocol/sql/moment_words.h"
#include "protocol/sqlstate.h"
#include "proxy/session/client_connection.h"
#include "proxy/session/worker_cache.h"
#include "proxy/worker.h"
#include "proxy/worker_group.h"

namespace sportello::proxy {
namespace {

using cache::LookUp;
using cache::RuleCounts;

cache::KeyParts key_parts(const CachedRead& read, const Meaning& meaning, const DatabaseScope& scope) {
  cache::KeyParts parts;
  parts.database = scope.id;
  parts.meaning = meaning.version;
  parts.text = read.text;
  parts.parameter_formats = read.bind.parameter_formats;
  parts.parameters = read.bind.parameters;
  parts.result_formats = read.bind.result_formats;
  parts.rows_shape = read.rows_shape;
  return parts;
}

// As Parse has them on the wire: a count, then the OIDs.
void read_types(std::string_view wire, std::vector<cache::Oid>& types) {
  types.clear();
  for (size_t at = sizeof(uint16_t); at + sizeof(uint32_t) <= wire.size(); at += sizeof(uint32_t)) {
    types.push_back(load_be32(wire.data() + at));
  }
}

// A string that the server may read as a moment: what "today" is will be another tomorrow.
bool has_moment(const BindMessage& bind) {
  return std::any_of(bind.parameters.begin(), bind.parameters.end(), [](const auto& parameter) {
    return parameter.has_value() && sql::names_a_moment(*parameter);
  });
}

}  // namespace

// Nothing is served that nobody watches over: the log is followed, or the rule wants it all the same.
cache::NotCached ClientConnection::judge_guard(const CacheVerdict& verdict) const {
  if (verdict.why != cache::NotCached::Allowed || !pool_->settings().cache_follows_log ||
      verdict.rule->settings.untracked_tables) {
    return verdict.why;
  }
  if (!verdict.is_followed) {
    return cache::NotCached::NotFollowed;
  }
  return session_->scope().follower.guards() ? cache::NotCached::Allowed : cache::NotCached::Unguarded;
}

bool ClientConnection::is_in_block() const {
  return session_->has_deferred_block() || session_->in_block_on_link();
}

// Whether it may be answered where its session stands (C10).
cache::NotCached ClientConnection::judge_place(const CacheVerdict& verdict) const {
  const cache::NotCached guarded = judge_guard(verdict);
  if (guarded != cache::NotCached::Allowed || !is_in_block()) {
    return guarded;
  }
  if (verdict.meaning->facts.hangs_on_transaction) {
    return cache::NotCached::InTransaction;
  }
  const bool is_read_committed = link_ != nullptr || session_->deferred_block().is_read_committed;
  return cache::judge_block(*verdict.rule,
                            {.is_open = true, .is_read_committed = is_read_committed, .has_written = false});
}

std::optional<cache::KeyView> ClientConnection::cache_key(const CacheVerdict& verdict) {
  WorkerCache& cache = worker_->cache();
  const CachedRead& read = cache.read;
  cache::KeyParts parts = key_parts(read, *verdict.meaning, session_->scope());
  if (!verdict.rule->settings.shared) {
    // Whom the servers know: clients' users that are logged in as one see the same.
    parts.user = pool_->shared().user->name;
    parts.role = pool_->settings().address.user;
  }
  // Functions may read what no session says to a server for the sake of its rows.
  const cache::ResolvedFacts& facts = verdict.meaning->facts;
  const SettingsValues& settings = *session_->settings();
  parts.settings = settings.results_id;
  if (facts.stable_functions || facts.row_security) {
    parts.application_name = settings[Tracked::ApplicationName];
  }
  cache.types.clear();
  if (read.statement != nullptr) {
    read_types(read.statement->parameter_types, cache.types);
  }
  parts.parameter_types = cache.types;
  return cache.keys.build(parts);
}

// Not a replica's that lacks what was written to these tables, as all but freshness = "table" allow. Asked
// once their epochs are noted: a write of before has set what the replica must have reached. (C11)
bool ClientConnection::may_keep_answer_about(std::span<const cache::TableState* const> tables) const {
  return routed_ == nullptr ||
         routed_->position->may_answer(cache::needs_of(tables, session_->scope().tables.all(), 0));
}

ClientConnection::CacheAnswer ClientConnection::ask_cache(std::string_view in) {
  const PoolSettings& settings = pool_->settings();
  const std::unique_ptr<FlightWait> flight = std::move(flight_);  // for this request, or for none
  end_fill();                                                     // of a request that got no link
  if (settings.cache_rules == nullptr || session_->freshness() == nullptr) {
    return {};
  }
  WorkerCache& cache = worker_->cache();
  CachedRead& read = cache.read;
  if (!session_->find_cached_read(in, read)) {
    return {};
  }
  if (flight != nullptr && flight->landed != nullptr) {
    return answer_from(*flight->landed);
  }
  SessionFreshness& freshness = *session_->freshness();
  DatabaseNames& names = freshness.names();
  names.use_rules(settings.cache_rules, database_name(), cache.counts);
  const CacheVerdict verdict = names.judge(
      read.facts, *session_->settings(), freshness.owner(),
      {.user = user_name(), .application_name = (*session_->settings())[Tracked::ApplicationName]});
  if (verdict.rule == nullptr) {
    return {};
  }
  cache::NotCached why = judge_place(verdict);
  const bool takes_moments = verdict.rule->settings.stable_functions && !is_in_block();
  if (why == cache::NotCached::Allowed && !takes_moments && has_moment(read.bind)) {
    why = cache::NotCached::Stable;
  }
  if (why != cache::NotCached::Allowed) {
    RuleCounts::add(verdict.counts->not_cached, why);
    return {};
  }
  if (pool_->shared().database->paused.load(std::memory_order_relaxed)) {
    return {};
  }
  const auto key = cache_key(verdict);
  if (!key) {
    return {};
  }
  const cache::SessionFloor floor{
      .last_write = freshness.last_write(),
      .follower = verdict.is_followed ? session_->scope().follower.position().get() : nullptr};
  const cache::Found found = cache.shared.store.look_up({.key = *key,
                                                         .now = worker_->now(),
                                                         .ttl = verdict.rule->settings.ttl,
                                                         .floor = floor,
                                                         .form = read.form});
  RuleCounts::add(verdict.counts->look_ups, found.outcome);
  const bool in_shadow = verdict.rule->settings.mode == conf::CacheMode::Shadow;
  if (found.outcome == LookUp::Hit && !in_shadow) {
    RuleCounts::add(verdict.counts->bytes, found.result->messages().size());
    return answer_from(*found.result);
  }
  if (flight != nullptr && flight->asks_alone) {
    return {};
  }
  CacheAnswer answer;
  const bool holds_link = link_ != nullptr;
  if (!holds_link) {
    answer.route = &route_or_home(in);
  }
  cache::Filling filling{
      .snapshot = cache::Snapshot::take(tables_of_scope(), verdict.meaning->reads),
      .as_of = routed_ != nullptr ? routed_->position->reached() : session_->scope().board.sequence(),
      .sent_at = worker_->now(),
      .database = session_->scope().id,
      .rule = verdict.rule->id};
  if (!may_keep_answer_about(verdict.meaning->reads)) {
    return answer;
  }
  std::unique_ptr<CacheFill> fill = cache.get_fill();
  fill->counts = verdict.counts;
  fill->recorder.begin(verdict.rule->settings.max_result_size, read.bind.result_formats);
  if (holds_link || session_->has_deferred_block()) {
    fill->recorder.allow_block();
  }
  fill->flight.begin(*key, std::move(filling), read.form);
  fill->shadowed = in_shadow ? found.result : nullptr;
  // Who holds a link does not wait for others.
  if (in_shadow || holds_link || !waits_for_flight(fill->flight, floor, *verdict.counts)) {
    begin_fill(std::move(fill));
    return answer;
  }
  leave_route();
  cache.give_back(std::move(fill));
  wait_since_ = worker_->now();
  move(ConnectionEvent::FlightJoined);
  answer.waits = true;
  return answer;
}

// False: nobody is asking for it, so `flight` is in the air.
bool ClientConnection::waits_for_flight(cache::Flight& flight, const cache::SessionFloor& floor,
                                        cache::RuleCounts& counts) {
  WorkerCache& cache = worker_->cache();
  const uint64_t wait = ++cache.last_wait;
  const auto ticket = cache.shared.flights.join(
      flight, floor,
      [worker = worker_, wait, id = process_id_](cache::Landing how, const cache::CachedResultRef& result) {
        worker->loop().post([worker, wait, id, how, result] {
          if (ClientConnection* client = worker->find_client(id)) {
            client->flight_landed(wait, how, result);
          }
        });
      });
  if (!ticket) {
    return false;
  }
  flight_ = std::make_unique<FlightWait>();
  flight_->ticket = *ticket;
  flight_->number = wait;
  flight_->counts = &counts;
  return true;
}

ClientConnection::CacheAnswer ClientConnection::answer_from(const cache::CachedResult& result) {
  const CachedRead& read = worker_->cache().read;
  session_->answer_cached_read(read, result, worker_->to_client());
  QueryTable& queries = worker_->queries();
  queries.count_cached(session_->query_of(read.facts->fingerprint, read.text), result.rows());
  PoolStats& stats = pool_->stats();
  count(stats.queries);
  if (!session_->has_deferred_block() && !session_->in_block_on_link()) {
    count(stats.transactions);
  }
  note_statements();
  answered_at_ = worker_->now();
  return {.taken = read.bytes};
}

// The states stay as long as a result that hangs on them.
std::shared_ptr<const cache::TableStates> ClientConnection::tables_of_scope() const {
  const std::shared_ptr<DatabaseRuntime>& database = pool_->shared().database;
  return {database, &database->scope.tables};
}

void ClientConnection::begin_fill(std::unique_ptr<CacheFill> fill) {
  fill_ = std::move(fill);
  session_->record_answer(&fill_->recorder);
}

// Whoever waits for it has to look again.
void ClientConnection::end_fill() {
  if (fill_ != nullptr) {
    session_->record_answer(nullptr);
    worker_->cache().give_back(std::move(fill_));
  }
}

void ClientConnection::finish_fill() {
  session_->record_answer(nullptr);
  std::unique_ptr<CacheFill> fill = std::move(fill_);
  RuleCounts& counts = *fill->counts;
  const cache::Filling& filling = fill->flight.filling();
  worker_->cache().shared.store.prefetch(fill->flight.key().hash);
  const cache::CachedResultRef result = fill->recorder.result(fill->flight.key(), filling);
  if (result == nullptr) {
    RuleCounts::add(counts.refused, fill->recorder.refusal());
    fill->flight.land_unkept();
    worker_->cache().give_back(std::move(fill));
    return;
  }
  if (fill->shadowed != nullptr) {
    RuleCounts::add(counts.shadow_hits);
    if (filling.snapshot.is_valid() && fill->shadowed->rows_and_end() != result->rows_and_end()) {
      RuleCounts::add(counts.shadow_differences);
    }
  }
  const bool kept = worker_->cache().shared.store.put(result);
  RuleCounts::add(kept ? counts.stored : counts.not_stored);
  fill->flight.land(result);
  worker_->cache().give_back(std::move(fill));
}

void ClientConnection::flight_landed(uint64_t wait, cache::Landing how,
                                     const cache::CachedResultRef& result) {
  if (state_ != ConnectionState::AwaitsAnswer || flight_ == nullptr || wait != flight_->number) {
    return;
  }
  if (how == cache::Landing::Result) {
    flight_->landed = result;
    RuleCounts::add(flight_->counts->joined);
    RuleCounts::add(flight_->counts->bytes, result->messages().size());
  }
  end_wait_for_flight(how == cache::Landing::Alone);
}

void ClientConnection::leave_flight() {
  if (flight_ != nullptr && std::exchange(flight_->number, 0) != 0) {
    flight_->ticket.leave();
  }
}

void ClientConnection::end_wait_for_flight(bool alone) {
  flight_->asks_alone = alone;
  leave_flight();
  move(ConnectionEvent::FlightLanded);
  transport_.resume();
  relay(*input_);
}

}  // namespace sportello::proxy
