#include <gtest/gtest.h>

#include "proxy/setup/connect_check.h"
#include "proxy/setup/setup_sql.h"

namespace sportello::proxy {
namespace {

DatabaseFacts ready() {
  DatabaseFacts facts;
  facts.version = 150'004;
  facts.user = "watcher";
  facts.may_replicate = facts.may_monitor = true;
  facts.wal_level = "logical";
  facts.max_slots = facts.max_senders = 10;
  facts.has_publication = facts.publishes_all_kinds = true;
  facts.tables = {{.oid = 1, .name = "public.a", .has_key = true, .key_columns = "(id)", .is_covered = true}};
  return facts;
}

const SetupWish kWish{.database = "app", .dbname = "app", .user = "watch'er", .publication = "sportello"};

std::string sql_of(const DatabaseFacts& facts) { return setup_sql(kWish, facts, {}); }
bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST(ConnectCheck, AServerThatHasEverythingHasNoProblem) {
  EXPECT_TRUE(problems_of_server(ready(), false).empty());
  EXPECT_TRUE(problems_of_followed(ready(), "sportello").empty());
}

TEST(ConnectCheck, TheWrongRoleOfAServerIsNamed) {
  EXPECT_EQ(problems_of_server(ready(), true).size(), 1U);
  DatabaseFacts standby = ready();
  standby.in_recovery = true;
  EXPECT_EQ(problems_of_server(standby, false).size(), 1U);
  EXPECT_TRUE(problems_of_server(standby, true).empty());
}

TEST(ConnectCheck, WhatCannotBeAskedIsToldOnce) {
  DatabaseFacts gone;
  gone.unreachable = "nobody there";
  EXPECT_EQ(problems_of_server(gone, false), std::vector<std::string>{"nobody there"});
  EXPECT_TRUE(problems_of_followed(gone, "sportello").empty());
}

TEST(ConnectCheck, TablesThatCannotBePublishedAreNotMissed) {
  DatabaseFacts facts = ready();
  facts.tables.push_back({.oid = 2, .name = "public.p", .kind = 'p'});
  facts.tables.push_back({.oid = 3, .name = "public.u", .persistence = 'u'});
  EXPECT_TRUE(problems_of_followed(facts, "sportello").empty());
}

TEST(SetupSql, KeysAloneArePublishedWhereTheServerCan) {
  DatabaseFacts facts = ready();
  facts.has_publication = false;
  EXPECT_TRUE(has(sql_of(facts), "CREATE PUBLICATION \"sportello\" FOR TABLE\n  ONLY public.a (id);"));
  facts.version = 140'000;
  EXPECT_TRUE(has(sql_of(facts), "FOR TABLE\n  ONLY public.a;"));
  facts.version = 150'000;
  facts.tables[0].identity = 'f';
  EXPECT_TRUE(has(sql_of(facts), "FOR TABLE\n  ONLY public.a;")) << "all columns are its identity";
}

TEST(SetupSql, NoTableIsPublishedWithoutAReplicaIdentity) {
  DatabaseFacts facts = ready();
  facts.tables.push_back({.oid = 2, .name = "public.keyless"});
  const std::string sql = sql_of(facts);
  const size_t identity = sql.find("ALTER TABLE public.keyless REPLICA IDENTITY FULL;");
  ASSERT_NE(identity, std::string::npos);
  EXPECT_LT(identity, sql.find("ALTER PUBLICATION"));
  EXPECT_TRUE(has(sql, "-- public.keyless has no primary key"));
}

TEST(SetupSql, NamesAreQuotedForWhereTheyStand) {
  const std::string sql = sql_of(ready());
  EXPECT_TRUE(has(sql, "rolname = 'watch''er'"));
  EXPECT_TRUE(has(sql, "ALTER ROLE \"watch'er\" REPLICATION;"));
}

TEST(SetupSql, WithoutTheServerNothingIsPublishedUnseen) {
  DatabaseFacts gone;
  gone.unreachable = "nobody\nthere";
  conf::Cache cache;
  cache.rules.push_back({.name = "r", .tables = {"a", "b"}});
  const std::string sql = setup_sql(kWish, gone, cache);
  EXPECT_TRUE(has(sql, "-- CREATE PUBLICATION \"sportello\" FOR TABLE a, b;"));
  EXPECT_FALSE(has(sql, "\nthere")) << "every line of a comment is one";
}

}  // namespace
}  // namespace sportello::proxy
