#include "protocol/sql/statement_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>

#include <string>
#include <thread>
#include <vector>

namespace sportello::sql {

// So that failures are readable.
void PrintTo(StatementKind kind, std::ostream* out) { *out << "kind " << static_cast<int>(kind); }

namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Kind = StatementKind;

StatementFacts facts_of(std::string_view text, bool standard_conforming_strings = true) {
  std::string scratch;
  return parse_statement(text, measure_shape(text, standard_conforming_strings, scratch),
                         standard_conforming_strings);
}

std::string repeat(std::string_view piece, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += piece;
  return all;
}

struct Expectation {
  const char* text;
  Kind kind;
  Effects effects;
  const char* name = "";
};

class Statement : public ::testing::TestWithParam<Expectation> {};

TEST_P(Statement, HasItsKindEffectsAndName) {
  const StatementFacts facts = facts_of(GetParam().text);
  EXPECT_EQ(facts.kind, GetParam().kind) << GetParam().text;
  EXPECT_EQ(facts.effects, GetParam().effects) << GetParam().text;
  EXPECT_EQ(facts.name, GetParam().name) << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(
    ReadsAndWrites, Statement,
    ::testing::Values(
        Expectation{"", Kind::Empty, 0}, Expectation{" ; -- x\n;", Kind::Empty, 0},
        Expectation{"select 1", Kind::Read, 0}, Expectation{"values (1), (2)", Kind::Read, 0},
        Expectation{"table t", Kind::Read, 0}, Expectation{"/* x */ ((select 1))", Kind::Read, 0},
        Expectation{"with a as (select 1) select * from a", Kind::Read, 0},
        Expectation{"select * from t for update", Kind::Read, RowLock},
        Expectation{"with a as (select * from t for share) select 1 from a", Kind::Read, RowLock},
        Expectation{"insert into t values (1)", Kind::Write, Writes},
        Expectation{"update t set a = 1", Kind::Write, Writes},
        Expectation{"delete from t", Kind::Write, Writes},
        Expectation{"merge into t using s on true when matched then delete", Kind::Write, Writes},
        Expectation{"truncate t cascade", Kind::Write, Writes},
        Expectation{"refresh materialized view m", Kind::Write, Writes},
        Expectation{"lock table t", Kind::Lock, 0}, Expectation{"vacuum t", Kind::Utility, 0},
        Expectation{"analyze", Kind::Utility, 0}, Expectation{"checkpoint", Kind::Utility, 0},
        Expectation{"reindex table t", Kind::Utility, 0}, Expectation{"cluster t", Kind::Utility, 0},
        Expectation{"notify \"Ch\", 'x'", Kind::Notify, 0, "Ch"},
        Expectation{"copy t from stdin", Kind::Copy, CopyIn | Writes},
        Expectation{"copy t to stdout", Kind::Copy, CopyOut},
        Expectation{"copy (delete from t returning 1) to stdout", Kind::Copy, CopyOut | Writes},
        Expectation{"copy t from '/x'", Kind::Copy, Writes},
        Expectation{"copy t to program 'cat'", Kind::Copy, 0}));

// S68: none of these may be taken for a read.
INSTANTIATE_TEST_SUITE_P(
    LooksLikeARead, Statement,
    ::testing::Values(
        Expectation{"SELECT 1; DELETE FROM t", Kind::Multi, Writes},
        Expectation{"WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x", Kind::Write, Writes},
        Expectation{"select * from (with x as (insert into t values (1) returning a) select * from x) y",
                    Kind::Write, Writes},
        Expectation{"SELECT f()", Kind::Read, UnknownFunction},
        Expectation{"EXPLAIN ANALYZE DELETE FROM t", Kind::Write, Writes},
        Expectation{"EXPLAIN (VERBOSE, ANALYZE) UPDATE t SET a = 1", Kind::Write, Writes},
        Expectation{"EXPLAIN (ANALYZE on) INSERT INTO t VALUES (1)", Kind::Write, Writes},
        Expectation{"EXPLAIN (ANALYZE 1) INSERT INTO t VALUES (1)", Kind::Write, Writes},
        Expectation{"EXPLAIN DELETE FROM t", Kind::Explain, 0},
        Expectation{"EXPLAIN (ANALYZE off) DELETE FROM t", Kind::Explain, 0},
        Expectation{"EXPLAIN (ANALYZE 0) DELETE FROM t", Kind::Explain, 0},
        Expectation{"EXPLAIN ANALYZE SELECT 1", Kind::Explain, 0},
        Expectation{"EXPLAIN ANALYZE EXECUTE p", Kind::Execute, SqlExecute, "p"},
        Expectation{"EXPLAIN ANALYZE CREATE TABLE a AS SELECT 1", Kind::Ddl, IsDdl | Writes},
        Expectation{"SELECT 1 INTO t", Kind::Ddl, IsDdl | Writes},
        Expectation{"SELECT 1 INTO t UNION SELECT 2", Kind::Ddl, IsDdl | Writes},
        Expectation{"/* a */ -- b\n ((WITH x AS (UPDATE t SET a = 1 RETURNING a) SELECT a FROM x))",
                    Kind::Write, Writes}));

INSTANTIATE_TEST_SUITE_P(
    Transactions, Statement,
    ::testing::Values(
        Expectation{"begin", Kind::Begin, TransactionControl},
        Expectation{"start transaction isolation level serializable", Kind::Begin, TransactionControl},
        Expectation{"commit", Kind::Commit, TransactionControl},
        Expectation{"end", Kind::Commit, TransactionControl},
        Expectation{"rollback", Kind::Rollback, TransactionControl},
        Expectation{"abort", Kind::Rollback, TransactionControl},
        Expectation{"savepoint \"A\"", Kind::Savepoint, TransactionControl, "A"},
        Expectation{"release Sp", Kind::Release, TransactionControl, "sp"},
        Expectation{"rollback to savepoint Sp", Kind::RollbackTo, TransactionControl, "sp"},
        Expectation{"prepare transaction 'x'", Kind::PrepareTransaction, TransactionControl},
        Expectation{"commit prepared 'x'", Kind::CommitPrepared, TransactionControl},
        Expectation{"rollback prepared 'x'", Kind::RollbackPrepared, TransactionControl},
        Expectation{"begin; insert into t values (1); commit", Kind::Multi, TransactionControl | Writes}));

INSTANTIATE_TEST_SUITE_P(
    Settings, Statement,
    ::testing::Values(
        Expectation{"set timezone to 'UTC'", Kind::Set, SetReported, "timezone"},
        Expectation{"drop database if exists d", Kind::Ddl, IsDdl | EmptiesDatabase, "d"},
        Expectation{"alter database d rename to e", Kind::Ddl, IsDdl | EmptiesDatabase, "d"},
        Expectation{"alter table d rename to e", Kind::Ddl, IsDdl, ""},
        Expectation{"create database e owner x template d", Kind::Ddl, IsDdl | EmptiesDatabase, "d"},
        Expectation{"create database e", Kind::Ddl, IsDdl, ""},
        Expectation{"SET TimeZone = UTC", Kind::Set, SetReported, "timezone"},
        Expectation{"set \"TimeZone\" = 'UTC'", Kind::Set, SetReported, "timezone"},
        Expectation{"set time zone interval '1' hour", Kind::Set, SetReported, "timezone"},
        Expectation{"set time zone local", Kind::Set, SetReported, "timezone"},
        Expectation{"set names 'utf8'", Kind::Set, SetReported, "client_encoding"},
        Expectation{"reset application_name", Kind::Set, SetReported, "application_name"},
        Expectation{"set session datestyle = 'ISO', 'DMY'", Kind::Set, SetReported, "datestyle"},
        Expectation{"set default_transaction_read_only = on", Kind::Set, SetReported,
                    "default_transaction_read_only"},
        Expectation{"/* a */ set search_path to a, b", Kind::Set, SetOther, "search_path"},
        Expectation{"set app.tenant_id = '7'", Kind::Set, SetOther, "app.tenant_id"},
        Expectation{"set schema 'x'", Kind::Set, SetOther, "search_path"},
        Expectation{"reset statement_timeout", Kind::Set, SetOther, "statement_timeout"},
        Expectation{"set session characteristics as transaction read only", Kind::Set, SetOther},
        Expectation{"set local role x", Kind::Set, SetLocal, "role"},
        Expectation{"set local search_path = x", Kind::Set, SetLocal, "search_path"},
        Expectation{"set transaction isolation level serializable", Kind::Set, SetLocal},
        Expectation{"set transaction_read_only = on", Kind::Set, SetLocal, "transaction_read_only"},
        Expectation{"set constraints all deferred", Kind::Set, SetLocal},
        Expectation{"set role x", Kind::Set, SetRole, "role"},
        Expectation{"reset role", Kind::Set, SetRole, "role"},
        Expectation{"set session authorization x", Kind::Set, SetSessionAuthorization,
                    "session_authorization"},
        Expectation{"reset session authorization", Kind::Set, SetSessionAuthorization,
                    "session_authorization"},
        Expectation{"reset all", Kind::Set, ResetAll},
        Expectation{"show TimeZone", Kind::Show, 0, "timezone"},
        Expectation{"show all", Kind::Show, 0, "all"},
        Expectation{"SHOW Sportello.Floor", Kind::Show, 0, "sportello.floor"},
        Expectation{"set sportello.floor = '0/1234'", Kind::Set, SetOther, "sportello.floor"},
        Expectation{"update pg_catalog.pg_settings set setting = 'x' where name = 'a.b'", Kind::Write,
                    SetOther | Writes},
        Expectation{"with a as (update pg_settings set setting = 'x' returning 1) select 1 from a",
                    Kind::Write, SetOther | Writes},
        Expectation{"begin; set search_path to x; commit", Kind::Multi, TransactionControl | SetOther}));

INSTANTIATE_TEST_SUITE_P(
    SetConfig, Statement,
    ::testing::Values(
        Expectation{"select set_config('search_path', '', false)", Kind::Read, SetOther},
        Expectation{"select pg_catalog.set_config('a.b', 'x', true)", Kind::Read, SetLocal},
        Expectation{"select set_config('TimeZone', $1, false)", Kind::Read, SetReported},
        Expectation{"select set_config('TimeZone', 'UTC', 'off')", Kind::Read, SetReported},
        Expectation{"select set_config('role', 'x', false)", Kind::Read, SetRole},
        Expectation{"select set_config('Session_Authorization', 'x', false)", Kind::Read,
                    SetSessionAuthorization},
        Expectation{"select set_config($1, 'x', false)", Kind::Read, SetOther},
        Expectation{"select set_config('timezone', 'x', $1)", Kind::Read, SetOther},
        Expectation{"select set_config('a.b', 'x', is_local => true)", Kind::Read, SetOther},
        Expectation{"with a as (select set_config('a.b', 'x', false)) select 1", Kind::Read, SetOther},
        Expectation{"select * from t where a = (select set_config('a.b', 'x', false))", Kind::Read, SetOther},
        Expectation{"insert into t values (set_config('a.b', 'x', false))", Kind::Write, SetOther | Writes},
        Expectation{"select 1 from t order by set_config('a.b', 'x', false)", Kind::Read, SetOther}));

INSTANTIATE_TEST_SUITE_P(
    SessionState, Statement,
    ::testing::Values(
        Expectation{"prepare \"P\" as select 1", Kind::Prepare, SqlPrepare, "P"},
        Expectation{"execute p(1)", Kind::Execute, SqlExecute, "p"},
        Expectation{"create table a as execute p", Kind::Ddl, IsDdl | Writes | SqlExecute},
        Expectation{"deallocate prepare p", Kind::Deallocate, SqlDeallocate, "p"},
        Expectation{"deallocate all", Kind::Deallocate, DeallocateAll},
        Expectation{"declare c cursor for select 1", Kind::Declare, 0, "c"},
        Expectation{"declare c cursor with hold for select 1", Kind::Declare, HoldCursor, "c"},
        Expectation{"fetch all from c", Kind::Fetch, 0, "c"}, Expectation{"move c", Kind::Fetch, 0, "c"},
        Expectation{"close c", Kind::CloseCursor, 0, "c"}, Expectation{"close all", Kind::CloseCursor, 0},
        Expectation{"listen \"Ch\"", Kind::Listen, Listen, "Ch"},
        Expectation{"unlisten ch", Kind::Unlisten, Unlisten, "ch"},
        Expectation{"unlisten *", Kind::Unlisten, UnlistenAll}, Expectation{"load 'x'", Kind::Load, Load},
        Expectation{"discard all", Kind::Discard, DiscardAll},
        Expectation{"discard plans", Kind::Discard, DiscardPlans},
        Expectation{"discard sequences", Kind::Discard, DiscardSequences},
        Expectation{"discard temp", Kind::Discard, DiscardTemp},
        Expectation{"create temp table t (a int)", Kind::Ddl, IsDdl | TempObject},
        Expectation{"create local temporary table t as select 1", Kind::Ddl, IsDdl | TempObject | Writes},
        Expectation{"create temp view v as select 1", Kind::Ddl, IsDdl | TempObject | CreatesView},
        Expectation{"create temp sequence s", Kind::Ddl, IsDdl | TempObject},
        Expectation{"create table pg_temp.t (a int)", Kind::Ddl, IsDdl | TempObject},
        Expectation{"create function pg_temp.f() returns int language sql as 'select 1'", Kind::Ddl,
                    IsDdl | TempObject},
        Expectation{"create type pg_temp.t as (a int)", Kind::Ddl, IsDdl | TempObject},
        Expectation{"select 1 into temp t", Kind::Ddl, IsDdl | Writes | TempObject},
        Expectation{"select 1 into pg_temp.t", Kind::Ddl, IsDdl | Writes | TempObject},
        Expectation{"explain analyze create temp table t as select 1", Kind::Ddl,
                    IsDdl | Writes | TempObject},
        Expectation{"select * from pg_temp.t", Kind::Read, 0},
        Expectation{"select pg_advisory_lock(1)", Kind::Read, AdvisoryLock},
        Expectation{"select 1 where pg_try_advisory_lock_shared(1, 2)", Kind::Read, AdvisoryLock},
        Expectation{"select pg_advisory_xact_lock(1)", Kind::Read, 0},
        Expectation{"select pg_advisory_unlock(1)", Kind::Read, 0},
        Expectation{"select currval('s')", Kind::Read, SequenceState},
        Expectation{"select lastval()", Kind::Read, SequenceState},
        Expectation{"insert into t values (nextval('s')) returning a", Kind::Write, Writes},
        Expectation{"select setseed(0.5)", Kind::Read, SessionFunction},
        Expectation{"select dblink_connect('a', 'b')", Kind::Read, SessionFunction},
        Expectation{"call f(1)", Kind::Call, CallOrDo | Writes | UnknownFunction},
        Expectation{"do $$ begin update t set a = 1; end $$", Kind::Do, CallOrDo | Writes},
        Expectation{"do $$ begin execute 'x'; end $$", Kind::Do, CallOrDo | Writes | Unknown},
        Expectation{"do language plpython3u $$ pass $$", Kind::Do, CallOrDo | Writes | Unknown}));

INSTANTIATE_TEST_SUITE_P(
    Ddl, Statement,
    ::testing::Values(Expectation{"create table t (a int default 1)", Kind::Ddl, IsDdl},
                      Expectation{"alter table t add b int", Kind::Ddl, IsDdl},
                      Expectation{"drop table t", Kind::Ddl, IsDdl},
                      Expectation{"grant select on t to x", Kind::Ddl, IsDdl},
                      Expectation{"create role x", Kind::Ddl, IsDdl},
                      Expectation{"alter role x set search_path = y", Kind::Ddl, IsDdl},
                      Expectation{"comment on table t is 'x'", Kind::Ddl, IsDdl},
                      Expectation{"create index concurrently on t (a)", Kind::Ddl, IsDdl},
                      Expectation{
                          "create function f() returns int language sql begin atomic select 1; select 2; end",
                          Kind::Ddl, IsDdl}));

INSTANTIATE_TEST_SUITE_P(
    NotUnderstood, Statement,
    ::testing::Values(Expectation{"frobnicate", Kind::Unknown, Effect::Unknown},
                      Expectation{"select 'open", Kind::Unknown, Effect::Unknown},
                      Expectation{"select 1 from from", Kind::Unknown, Writes | UnknownFunction},
                      Expectation{"merge into t using s on true when not matched by source then delete",
                                  Kind::Unknown, Writes | UnknownFunction},
                      Expectation{"select set_config('a.b', 'x', false) from from", Kind::Unknown,
                                  Effect::Unknown},
                      Expectation{"select 1 from from; set a.b = 1", Kind::Unknown, Effect::Unknown}));

TEST(StatementParser, ReadsTheOptionsOfBeginAndCommit) {
  using Access = BlockMode::Access;
  using Isolation = BlockMode::Isolation;
  EXPECT_EQ(facts_of("begin").block, BlockMode());
  EXPECT_EQ(facts_of("begin read only").block, (BlockMode{.access = Access::ReadOnly}));
  EXPECT_EQ(facts_of("begin read only, read write").block, (BlockMode{.access = Access::ReadWrite}));
  EXPECT_EQ(facts_of("begin isolation level read uncommitted").block,
            (BlockMode{.isolation = Isolation::ReadCommitted}));
  EXPECT_EQ(facts_of("begin isolation level Read Committed not deferrable").block,
            (BlockMode{.isolation = Isolation::ReadCommitted}));
  EXPECT_EQ(facts_of("begin isolation level serializable").block,
            (BlockMode{.isolation = Isolation::Stricter}));
  EXPECT_EQ(facts_of("start transaction isolation level repeatable read, read only").block,
            (BlockMode{.access = Access::ReadOnly, .isolation = Isolation::Stricter, .by_start = true}));
  EXPECT_EQ(facts_of("begin read only; select 1").block, BlockMode());
  EXPECT_TRUE(facts_of("commit and chain").chain);
  EXPECT_FALSE(facts_of("commit").chain);
}

TEST(StatementParser, KeepsTheValueOfASet) {
  EXPECT_EQ(facts_of("set timezone to 'Europe/Rome'").set_value, "Europe/Rome");
  EXPECT_EQ(facts_of("set search_path to a, \"B\", 3, 1.5").set_value, "a, B, 3, 1.5");
  EXPECT_EQ(facts_of("set x.y = -0").set_value, "0");
  EXPECT_EQ(facts_of("set x.y = 0").set_value, "0");
  EXPECT_EQ(facts_of("set extra_float_digits to -3").set_value, "-3");
  EXPECT_EQ(facts_of("set x.y = - /* less */ 12;").set_value, "-12");
  EXPECT_EQ(facts_of("set x.y = -1.5, -2147483647, +4").set_value, "-1.5, -2147483647, 4");
  EXPECT_TRUE(facts_of("set timezone to default").set_to_default);
  EXPECT_TRUE(facts_of("reset timezone").set_to_default);
  EXPECT_TRUE(facts_of("set role none").set_to_default);
  EXPECT_FALSE(facts_of("set role x").set_to_default);
}

TEST(StatementParser, MarksFactsThatHangOnALiteral) {
  for (const char* text : {"set timezone to 'UTC'", "select set_config('a.b', '1', false)", "do 'begin end'",
                           "explain (analyze 0) delete from t", "select 1 from from"}) {
    EXPECT_TRUE(facts_of(text).literal_dependent) << text;
  }
  for (const char* text : {"select 1", "insert into t values ('x')", "execute p(1)", "listen a",
                           "reset timezone", "select pg_advisory_lock(7)"}) {
    EXPECT_FALSE(facts_of(text).literal_dependent) << text;
  }
}

TEST(StatementParser, ListsFunctionsFoldedSortedAndOnce) {
  const StatementFacts facts = facts_of(
      "select Lower(a), app.F(1), \"G\"(), lower(b), count(*) from unnest(x) order by coalesce(h(), 1)");
  EXPECT_THAT(facts.functions, ElementsAre("G", "app.f", "count", "h", "lower", "unnest"));
  EXPECT_THAT(facts.calls,
              ElementsAre(FunctionCall{"", "G"}, FunctionCall{"", "count"}, FunctionCall{"", "h"},
                          FunctionCall{"", "lower"}, FunctionCall{"", "unnest"}, FunctionCall{"app", "f"}));
  EXPECT_THAT(facts_of("select a + 1, current_date, coalesce(a, 1)").functions, IsEmpty());
}

TEST(StatementParser, KnowsBuiltInsOnlyUnqualifiedOrInPgCatalog) {
  EXPECT_TRUE(facts_of("select now(), pg_catalog.lower(a), position('a' in b), extract(year from c)")
                  .only_known_functions);
  EXPECT_FALSE(facts_of("select app.lower(a)").only_known_functions);
  EXPECT_FALSE(facts_of("select db.pg_catalog.lower(a)").only_known_functions);
  EXPECT_FALSE(facts_of("select nextval('s')").only_known_functions);
  EXPECT_FALSE(facts_of("select random()").only_known_functions);
  EXPECT_FALSE(facts_of("select txid_current()").only_known_functions);
  EXPECT_FALSE(facts_of("select query_to_xml('delete from t', true, true, '')").only_known_functions);
  EXPECT_TRUE(facts_of("select query_to_xml('delete from t', true, true, '')").has(UnknownFunction));
  EXPECT_FALSE(facts_of("select random()").has(UnknownFunction));
}

TEST(StatementParser, MakesNamesAsPostgresqlFoldsThem) {
  EXPECT_THAT(facts_of("select * from Public.\"T.x\", \"S\".T, U&\"\\0061b\"").reads,
              ElementsAre(RelationName{"", "ab"}, RelationName{"S", "t"}, RelationName{"public", "T.x"}));
  EXPECT_THAT(facts_of("select * from " + std::string(80, 'A')).reads,
              ElementsAre(RelationName{"", std::string(63, 'a')}));
}

TEST(StatementParser, KnowsThatItDoesNotKnow) {
  for (const StatementFacts& facts :
       {unknown_facts(), StatementFacts{}, facts_of("frobnicate"),
        facts_of("select * from t where a in (" + repeat("1,", 50000) + "1)")}) {
    EXPECT_TRUE(facts.reads_unknown && facts.writes_unknown);
    EXPECT_FALSE(facts.unknown_by_calls_only);
    EXPECT_FALSE(facts.reads_only);
  }
}

// As many CTEs and names as the guard lets through: no stack, no long wait.
TEST(StatementParser, FindsItsWayThroughManyScopes) {
  std::string chain = "with c0 as (select * from t)";
  for (int i = 1; i < 900; ++i) {
    chain += ", c" + std::to_string(i) + " as (select * from c" + std::to_string(i - 1) + ")";
  }
  EXPECT_THAT(facts_of(chain + " select * from c899, c0, u").reads,
              ElementsAre(RelationName{"", "t"}, RelationName{"", "u"}));
  std::string nested = "select * from t";
  for (int i = 0; i < 120; ++i) nested = "with t as (" + nested + ") select * from t";
  EXPECT_THAT(facts_of(nested).reads, ElementsAre(RelationName{"", "t"}));
}

TEST(StatementParser, LetsOnlyPlainReadsBeReplayed) {
  EXPECT_TRUE(facts_of("select lower(a) from t where b = $1").replay_safe());
  for (const char* text : {"select f()", "select nextval('s')", "select 1; select 2", "select 1 for update",
                           "select 1 into t", "show x", "with x as (delete from t returning 1) select 1",
                           "frobnicate", "", "explain analyze select f()"}) {
    EXPECT_FALSE(facts_of(text).replay_safe()) << text;
  }
}

TEST(StatementParser, DoesNotPinForWhatEveryApplicationDoes) {
  for (const char* text : {"select f()", "call p()", "select nextval('s')", "begin", "set timezone = 'UTC'",
                           "set local app.x = 1", "create table t (a int)", "discard all", "deallocate all",
                           "unlisten *", "do $$ begin perform f(); end $$", "reset all"}) {
    EXPECT_FALSE(facts_of(text).pins()) << text;
  }
}

TEST(StatementParser, UnderstandsNoBackslashThatMayEscape) {
  EXPECT_EQ(facts_of("select 'a'", false).kind, Kind::Read);
  EXPECT_EQ(facts_of("select '\\'; set a.b = 1; --'", true).kind, Kind::Multi);
  EXPECT_EQ(facts_of("select '\\'; set a.b = 1; --'", false).kind, Kind::Unknown);
  EXPECT_EQ(facts_of("select '\\'; set a.b = 1; --'", false).effects, Writes | UnknownFunction);
  EXPECT_EQ(facts_of("select '\\''; set a.b = 1; --'", false).effects, Effect::Unknown);
}

TEST(StatementParser, IsNotFooledByNul) {
  using namespace std::string_literals;
  EXPECT_EQ(facts_of("select 1\0; set a.b = 1"s).effects, Effect::Unknown);
}

TEST(StatementParser, TakesAnyBytesForNames) {
  EXPECT_EQ(facts_of("select perch\xc3\xa9, \"\xff\xfe\"").kind, Kind::Read);
  EXPECT_EQ(facts_of("listen \"a\x01\\\"\"b\"").name, "a\x01\\\"b");
  EXPECT_EQ(facts_of("listen " + std::string(200, 'a')).name, std::string(63, 'a'));
}

// S62: far beyond the guard, at it, and just below it, in every construct that nests.
struct Deep {
  const char* before;
  const char* open;
  const char* middle;
  const char* close;
};
constexpr Deep kDeep[] = {
    {"select 1", "+1", "", ""},
    {"select ", "(", "1", ")"},
    {"select ", "(select ", "1", ")"},
    {"", "select * from (", "select 1", ") a"},
    {"select 1", " union select 1", "", ""},
    {"select * from a", " cross join b", "", ""},
    {"select ", "not ", "true", ""},
    {"select ", "- ", "x", ""},
    {"select x", "::int", "", ""},
    {"select ", "case when true then ", "1", " end"},
    {"select ", "f(", "1", ")"},
    {"", "with a as (", "select 1", ") select 1"},
    {"select x", " is null", "", ""},
    {"select ", "array[", "1", "]"},
    {"select ", "row(", "1", ")"},
    {"select x", " collate c", "", ""},
    {"select ", "true and (false or ", "true", ")"},
    {"select ", "1 in (", "1", ")"},
    {"select x", " at time zone y", "", ""},
    {"select 1", " and 1", "", ""},
    {"select x", "[1]", "", ""},
    {"select (x)", ".y", "", ""},
    {"select 1", " operator(pg_catalog.+) 1", "", ""},
    {"select ", "exists (select ", "1", ")"},
    {"select ", "@ ", "1", ""},
    {"create view v as ", "(select ", "1", ")"},
    {"", "explain ", "select 1", ""},
    {"", "select 1;", "", ""},
    {"", "/* ", "select 1", " */"},
};

TEST(StatementParser, SurvivesAnyDepth) {
  for (const Deep& deep : kDeep) {
    for (int levels : {90, 249, 1000, 1900, 12000}) {
      const std::string text =
          std::string(deep.before) + repeat(deep.open, levels) + deep.middle + repeat(deep.close, levels);
      const StatementFacts facts = facts_of(text);
      if (levels == 12000) {
        EXPECT_TRUE(facts.kind == Kind::Unknown || facts.kind == Kind::Empty) << deep.open;
      }
    }
  }
  EXPECT_EQ(facts_of("select 1" + repeat("+1", 2100)).kind, Kind::Unknown);
  EXPECT_EQ(facts_of("select " + repeat("(", 260) + "1" + repeat(")", 260)).kind, Kind::Unknown);
  EXPECT_EQ(facts_of("select 1" + repeat("+1", 100000)).kind, Kind::Unknown);
  EXPECT_EQ(facts_of("select " + repeat("(", 100000) + "1" + repeat(")", 100000)).kind, Kind::Unknown);
  EXPECT_EQ(facts_of("select 1" + repeat("+1", 1900)).kind, Kind::Read);
  EXPECT_EQ(facts_of("select " + repeat("(", 240) + "1" + repeat(")", 240)).kind, Kind::Read);
}

// What is parsed on the caller's stack needs little of it: 256 kB are promised. (Sanitizers make frames
// larger.)
TEST(StatementParser, NeedsLittleOfTheCallersStack) {
  for (const Deep& deep : kDeep) {
    for (int levels : {40, 80, 120, 240}) {
      const std::string text =
          std::string(deep.before) + repeat(deep.open, levels) + deep.middle + repeat(deep.close, levels);
      std::string scratch;
      const Shape shape = measure_shape(text, true, scratch);
      if (shape.nesting + shape.deepening > kInlineDepth) continue;
      pthread_attr_t attributes;
      ASSERT_EQ(pthread_attr_init(&attributes), 0);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
      ASSERT_EQ(pthread_attr_setstacksize(&attributes, 1024 * 1024), 0);
#else
      ASSERT_EQ(pthread_attr_setstacksize(&attributes, 256 * 1024), 0);
#endif
      pthread_t thread;
      const auto body = [](void* argument) -> void* {
        facts_of(*static_cast<const std::string*>(argument));
        return nullptr;
      };
      ASSERT_EQ(pthread_create(&thread, &attributes, body, const_cast<std::string*>(&text)), 0);
      pthread_join(thread, nullptr);
      pthread_attr_destroy(&attributes);
    }
  }
}

TEST(StatementParser, JudgesLargeTextsByTheirWords) {
  const StatementFacts list = facts_of("select * from t where a in (" + repeat("1,", 50000) + "1)");  // S62
  EXPECT_EQ(list.kind, Kind::Unknown);
  EXPECT_FALSE(list.pins());
  EXPECT_TRUE(list.literal_dependent);
  EXPECT_FALSE(facts_of("insert into t values " + repeat("(1, 'x'),", 20000) + "(1, 'y')").pins());
  EXPECT_TRUE(
      facts_of("insert into t values " + repeat("(1, 'x'),", 20000) + "(1, 'y'); set a.b = 1").pins());
}

TEST(StatementParser, WorksOnManyThreadsAtOnce) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([] {
      for (int round = 0; round < 50; ++round) {
        EXPECT_EQ(facts_of("select set_config('a.b', 'x', false)").effects, SetOther);
        EXPECT_EQ(facts_of("select 1" + repeat("+1", 300)).kind, Kind::Read);
        EXPECT_EQ(facts_of("select from from").kind, Kind::Unknown);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace sportello::sql
