// One client's conversation after login, without I/O: takes what the client sent and says what goes to the
// server link that the session holds (if it holds one), takes what the link sent and says what the client
// sees of it.
//
//    client bytes ──▶ on_client_bytes ──▶ to_server ──▶ link          (client_session.cc, extended_query.cc)
//    client ◀── to_client ◀── on_server_bytes ◀── link bytes          (answer_relay.cc)
//
// A transaction block that the client has begun is begun on a server when that is needed (deferred_block.h).
//
// It decides when a link is needed and when it may go back, keeps the client's prepared statements and
// settings (virtual_statements.h, session_settings.h), and pins itself to its link when a statement leaves
// something on the server that cannot be carried to another. It leaves waiting, pools and timeouts to
// ClientConnection.
//
// Invariants:
//   1. Without a link the session owes the client nothing and the server owes the session nothing. With a
//   link and an open DeferredBlock, the link serves one lone read of that block, and nothing else is sent
//   there.
//   2. A link is let go only at rest (LinkState::at_rest) and unpinned, so the next holder finds it waiting.
//   3. Every request sent is in LinkState::owed before its bytes are in the outbox.
//   4. Messages that are only forwarded are never held: a body that is not all there yet is passed on in
//   pieces.
//   5. A batch that has only prepared, and whose client has sent Flush and not Sync, may be ended by a Sync
//   of ours, once nothing is owed: no request of the client's is run or skipped because of it, and it ends no
//   transaction. The client's own Sync is then answered without a server; if the batch has failed, what comes
//   before it is passed over.
//   6. Who was told the shape of a statement's rows, and does not ask again, gets no rows of another shape:
//   a link on which the statement was prepared anew is asked first (undescribed_rows.cc).
//
// Used on its worker's thread only.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cache/result_recorder.h"
#include "protocol/error_response.h"
#include "protocol/frame_decoder.h"
#include "protocol/frontend_messages.h"
#include "protocol/result.h"
#include "protocol/sql/facts_cache.h"
#include "proxy/net/outbox.h"
#include "proxy/pool/link_state.h"
#include "proxy/router/session_freshness.h"
#include "proxy/session/cached_read.h"
#include "proxy/session/close_reason.h"
#include "proxy/session/database_scope.h"
#include "proxy/session/deferred_block.h"
#include "proxy/session/statement_shape.h"
#include "proxy/session/virtual_statements.h"

namespace sportello::proxy {

// What all sessions of one worker share; outlives them.
struct SessionContext {
  sql::FactsCache* facts = nullptr;
  StatementCache* statements = nullptr;
  size_t inspect_max = 64UL << 10;  // longer messages are streamed, not looked into
  size_t max_prepared_statements =
      200;  // a link; 0: named statements pin the session and keep the client's own names
  uint32_t max_packet_size = kMaxFrameLength;  // a longer message, of either side, ends its connection
  bool simple_query_disabled = false;          // disable_pqexec: a Query ends its connection
  QueryTable* queries = nullptr;               // where answers are counted by shape; nullptr: nowhere
  std::string_view following = {};             // what has come behind the client's message that is looked at
  Limbo* limbo = nullptr;                      // where writes are tracked
  std::function<void(DatabaseScope&)> write_settled = {};     // likewise; asks for its position
  std::function<void(std::string_view)> empty_database = {};  // by its name there; closes idle links to it
};

struct ClientStep {
  enum class Need : uint8_t {
    Nothing,  // all that could be done was done; `taken` bytes are used up
    Link,     // the byte after `taken` needs a server link
    Close,    // `reason` says why; nothing more is to be read
  };
  size_t taken = 0;
  Need need = Need::Nothing;
  CloseReason reason = CloseReason::None;
  std::unique_ptr<std::string> detail = {};  // for the client and the log, with ProtocolViolation
};

struct ServerStep {
  size_t taken = 0;
  bool free = false;               // the link may go back to its pool
  bool ended_transaction = false;  // at least one ReadyForQuery said 'I'
  uint32_t commands = 0;           // Syncs and Querys of the client that were answered
  // The link is to be closed: the server did what the protocol does not allow, or said goodbye.
  std::unique_ptr<Error> broken = {};
  bool goes_on = false;                // what the client has sent next waited for this, and can be taken now
  std::unique_ptr<Replay> again = {};  // the replica's answer was kept from the client: ask the primary
};

// What a link is taken for.
enum class LinkUse : uint8_t {
  Anything,
  LoneRead,  // it is a replica's: the session is given what lone_read() found, and no more
  Replay,    // run_again() follows: it ends what was begun, and begins no block
};

// What the client wants next, if that is one whole batch that only reads (lone_read.cc).
struct LoneRead {
  size_t bytes = 0;  // of the batch
  RouteReason reason = RouteReason::NotALoneRead;
  size_t statements = 0;     // that it runs
  uint64_t fingerprint = 0;  // theirs; 0: they are of several
};

// Counted per session; a bit each of sql::Effect, plus these.
inline constexpr uint64_t kPinTooLong = 1ULL << 48;       // a statement too long to be looked into
inline constexpr uint64_t kPinFunctionCall = 1ULL << 49;  // the fast-path call of an unknown function
inline constexpr uint64_t kPinUnreported = 1ULL << 50;  // SET of a parameter that this server does not report
inline constexpr uint64_t kPinNamedStatement = 1ULL << 51;  // prepared under the client's own name

// Of the extended protocol, for SHOW STATS.
struct StatementCounts {
  uint32_t client_parses = 0;
  uint32_t server_parses = 0;
  uint32_t binds = 0;

  bool any() const { return client_parses + server_parses + binds > 0; }
};

// What is left to do when a session's link has died. Its client has been told all that could be told.
struct LinkLoss {
  std::optional<Replay>
      again;  // run this on another link: it only reads, and its client has seen nothing of it
  bool session_ends = false;  // what was lost cannot be had again: close the client's connection
  Error told = {};            // and this is why
};

class ClientSession {
 public:
  ClientSession(SessionContext& context, DatabaseScope& scope, uint64_t user_id)
      : context_(&context), scope_(&scope), serial_(next_serial()), user_id_(user_id) {}
  ~ClientSession();
  ClientSession(const ClientSession&) = delete;
  ClientSession& operator=(const ClientSession&) = delete;

  // At login. `settings` are those in force, and what RESET goes back to; `process_id` is what the client was
  // given as its backend's (0: nothing).
  void begin(Settings settings, uint32_t process_id = 0);

  // `in` is what has come and was not taken yet; of a message that is to be looked into the whole must come
  // in one call before it is taken.
  ClientStep on_client_bytes(std::string_view in, Outbox& to_server, Outbox& to_client);
  ServerStep on_server_bytes(std::string_view in, Outbox& to_server, Outbox& to_client);

  // The session gets a link at rest; what has to be set there first is sent.
  void take_link(LinkState& link, Outbox& to_server, LinkUse use = LinkUse::Anything);
  // Gives it back; only when ServerStep said free, or when the link died.
  void leave_link();
  // The link died: `why` is what is known of it.
  LinkLoss lose_link(const Error& why, Outbox& to_client);
  // Runs a batch that lose_link() returned, on the link just taken.
  void run_again(Replay replay, Outbox& to_server);
  // The session's next statement cannot have a link: it fails with `why`. `in` is what on_client_bytes did
  // not take; returns how much of it is used up.
  size_t refuse(std::string_view in, const Error& why, Outbox& to_client);
  // Gives a batch up that could not be run again.
  void fail_replay(const Replay& replay, const Error& why, Outbox& to_client);

  // ---- transaction blocks without a link (deferred_block.cc) ----
  // BEGIN is answered here from now on (pool_mode = transaction).
  void defer_begin() { defers_begin_ = true; }
  // BEGIN, COMMIT or ROLLBACK in the extended protocol; returns how much of `in` was answered.
  size_t answer_block_batch(std::string_view in, Outbox& to_client);
  bool has_deferred_block() const { return block_ != nullptr && block_->is_open; }
  // Only if there is one.
  DeferredBlock& deferred_block() { return *block_; }
  // All that was asked on its link is answered, and what comes next means the same as without a link: the
  // session keeps its link for good and has left nothing there, or it is in a block that is READ COMMITTED
  // for certain and has done nothing but plain reads.
  bool rests_on_link() const {
    return link_ != nullptr && link_->owed.empty() && !link_->unsynced && !link_->skips_to_sync &&
           !link_->copy_in && body_left_ == 0 && pins_ == 0 && !leaves_doubt_ && !blurred_ &&
           !discards_names_ && (in_block_on_link() ? block_only_reads_ : keeps_link_ && link_->at_rest());
  }
  bool in_block_on_link() const { return link_ != nullptr && link_->status == TransactionStatus::InBlock; }
  BlockCounts take_block_counts() { return block_ ? std::exchange(block_->counts, {}) : BlockCounts(); }
  // The client is in a transaction block, or takes itself to be in one that was lost.
  bool in_block_without_link() const { return has_deferred_block() || failed_block_; }

  // ---- where there are replicas ----
  // From now on it is known what the session writes, and what it must find in what it reads.
  void track_writes(std::unique_ptr<SessionFreshness> freshness);
  // From its next link on it is another at the server.
  void set_server_user(uint64_t user_id) { user_id_ = user_id; }
  SessionFreshness* freshness() const { return freshness_.get(); }
  // Does `in` begin with a batch that a replica may answer? reading() are the tables then.
  LoneRead lone_read(std::string_view in);
  std::span<const cache::TableState* const> reading() const { return reading_; }
  // The answer under way is not to reach the client; ServerStep::again will say what to ask the primary.
  // False: too late, or not a lone read.
  bool flee();
  // A replica has called what it fled from a write, since the last call.
  bool take_fled_read_only() { return std::exchange(fled_read_only_, false); }

  // ---- where there is a cache (cached_read.cc) ----
  // Does `in` begin with a batch that asks for one result, without anything before it that matters?
  bool find_cached_read(std::string_view in, CachedRead& read);
  // The batch is done: what the client is told, and what the session knows after it.
  void answer_cached_read(const CachedRead& read, const cache::CachedResult& result, Outbox& to_client);
  // From now on the recorder sees what the client is sent of the server's answers; nullptr: nobody does.
  void record_answer(cache::ResultRecorder* recorder) { recorder_ = recorder; }

  // The shape of a statement of this session, where answers are counted by shape.
  QueryRef query_of(uint64_t fingerprint, std::string_view text) const {
    return context_->queries == nullptr
               ? QueryRef()
               : context_->queries->find({scope_->id, fingerprint}, text, conforming_strings());
  }
  LinkState* link() const { return link_; }
  bool pinned() const { return pins_ != 0; }
  // Comma-separated words, for SHOW CLIENTS; empty when not pinned.
  std::string pin_reasons() const;
  // The session holds its link for as long as it lives (pool_mode = session, replication).
  void keep_link_forever() { keeps_link_ = true; }
  bool keeps_link() const { return keeps_link_; }
  // A statement of the session left something on the link that nobody declared (kLeavesDoubt).
  bool leaves_doubt() const { return leaves_doubt_; }

  const Settings& settings() const { return settings_; }
  size_t prepared_statements() const { return names_ ? names_->size() : 0; }
  // Since they were last taken.
  StatementCounts take_counts() { return std::exchange(counts_, {}); }
  // What the client has sent next waits until its link has said what a statement's rows are.
  bool asks_shape() const { return asks_shape_; }
  // The client is in the middle of a message whose end has not come.
  bool in_message() const { return body_left_ > 0; }
  DatabaseScope& scope() const { return *scope_; }

 private:
  // What became of one message of the client.
  enum class Outcome : uint8_t { Taken, NeedMore, NeedLink, Waits, Violation, Terminate };

  struct Message {
    Frame frame;
    std::string_view front;  // of the frame, header included, as far as it has come
    bool whole() const { return front.size() == frame.total_bytes(); }
    std::string_view body() const { return front.substr(kFrameHeaderBytes); }
  };

  Outcome on_message(const Message& message, Outbox& to_server, Outbox& to_client);
  Outcome on_query(const Message& message, Outbox& to_server, Outbox& to_client);
  Outcome on_parse(const Message& message, Outbox& to_server, Outbox& to_client);
  // max_prepared_statements is 0: the link has this statement under the client's own name.
  bool passes_name(std::string_view name) const;
  Outcome pass_named_parse(const Message& message, std::string_view name, StatementRef statement,
                           Outbox& to_server);
  // An error before it may have aborted the transaction in which the server will read what is sent now.
  bool may_be_aborted() const;
  void rest_after_preparing(Outbox& to_server);
  void parse_deallocate(const ParseMessage& parse, const std::string& name, Outbox& to_server);
  Outcome on_long_parse(const Message& message, Outbox& to_server);
  Outcome on_bind(const Message& message, Outbox& to_server);
  Outcome on_describe(const Message& message, Outbox& to_server);
  Outcome on_close(const Message& message, Outbox& to_server, Outbox& to_client);
  Outcome on_sync(const Message& message, Outbox& to_server, Outbox& to_client);
  Outcome on_copy(const Message& message, Outbox& to_server);
  Outcome on_function_call(const Message& message, Outbox& to_server);
  // deferred_block.cc
  bool answer_block(std::string_view text, const sql::StatementFacts& facts, Outbox& to_client);
  struct BlockBatch {
    size_t bytes = 0;
    StatementRef statement;
    bool parses = false;  // it, as `name`
    std::string_view name;
    bool describes_statement = false;
    bool describes_portal = false;
    bool closes = false;
    bool syncs = false;
  };
  bool find_block_batch(std::string_view in, BlockBatch& batch);
  bool take_block_message(char type, std::string_view body, BlockBatch& batch, bool& bound, bool& executed);
  bool is_statement_of(BlockBatch& batch, std::string_view name);
  bool is_answered_here(const sql::StatementFacts& facts) const;
  std::string_view change_block(std::string_view text, const sql::StatementFacts& facts);
  void open_block(std::string_view text, const sql::StatementFacts& facts);
  TransactionStatus status_without_link() const;
  void send_begin(Outbox& to_server);
  TransactionStatus status_after_lone_read();
  TransactionStatus status_after_read();  // that no server counts to a block
  void fail_deferred_block();
  void note_block_failed() {
    if (has_deferred_block()) {
      block_->failed = true;
    }
  }
  static bool is_asked_of_replicas(const sql::StatementFacts& facts);
  // link_loss.cc
  Outcome on_message_without_server(const Message& message, Outbox& to_client);
  Outcome fail_message(const Message& message, bool to_sync, Outbox& to_client);
  bool is_untold_commit(const sql::StatementFacts& facts) const;
  void end_failed_block(Outbox& to_client);
  void tell_lost(const Error& why, Outbox& to_client);

  // Sends a message as it came (as much of it as is there; the rest streams after it).
  // `unnamed`: the statement that the link's unnamed one has to be for this.
  void forward(const Message& message, const OwedAnswer& owed, Outbox& to_server,
               const StatementRef& unnamed = nullptr);
  void discard(const Message& message);
  void stream_rest(const Message& message, bool forwarded);
  // The answer has ended, and the client has it.
  void note_answered(const OwedAnswer& owed, bool failed) const {
    if (owed.query && owed.delivery == Delivery::Forward) {
      context_->queries->answered(owed.query, owed.rows + owed.rows_here, failed);
    }
  }
  void owe(const OwedAnswer& owed) {
    if (owed.request == Request::Sync) {
      link_->statements.end_batch();
    }
    link_->owed.push_back(owed);
  }
  // Sets on the link what it lacks of the session's settings; the answer is ours.
  void send_settings(Outbox& to_server);
  void send_forget_sequences(const sql::StatementFacts& facts, Outbox& to_server);
  // For the case that the batch has to be sent once more: `front` and `rest` are the message.
  void record(const OwedAnswer& owed, const StatementRef& needs, bool raw_unnamed, std::string_view front,
              std::string_view rest = {}) {
    if (link_->replay.usable) {
      link_->replay.add(owed, needs, raw_unnamed, front, rest);
      if (owed.then.follows != nullptr && link_->replay.usable) {
        link_->replay.parts.back().followed = link_->followed_facts(owed.then.follows);
      }
    }
  }
  void begin_batch() {
    if (link_->at_rest()) {
      link_->replay.begin();
    } else if (link_->replay.complete) {
      // The client sends ahead: what was to be run again would now come after this.
      link_->replay.drop();
    }
  }

  // What the text says, as far as its encoding lets us read it.
  const sql::FactsPtr& facts_of(std::string_view text) const;
  bool conforming_strings() const { return (*settings_)[Tracked::StandardConformingStrings] != "off"; }
  StatementRef statement_of(std::string_view text, std::string_view types, uint32_t* uses);
  // Makes sure that the link holds `statement` under its server name.
  void ensure_prepared(const StatementRef& statement, Outbox& to_server);
  void send_parse(const StatementRef& statement, Delivery delivery, uint8_t name_changes, Outbox& to_server);
  // The same for a statement that stays the unnamed one.
  void ensure_unnamed(const StatementRef& statement, Outbox& to_server);
  // The client uses an unnamed statement that it does not have: nor may it find somebody else's.
  void hide_unnamed(Outbox& to_server);
  void make_room_for_statement(Outbox& to_server);
  void send_duplicate_name_error(std::string_view name, Outbox& to_server);
  std::string_view deallocate_stand_in(Outbox& to_server);
  VirtualStatements& names();
  // nullptr when the client has none of this name; good until its names change.
  const StatementRef& statement_named(std::string_view name) const;
  // Pins, doubts, and what the statement's OwedAnswer has to carry.
  void pin(uint64_t reason);
  void recount_pins();
  Consequences note_effects(const sql::FactsPtr& facts_owner);
  bool can_follow(const sql::StatementFacts& facts) const;
  // Something that is not reported has been set since login.
  bool carries_settings() const { return settings_->startup != login_settings_->startup; }
  bool has_startup_settings() const {
    return !settings_->startup.empty() || !login_settings_->startup.empty();
  }
  bool restores_startup() const { return (restores_ & kRestoresAll) == kRestoresAll; }
  // A followed SET was committed (or is now inside a transaction, and pins).
  void follow_setting(TransactionStatus status);
  void note_pinned_setting();

  // answer_relay.cc
  struct Relaying;
  bool waits_for_end(Relaying& relaying, const Frame& frame) const;
  static void fail_frame(Relaying& relaying, FrameStatus status, const Frame& frame);
  void deliver(Relaying& relaying, size_t bytes, bool to_client);
  bool on_answer(Relaying& relaying, const Frame& frame, std::string_view front);
  bool on_async(Relaying& relaying, const Frame& frame, std::string_view front);
  void on_copy_in();
  bool is_own_notification(const Frame& frame, std::string_view front) const;
  void pass_own_notification(Relaying& relaying, std::string_view front) const;
  void complete_front(Relaying& relaying);
  void note_goodbye(const ErrorFields& fields) const;
  bool on_error(Relaying& relaying, const Frame& frame, std::string_view front);
  void pass_invented(Relaying& relaying);
  bool on_ready(Relaying& relaying, std::string_view front);
  void restore_settings(Relaying& relaying, TransactionStatus status);
  void become_ready(Relaying& relaying, TransactionStatus status);
  void on_parameter(const ParameterStatus& parameter);
  bool heal(const ErrorFields& fields);
  // answer_settling.cc
  void settle(const OwedAnswer& answered, bool happened);
  void skip_to_sync();
  void invent_answers(Outbox& to_client);
  void count_in_replay(const OwedAnswer& answered) const {
    if (answered.delivery != Delivery::Swallow && link_->replay.usable) {
      link_->replay.answered++;
    }
  }
  // undescribed_rows.cc
  const StatementShape* told_shape(const Statement& statement) const;
  const StatementShape* shape_relied_on(const Statement& statement, bool describes_portal) const;
  const StatementShape* shape_relied_on(const Replay& replay, size_t part) const;
  bool describes_portal_next() const;
  void tell_shape(uint64_t id, const StatementShape& shape);
  void note_description(const OwedAnswer& owed, const Frame& frame, std::string_view front);
  bool asks_shape_of(const StatementRef& statement, const StatementShape& relied_on, Outbox& to_server);
  bool has_other_shape(const Statement& statement, const StatementShape& relied_on) const;
  void fail_stale_rows(Outbox& to_server);
  void make_told();
  void shape_answered() { asks_shape_ = false; }
  bool ask_shapes_of_replay(const Replay& replay, Outbox& to_server);
  static void append_stale_rows_error(std::string& out);
  // lone_read.cc
  LoneRead lone_batch(std::string_view in);
  RouteReason read_route(const sql::FactsPtr& facts, LoneRead& read);
  bool flee_error(const ErrorFields& fields);
  bool may_run_elsewhere() const;
  bool keep_answer();
  void note_leaving(const ErrorFields& fields);
  bool foresee(std::string_view in);
  // It is at rest without a link, and what it says next means what it says.
  bool may_look_ahead() const {
    return link_ == nullptr && pins_ == 0 && !keeps_link_ && !failed_block_ && !skips_to_sync_ &&
           body_left_ == 0 && !discards_names_;
  }
  // cached_read.cc
  bool find_cached_batch(std::string_view in, CachedRead& read);
  bool find_cached_parse(std::string_view body, CachedRead& read);
  bool is_cached_statement(std::string_view name, CachedRead& read);
  // floor_setting.cc
  bool answer_floor(const sql::StatementFacts& facts, Outbox& to_client);
  std::string floor_stand_in(const sql::StatementFacts& facts);
  void query_stand_in(const std::string& sql, Outbox& to_server);
  bool parse_stand_in(const ParseMessage& parse, const std::string& sql, Outbox& to_server);
  // write_tracking.cc
  bool surely_in_block() const;
  void note_write(const sql::FactsPtr& facts_owner);
  void note_unknown_write();
  bool has_ended_block() const;
  bool reaches_writes(const sql::FactsPtr& facts);
  bool names_are_certain() const;
  void settle_writes();
  void lose_writes();

  void send_healed(Outbox& to_server);
  void restore_login_settings(uint16_t which, Outbox& to_client);

  static uint64_t next_serial();

  SessionContext* context_;
  DatabaseScope* scope_;
  const uint64_t serial_;  // no other session of this process has it
  uint64_t user_id_;       // tells servers' users apart: names mean different things to them
  uint32_t process_id_ = 0;
  bool asks_shape_ = false;  // of a statement: nothing is taken until the link has answered
  LinkState* link_ = nullptr;
  std::unique_ptr<VirtualStatements> names_;  // made when first needed
  std::unique_ptr<ToldShapes> told_;          // likewise
  Settings settings_;
  Settings login_settings_;
  uint64_t pins_ = 0;          // settled_pins_, and those of what is still owed
  uint64_t settled_pins_ = 0;  // left by what was answered
  StatementCounts counts_;
  uint32_t body_left_ = 0;       // bytes of the client's current message that have not come
  bool body_forwarded_ = false;  // and whether they go to the link
  bool keeps_link_ = false;
  bool passes_names_ = false;       // named statements keep their client's names; decided at login
  bool may_open_block_ = false;     // a statement that may begin a transaction block has not been answered
  bool batch_runs_ = false;         // since the last Sync a portal was made or used
  bool flushed_ = false;            // and a Flush was sent
  bool encoding_in_doubt_ = false;  // client_encoding may have been changed, until the next rest
  bool leaves_doubt_ = false;
  bool catalog_changes_ = false;          // by the open transaction, perhaps: nobody sees it before its end
  bool unnamed_is_shared_ = false;        // the unnamed statement is held by links under its server name
  bool discards_names_ = false;           // DISCARD ALL or DEALLOCATE ALL is under way
  bool link_differs_ = false;             // from settings_: set right before the next statement
  uint16_t restores_ = 0;                 // settings that go back to login's at the next ReadyForQuery
  sql::FactsPtr followed_;                // a SET that succeeded; its transaction has not ended
  Consequences portal_then_;              // of what was bound since the last Sync
  QueryRef portal_query_;                 // of what was bound last
  uint64_t portal_statement_ = 0;         // likewise, the named statement
  std::unique_ptr<DeferredBlock> block_;  // made when the first begins
  bool defers_begin_ = false;
  bool block_only_reads_ = false;      // the block that send_begin() began; see rests_on_link()
  bool ends_failed_block_ = false;     // the statement bound in a failed block is ROLLBACK or COMMIT
  bool failed_block_ = false;          // the link died inside a transaction: 25P02 until the client ends it
  std::unique_ptr<Error> failed_why_;  // told once, by the first statement after that
  std::unique_ptr<SessionFreshness> freshness_;    // where there are replicas
  std::vector<const cache::TableState*> reading_;  // of the lone read that was found last
  cache::ResultRecorder* recorder_ = nullptr;      // of the answer under way
  bool for_lone_read_ = false;                     // the link is a replica's
  bool fled_read_only_ = false;
  bool blurred_ = false;      // names may mean something else until the next rest
  bool hides_write_ = false;  // the last statement sent looks like a read and may write
  // The last statement sent was a COMMIT AND CHAIN: what the block that follows has written is nothing yet.
  bool commits_chained_ = false;
  bool skips_to_sync_ = false;  // without a link: an error was sent, the rest of the batch is passed over
};

}  // namespace sportello::proxy
