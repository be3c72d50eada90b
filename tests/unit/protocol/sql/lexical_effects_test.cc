#include "protocol/sql/lexical_effects.h"

#include <gtest/gtest.h>

namespace sportello::sql {
namespace {

TEST(LexicalEffects, TrustsStatementsThatReadAndWriteData) {
  for (const char* text :
       {"select 1", "((select 1))", "INSERT INTO t VALUES (1); update t set a = 1;",
        "with x as (select 1) table x", "merge into t using s on true when not matched by source then delete",
        "", ";;", "select 'set_config', /* set_config */ $$temp$$ -- listen"}) {
    EXPECT_TRUE(looks_harmless_to_session(text)) << text;
  }
}

TEST(LexicalEffects, DistrustsEveryOtherStatementAndEverySuspectName) {
  for (const char* text :
       {"set a = 1", "select 1; set a = 1", "begin", "explain select 1", "do 'x'", "listen a",
        "create table t ()", "select Set_Config('a', 'b', false)", "select \"set_config\"('a', 'b', false)",
        "select U&\"set!005fconfig\"('a', 'b', false) uescape '!'", "select pg_catalog . pg_advisory_lock(1)",
        "select 1 into temp t", "select 1 into TEMPORARY t", "insert into pg_temp.t values (1)",
        "insert into pg_temp_3.t values (1)", "select currval('s')", "update pg_settings set a = 1",
        "select 'open", "select 1a"}) {
    EXPECT_FALSE(looks_harmless_to_session(text)) << text;
  }
}

TEST(LexicalEffects, FollowsStandardConformingStrings) {
  EXPECT_FALSE(looks_harmless_to_session("select '\\'; set a = 1 --'", true));
  EXPECT_TRUE(looks_harmless_to_session("select '\\'; set a = 1 --'", false));
}

TEST(LexicalEffects, TrustsBlocksThatOnlyMoveData) {
  for (const char* body : {"begin update t set a = 1; end",
                           "declare x int := 1; begin perform f(x); raise notice 'set %', x; end",
                           "begin insert into t values (1) on conflict (a) do update set b = 1; end",
                           "begin alter table t alter a set default 1; end",
                           "begin if true then update t set a = 1; end if; end"}) {
    EXPECT_TRUE(block_looks_harmless_to_session(body)) << body;
  }
}

TEST(LexicalEffects, DistrustsBlocksThatMayTouchTheSession) {
  for (const char* body :
       {"begin set search_path = x; end", "begin perform set_config('a.b', 'x', false); end",
        "begin if true then set a.b = 1; end if; end", "begin loop reset a.b; end loop; end",
        "begin execute 'set a.b = 1'; end", "begin for r in execute 'x' loop end loop; end",
        "begin create temp table t (a int); end", "begin <<l>> set a.b = 1; end", "begin listen x; end",
        "begin perform pg_advisory_lock(1); end", "begin load 'x'; end", "begin call p(); end",
        "begin x := 'a\\'; end", "begin 'open; end", "begin prepare p as select 1; end",
        "begin begin set a.b = 1; exception when others then null; end; end"}) {
    EXPECT_FALSE(block_looks_harmless_to_session(body)) << body;
  }
}

}  // namespace
}  // namespace sportello::sql
