// What analysis says of one statement text: its kind, what it does to the session, which relations it reads
// and writes, which functions it calls.
//
// Made by StatementParser (statement_parser.h), kept by FactsCache (facts_cache.h), and immutable from then
// on, so one object is shared between threads as shared_ptr<const StatementFacts>. Facts describe the text
// alone: no catalog, no search_path, no session. They never claim success: a SET that fails did not happen,
// so who acts on an effect waits for the server's CommandComplete (and follows ROLLBACK).
//
// The default answer is the safe one: kind Unknown, effect Unknown, may read and write any table, primary,
// not replayable.
//
// What facts cannot see, and what a caller must therefore not conclude from them:
// - What lies behind a name: views, partitions, cascades, triggers, rules, and what a user-defined function,
//   operator, cast, type or domain does. Calls of functions that are not in our list are marked
//   UnknownFunction; a catalog (names -> OIDs, volatility, views) answers the rest.
// - `t.f` may be the function f(t) if t has no column of that name. It is in `functions` for nobody. Of
//   (expression).f at least the name is kept: `fields`.
// - What a cursor's query does is said by its DECLARE (or the statement that was bound), not by its FETCH.
// - Values that are not in the text: a parameter or a column may hold the string 'now'.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "protocol/sql/route_hint.h"

namespace sportello::sql {

enum class StatementKind : uint8_t {
  Empty,               // nothing but white space, comments, semicolons
  Read,                // SELECT, VALUES, TABLE without INTO and without a data-modifying WITH; may lock rows
  Write,               // INSERT, UPDATE, DELETE, MERGE, TRUNCATE, REFRESH, WITH x AS (DELETE ...) SELECT
  Ddl,                 // CREATE, ALTER, DROP, GRANT, COMMENT, SELECT INTO, CREATE TABLE AS, ...
  Begin,               // BEGIN, START TRANSACTION
  Commit,              // COMMIT, END
  Rollback,            // ROLLBACK, ABORT
  Savepoint,           // SAVEPOINT name
  Release,             // RELEASE name
  RollbackTo,          // ROLLBACK TO name
  PrepareTransaction,  // PREPARE TRANSACTION 'gid'
  CommitPrepared,      // COMMIT PREPARED 'gid'
  RollbackPrepared,    // ROLLBACK PREPARED 'gid'
  Set,                 // SET, RESET, SET LOCAL, SET TRANSACTION, SET CONSTRAINTS
  Show,                // SHOW
  Prepare,             // PREPARE name AS ...
  Execute,             // EXECUTE name
  Deallocate,          // DEALLOCATE name | ALL
  Declare,             // DECLARE name CURSOR
  Fetch,               // FETCH, MOVE
  CloseCursor,         // CLOSE name | ALL
  Listen,              // LISTEN name
  Unlisten,            // UNLISTEN name | *
  Notify,              // NOTIFY name
  Copy,                // COPY in either direction, also to and from files
  Lock,                // LOCK TABLE
  Explain,             // EXPLAIN, unless it is ANALYZE of something that is not a Read: then that one's kind
  Call,                // CALL procedure(...)
  Do,                  // DO $$ ... $$
  Load,                // LOAD 'library'
  Discard,             // DISCARD ALL | PLANS | SEQUENCES | TEMP
  Utility,             // VACUUM, ANALYZE, CHECKPOINT, REINDEX, CLUSTER
  Multi,               // more than one statement in the text; effects are those of all of them together
  Unknown,             // the parser refused it or must not see it: counts as a write to every table
};

// What a text may do to its session or needs to know about it; a bit each, or-ed in StatementFacts::effects.
enum Effect : uint64_t {
  // SET, RESET or set_config(..., false) of one parameter that PostgreSQL reports and that we follow by its
  // ParameterStatus: client_encoding (SET NAMES too), DateStyle, TimeZone (SET TIME ZONE too), IntervalStyle,
  // standard_conforming_strings, application_name, default_transaction_read_only.
  SetReported = 1ull << 0,
  // Any other setting for the session: SET, RESET, SET SESSION CHARACTERISTICS, UPDATE pg_settings,
  // set_config() whose name or
  // third argument is not a constant.
  SetOther = 1ull << 1,
  // A setting that ends with its transaction: SET LOCAL (of anything, a role too), SET TRANSACTION,
  // SET CONSTRAINTS, set_config(..., true).
  SetLocal = 1ull << 2,
  SetRole = 1ull << 3,                  // SET ROLE, RESET ROLE, set_config('role', ...)
  SetSessionAuthorization = 1ull << 4,  // SET or RESET SESSION AUTHORIZATION
  ResetAll = 1ull << 5,                 // RESET ALL (leaves role and session authorization as they are)
  SqlPrepare = 1ull << 6,               // PREPARE name AS ...
  SqlExecute = 1ull << 7,               // EXECUTE name, also in EXPLAIN and CREATE TABLE AS
  SqlDeallocate = 1ull << 8,            // DEALLOCATE name
  // DEALLOCATE ALL. It takes the statements that we prepared on the link as well: the link must forget them.
  DeallocateAll = 1ull << 9,
  Listen = 1ull << 10,        // LISTEN
  Unlisten = 1ull << 11,      // UNLISTEN name
  UnlistenAll = 1ull << 12,   // UNLISTEN *
  TempObject = 1ull << 13,    // CREATE TEMP ..., SELECT INTO TEMP, pg_temp.x, a temporary replication slot
  HoldCursor = 1ull << 14,    // DECLARE ... WITH HOLD
  AdvisoryLock = 1ull << 15,  // pg_advisory_lock and pg_try_advisory_lock of all forms but *_xact_*
  Load = 1ull << 16,          // LOAD
  DiscardAll = 1ull << 17,    // DISCARD ALL (the link must forget prepared statements, settings, all)
  DiscardPlans = 1ull << 18,
  DiscardSequences = 1ull << 19,
  DiscardTemp = 1ull << 20,
  TransactionControl = 1ull << 21,  // BEGIN ... COMMIT and all between; what a Multi text has of it
  CopyIn = 1ull << 22,              // COPY ... FROM STDIN
  CopyOut = 1ull << 23,             // COPY ... TO STDOUT
  CallOrDo = 1ull << 24,            // CALL or DO: runs code that we do not see, or only skim (kPins)
  // A function that is no built-in we know (known_functions.h): it may do anything. VOLATILE built-ins such
  // as
  // nextval() and random() have no effect bit; only_known_functions tells of them.
  UnknownFunction = 1ull << 25,
  // currval(), lastval(): they read what nextval() left in this session.
  SequenceState = 1ull << 26,
  // A built-in or well-known extension function that leaves other session state: setseed, dblink_connect,
  // pg_backup_start, pg_replication_origin_session_setup.
  SessionFunction = 1ull << 27,
  RowLock = 1ull << 28,  // FOR UPDATE, FOR SHARE, ... anywhere
  Writes = 1ull << 29,   // table data may change: DML at any depth, COPY FROM, TRUNCATE, REFRESH, ...
  IsDdl = 1ull << 30,    // the catalog may change; a result or plan made before may be stale
  // DROP DATABASE and the like: PostgreSQL refuses it while anybody else is connected to the one in `name`.
  EmptiesDatabase = 1ull << 32,
  CreatesView = 1ull << 33,  // whose query may call anything
  Unknown = 1ull << 31,      // not understood, and not even its words look harmless
};
using Effects = uint64_t;  // a mask of Effect

// Effects that keep the session on its link, since we cannot carry what they leave behind to another link.
//
// Not here, and why:
// - SetReported is followed and replayed. (Servers before PostgreSQL 14 do not report
//   default_transaction_read_only: with those, whoever follows ParameterStatus must pin on it.) ResetAll and
//   the Discards leave less behind, not more; what they take from the link (prepared statements, replayed
//   settings) the link's owner must note.
// - SqlExecute and SqlDeallocate use state whose PREPARE has pinned already; SetLocal ends with its
//   transaction, which holds the link anyway.
// - nextval() and setval() leave a currval() behind, but any INSERT into a serial column does so unseen, so
//   pinning on them would pin everybody. SequenceState pins from the first currval() on, as before that
//   nobody can have relied on it outside a transaction.
// - UnknownFunction and CallOrDo: user functions may call set_config or take locks, yet pinning on every one
//   of them makes a pool useless. They are in kLeavesDoubt instead. A DO block is different in that its
//   text is before us: its words are skimmed (lexical_effects.h), and a DO that may touch the session (SET,
//   set_config, TEMP, EXECUTE of dynamic text, advisory locks, a language other than SQL or PL/pgSQL) carries
//   Unknown and pins.
inline constexpr Effects kPins = SetOther | SetRole | SetSessionAuthorization | SqlPrepare | Listen |
                                 TempObject | HoldCursor | AdvisoryLock | Load | SequenceState |
                                 SessionFunction | Unknown;

// Effects after which the link may carry state that nobody declared. The session goes on unpinned, but the
// link wants cleaning (at least RESET ALL) before another session gets it, if the operator asks for that.
inline constexpr Effects kLeavesDoubt = UnknownFunction | CallOrDo;

// A name as the text has it, folded as PostgreSQL does. An empty schema: search_path decides.
struct RelationName {
  std::string schema;
  std::string name;
  auto operator<=>(const RelationName&) const = default;  // NOLINT(modernize-use-nullptr)
};

struct FunctionCall {
  std::string schema;
  std::string name;
  auto operator<=>(const FunctionCall&) const = default;  // NOLINT(modernize-use-nullptr)
};

// What BEGIN or START TRANSACTION says of its transaction; what it leaves out is the session's default.
struct BlockMode {
  enum class Access : uint8_t { Default, ReadOnly, ReadWrite };
  enum class Isolation : uint8_t { Default, ReadCommitted, Stricter };  // READ UNCOMMITTED is READ COMMITTED
  Access access = Access::Default;
  Isolation isolation = Isolation::Default;
  bool by_start = false;  // START TRANSACTION: its command tag says so
  bool operator==(const BlockMode&) const = default;
};

struct StatementFacts {
  StatementKind kind = StatementKind::Unknown;
  Effects effects = Effect::Unknown;
  uint64_t fingerprint = 0;  // of the shape (fingerprint.h); the same for texts that differ in literals only

  bool multi = false;  // more than one statement; name and value below are then empty
  // Every function called is a built-in of which no overload is VOLATILE, called unqualified or as
  // pg_catalog.f. Also true if none is called; false for Unknown.
  bool only_known_functions = false;
  // The facts hang on a literal (a set_config or current_setting name, a SET value, a DO body), so that
  // another text of the same fingerprint may have others. FactsCache never shares these by shape.
  bool literal_dependent = false;
  BlockMode block;              // Begin: what it asks for
  bool set_to_default = false;  // Set: RESET x, SET x TO DEFAULT, SET TIME ZONE LOCAL, SET ROLE NONE.
                                // Multi: one of its statements is
  bool chain = false;           // Commit, Rollback: ... AND CHAIN

  // Names of functions called, folded as PostgreSQL does, "schema.name" if qualified; sorted, each once.
  std::vector<std::string> functions;
  // The same calls in parts. A name of three parts has its first two in `schema`.
  std::vector<FunctionCall> calls;
  // f of each (expression).f: a column of a composite type, or a call of f(expression).
  std::vector<std::string> fields;
  // The identifier that the statement acts on, folded as PostgreSQL does: statement name of Prepare, Execute,
  // Deallocate; channel of Listen, Unlisten, Notify; savepoint; cursor; parameter of Set and Show (lower
  // case, "timezone", "client_encoding"). Empty for ALL and *.
  std::string name;
  std::string set_value;  // Set: the new value as text, lists joined by ", "

  // Relations, each list sorted and each name once; CTEs are not among them. Of PREPARE, DECLARE, EXPLAIN and
  // COPY (query) they are those of the statement inside; of a Multi, those of all.
  //
  // Named where rows are read: FROM, JOIN, USING, subqueries, TABLE, the source of a COPY; also the targets
  // of UPDATE, DELETE, MERGE, INSERT ... ON CONFLICT and REFRESH. Of EXPLAIN: all that it names.
  std::vector<RelationName> reads;
  // Targets of INSERT, UPDATE, DELETE, MERGE, COPY FROM, TRUNCATE, REFRESH, SELECT INTO; and all of
  // ddl_targets.
  std::vector<RelationName> writes;
  // Relations whose definition may change: those that a CREATE, ALTER, DROP or GRANT names outside of a query
  // (a foreign key's other side, a parent), and of a rename the old name and the new one.
  std::vector<RelationName> ddl_targets;
  // Types named (casts, column lists), less those written pg_catalog.x or with a word of the grammar (int):
  // casting calls their functions.
  std::vector<RelationName> types;

  // It may read relations that are not in `reads`: it calls a function that we do not know, EXECUTE, CALL,
  // DO.
  bool reads_unknown = true;
  // It may write relations that are not in `writes`: the same, and COPY with a file or program, LOAD,
  // COMMIT PREPARED, DDL of other things than relations.
  bool writes_unknown = true;
  // Of the two above: only because of `functions`. Who knows these can do better.
  bool unknown_by_calls_only = false;
  bool cascades = false;      // TRUNCATE ... CASCADE, DROP ... CASCADE: `writes` is not all of it
  bool locks_rows = false;    // FOR UPDATE, FOR SHARE, ... anywhere
  bool locks_tables = false;  // LOCK, advisory locks of all kinds
  // Says the grammar: run, it writes nothing and locks nothing, leaves nothing in the session but a cursor or
  // a prepared statement, and calls no VOLATILE built-in. What functions not known to us
  // (only_known_functions is false then) do is not in it. Kinds Empty, Read, Show, Prepare, Declare, Explain
  // and Copy only.
  bool reads_only = false;
  // The result can change though no table does, with time, user, settings, session or catalog: a STABLE
  // built-in, CURRENT_DATE and its like, 'now' or 'today' as a literal, a cast to timestamptz, timetz,
  // regclass and its like.
  bool stable_functions = false;
  // Of stable_functions: all of it hangs on the session's settings alone (to_char, date_trunc, json_agg).
  bool stable_by_settings = false;
  // Of stable_functions: something of it is the same throughout a transaction, or tells of it: now(),
  // CURRENT_DATE, 'today', current_setting(), pg_backend_pid().
  bool hangs_on_transaction = false;
  // It asks what the server is or does, or how it is set: pg_backend_pid(), current_setting('port').
  bool asks_server = false;
  bool user_dependent = false;      // on who asks or on search_path: CURRENT_USER, has_table_privilege, ...
  bool volatile_functions = false;  // a VOLATILE built-in: random, nextval, clock_timestamp, pg_sleep
  bool table_sample = false;        // TABLESAMPLE
  bool system_columns = false;      // ctid, xmin, xmax, cmin, cmax
  // pg_catalog.x, information_schema.x, an unqualified pg_x, a built-in that reads there: DDL changes the
  // result.
  bool reads_catalog = false;
  RouteHint hint = RouteHint::None;  // what a comment asks for

  bool has(Effects mask) const { return (effects & mask) != 0; }
  bool pins() const { return has(kPins); }

  // It may be run again, unseen, if the server died before it answered: it can have changed nothing.
  bool replay_safe() const {
    return kind == StatementKind::Read && !multi && effects == 0 && only_known_functions;
  }
};

}  // namespace sportello::sql
