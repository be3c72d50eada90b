#include "cache/resolve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/cache/catalog_fixture.h"

namespace sportello::cache {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

void expect_plain(const ResolvedFacts& resolved) {
  EXPECT_TRUE(resolved.known);
  EXPECT_FALSE(resolved.reads_unknown);
  EXPECT_FALSE(resolved.writes_unknown);
  EXPECT_THAT(resolved.reasons, IsEmpty());
}

void expect_not_known(const ResolvedFacts& resolved, const std::string& why) {
  EXPECT_FALSE(resolved.known);
  EXPECT_TRUE(resolved.reads_unknown);
  EXPECT_TRUE(resolved.writes_unknown);
  EXPECT_THAT(resolved.reasons, Contains(HasSubstr(why)));
}

// ---- names ----

TEST(Resolve, ATableIsItself) {
  CatalogFixture world;
  world.relation("public.t");
  const ResolvedFacts resolved = world.resolve(reading({"t"}));
  expect_plain(resolved);
  EXPECT_EQ(resolved.reads, world.set({"public.t"}));
  EXPECT_THAT(resolved.writes, IsEmpty());
}

TEST(Resolve, ANameThatLeadsNowhereMakesItUnknown) {
  CatalogFixture world;
  world.relation("public.t");
  expect_not_known(world.resolve(reading({"t", "u"})), "there is no relation u");
  expect_not_known(world.resolve(reading({"other.t"})), "there is no relation other.t");
  expect_not_known(world.resolve(inserting("u")), "there is no relation u");
}

TEST(Resolve, WhereAnySchemaMayBeMeantAllOfTheNameCount) {
  CatalogFixture world;
  world.schema("tenant");
  world.schema("apart");
  const Oid table = world.relation("public.t");
  world.relation("tenant.t");
  const Oid acts = world.function("public.acts", 'v');
  world.view_of("apart.v", {table}, {acts});
  const auto anywhere = [&](const char* name) {
    return resolve(*world.build(), reading({name}),
                   {.search_path = {}, .may_have_temporary = false, .any_schema = true});
  };
  expect_plain(anywhere("t"));
  EXPECT_EQ(anywhere("t").reads, world.set({"public.t", "tenant.t"}));
  EXPECT_TRUE(anywhere("v").writes_unknown);
  expect_plain(anywhere("temporary"));
  EXPECT_TRUE(anywhere("pg_temp.v").writes_unknown);
}

TEST(Resolve, WhatTheParserDidNotUnderstandIsUnknown) {
  expect_not_known(CatalogFixture().resolve({}), "not understood");
}

TEST(Resolve, TheFirstSchemaOfThePathWins) {
  CatalogFixture world;
  world.schema("tenant");
  world.relation("public.t");
  world.relation("tenant.t");
  EXPECT_EQ(world.resolve(reading({"t"}), {"pg_catalog", "tenant", "public"}).reads, world.set({"tenant.t"}));
  EXPECT_EQ(world.resolve(reading({"t"}), {"pg_catalog", "public", "tenant"}).reads, world.set({"public.t"}));
  EXPECT_EQ(world.resolve(reading({"public.t"}), {"pg_catalog", "tenant"}).reads, world.set({"public.t"}));
}

TEST(Resolve, ASchemaThatNotEverybodyMayUseDoesNotEndTheSearch) {
  CatalogFixture world;
  world.schema("hidden", false);
  world.relation("public.t");
  world.relation("hidden.t");
  EXPECT_EQ(world.resolve(reading({"t"}), {"pg_catalog", "hidden", "public"}).reads,
            world.set({"hidden.t", "public.t"}));
}

TEST(Resolve, ASchemaOfThePathThatDoesNotExistIsPassedBy) {
  CatalogFixture world;
  world.relation("public.t");
  EXPECT_EQ(world.resolve(reading({"t"}), {"pg_catalog", "alice", "public"}).reads, world.set({"public.t"}));
}

TEST(Resolve, ASessionWithTemporaryTablesHidesUnqualifiedNames) {
  CatalogFixture world;
  world.relation("public.t");
  const std::vector<std::string> path = {"pg_temp", "pg_catalog", "public"};
  expect_not_known(world.resolve(reading({"t"}), path, true), "may be temporary");
  expect_plain(world.resolve(reading({"public.t"}), path, true));
  expect_plain(world.resolve(reading({"t"}), {"pg_catalog", "public", "pg_temp"}, true));
}

TEST(Resolve, TheTemporarySchemaIsNeverKnown) {
  const ResolvedFacts resolved = CatalogFixture().resolve(reading({"pg_temp.t"}));
  expect_not_known(resolved, "is temporary");
  EXPECT_TRUE(resolved.temporary);
  expect_not_known(CatalogFixture().resolve(reading({"pg_temp_3.t"})), "is temporary");
}

TEST(Resolve, ATableThatWasMadeAgainIsAnotherOne) {
  CatalogFixture before;
  before.relation("public.t");
  CatalogFixture after;
  after.next += 100;
  after.relation("public.t");
  EXPECT_NE(before.resolve(reading({"t"})).reads, after.resolve(reading({"t"})).reads);
}

TEST(Resolve, SystemCatalogsAreMarked) {
  const ResolvedFacts resolved = CatalogFixture().resolve(reading({"pg_class"}));
  EXPECT_TRUE(resolved.known);
  EXPECT_TRUE(resolved.catalog);
  EXPECT_TRUE(CatalogFixture().resolve(inserting("pg_class")).writes_unknown);
}

// ---- what is behind a name that is read ----

TEST(Resolve, AViewOfViewsGivesWayToTables) {
  CatalogFixture world;
  const Oid one = world.relation("public.one");
  const Oid two = world.relation("public.two");
  const Oid inner = world.view_of("public.inner", {one, two});
  world.view_of("public.outer", {inner, one});
  const ResolvedFacts resolved = world.resolve(reading({"outer"}));
  expect_plain(resolved);
  EXPECT_EQ(resolved.reads, world.set({"public.one", "public.two"}));
}

TEST(Resolve, AViewOfASystemCatalogIsMarked) {
  CatalogFixture world;
  world.view_of("public.v", {1259});
  EXPECT_TRUE(world.resolve(reading({"v"})).catalog);
}

TEST(Resolve, AViewOfWhatIsNotInTheCatalogIsUnknown) {
  CatalogFixture world;
  world.view_of("public.v", {99'999});
  expect_not_known(world.resolve(reading({"v"})), "not in the catalog");
}

TEST(Resolve, AViewWhoseQueryWasTooLargeIsUnknown) {
  CatalogFixture world;
  world.rows.rules.push_back({world.relation("public.v", 'v'), true, std::nullopt});
  const ResolvedFacts resolved = world.resolve(reading({"v"}));
  EXPECT_TRUE(resolved.reads_unknown);
  EXPECT_TRUE(resolved.writes_unknown);
}

TEST(Resolve, AParentIsReadWithAllItsDescendants) {
  CatalogFixture world;
  for (const char* name : {"public.p", "public.p1", "public.p2", "public.p21"}) {
    world.relation(name, name[7] == 'p' && name[8] == '\0' ? 'p' : 'r');
  }
  world.child("public.p1", "public.p");
  world.child("public.p2", "public.p");
  world.child("public.p21", "public.p2");
  EXPECT_EQ(world.resolve(reading({"p"})).reads,
            world.set({"public.p", "public.p1", "public.p2", "public.p21"}));
  EXPECT_EQ(world.resolve(reading({"p2"})).reads, world.set({"public.p2", "public.p21"}));
}

TEST(Resolve, ATemporaryChildMakesItsParentUnknown) {
  CatalogFixture world;
  world.relation("public.p");
  world.rows.inheritance.push_back({99'999, world.oids.at("public.p")});
  EXPECT_TRUE(world.resolve(reading({"p"})).reads_unknown);
}

TEST(Resolve, SpecialTablesAreMarkedAlsoBehindAView) {
  CatalogFixture world;
  const Oid secured = world.relation("public.secured", 'r', 'p', true);
  const Oid unlogged = world.relation("public.unlogged", 'r', 'u');
  const Oid foreign = world.relation("public.foreign", 'f');
  const Oid materialized = world.relation("public.materialized", 'm');
  world.view_of("public.v", {secured, unlogged, foreign, materialized});
  const ResolvedFacts resolved = world.resolve(reading({"v"}));
  EXPECT_TRUE(resolved.known);
  EXPECT_TRUE(resolved.row_security);
  EXPECT_TRUE(resolved.user_dependent);
  EXPECT_TRUE(resolved.unlogged);
  EXPECT_TRUE(resolved.foreign);
  EXPECT_TRUE(resolved.materialized);
  EXPECT_THAT(resolved.reasons, Contains("public.secured has row security"));
}

TEST(Resolve, AMaterializedViewIsItsOwnRows) {
  CatalogFixture world;
  const Oid t = world.relation("public.t");
  world.rows.rules.push_back(
      {world.relation("public.m", 'm'), true, "{RTE :relid " + std::to_string(t) + "}"});
  EXPECT_EQ(world.resolve(reading({"m"})).reads, world.set({"public.m"}));
  EXPECT_EQ(world.resolve(deleting("m")).writes, world.set({"public.m"}));
}

TEST(Resolve, WhatAPolicyReadsIsRead) {
  CatalogFixture world;
  const Oid t = world.relation("public.t", 'r', 'p', true);
  const Oid members = world.relation("public.members");
  world.rows.expressions.push_back({t, ExpressionRow::Of::Policy, false, members});
  EXPECT_EQ(world.resolve(reading({"t"})).reads, world.set({"public.t", "public.members"}));
}

TEST(Resolve, ASequenceIsNoTable) {
  CatalogFixture world;
  world.relation("public.s", 'S');
  EXPECT_TRUE(world.resolve(reading({"s"})).reads_unknown);
}

// ---- functions ----

TEST(Resolve, AnImmutableFunctionReadsNothing) {
  CatalogFixture world;
  world.function("public.f", 'i');
  const ResolvedFacts resolved = world.resolve(calling("", "f"));
  expect_plain(resolved);
  EXPECT_FALSE(resolved.stable_functions);
}

TEST(Resolve, AStableFunctionMayReadAnythingAndWritesNothing) {
  CatalogFixture world;
  world.function("public.f", 's');
  const ResolvedFacts resolved = world.resolve(calling("", "f"));
  EXPECT_TRUE(resolved.known);
  EXPECT_TRUE(resolved.reads_unknown);
  EXPECT_FALSE(resolved.writes_unknown);
  EXPECT_TRUE(resolved.stable_functions);
}

TEST(Resolve, AVolatileFunctionMayWriteAnything) {
  CatalogFixture world;
  world.function("public.f", 'v');
  const ResolvedFacts resolved = world.resolve(calling("public", "f"));
  EXPECT_TRUE(resolved.writes_unknown);
  EXPECT_TRUE(resolved.volatile_functions);
  EXPECT_THAT(resolved.reasons, Contains(HasSubstr("function f is VOLATILE")));
}

TEST(Resolve, TheWorstOverloadInAllSchemasOfThePathCounts) {
  CatalogFixture world;
  world.schema("tenant");
  world.function("public.f", 'i');
  world.function("tenant.f", 's');
  world.function("tenant.f", 'v');
  const std::vector<std::string> both = {"pg_catalog", "public", "tenant"};
  EXPECT_TRUE(world.resolve(calling("", "f"), both).writes_unknown);
  EXPECT_FALSE(world.resolve(calling("", "f")).writes_unknown);
  EXPECT_FALSE(world.resolve(calling("public", "f"), both).writes_unknown);
}

TEST(Resolve, AnOverloadOfABuiltinCounts) {
  CatalogFixture world;
  expect_plain(world.resolve(calling("", "lower", true)));
  world.function("public.lower", 'v');
  EXPECT_TRUE(world.resolve(calling("", "lower", true)).writes_unknown);
  EXPECT_FALSE(world.resolve(calling("pg_catalog", "lower", true)).writes_unknown);
}

TEST(Resolve, AFunctionThatIsNotThereIsUnknown) {
  expect_not_known(CatalogFixture().resolve(calling("", "nowhere")), "there is no function nowhere");
  expect_not_known(CatalogFixture().resolve(calling("pg_temp", "f")), "there is no function pg_temp.f");
}

TEST(Resolve, AnAggregateIsWhatItsPartsAre) {
  CatalogFixture world;
  const Oid state = world.function("public.state", 'v');
  const Oid aggregate = world.function("public.total", 'i', "internal", 'a');
  world.rows.aggregates.push_back({aggregate, state});
  EXPECT_TRUE(world.resolve(calling("", "total")).writes_unknown);
}

TEST(Resolve, AnAggregateOfBuiltinPartsIsHarmless) {
  CatalogFixture world;
  const Oid aggregate = world.function("public.total", 'i', "internal", 'a');
  world.rows.aggregates.push_back({aggregate, 1'841});
  expect_plain(world.resolve(calling("", "total")));
}

TEST(Resolve, AnExtensionsUuidIsVolatileAndWritesNothing) {
  CatalogFixture world;
  world.function("public.uuid_generate_v4", 'v', "c");
  const ResolvedFacts resolved = world.resolve(calling("", "uuid_generate_v4"));
  EXPECT_TRUE(resolved.volatile_functions);
  EXPECT_FALSE(resolved.writes_unknown);
  world.function("public.gen_salt", 'v', "plpgsql");
  EXPECT_TRUE(world.resolve(calling("", "gen_salt")).writes_unknown);
}

TEST(Resolve, AFunctionInAViewCounts) {
  CatalogFixture world;
  const Oid stable = world.function("public.s", 's');
  world.view_of("public.v", {}, {stable});
  const ResolvedFacts resolved = world.resolve(reading({"v"}));
  EXPECT_TRUE(resolved.reads_unknown);
  EXPECT_FALSE(resolved.writes_unknown);
}

TEST(Resolve, ABuiltinInAViewIsKnownByItsName) {
  CatalogFixture world;
  world.rows.functions.push_back({1598, 11, "random", 'v', 'f', "internal", 0});
  world.rows.functions.push_back({1299, 11, "now", 's', 'f', "internal", 0});
  world.rows.functions.push_back({2923, 11, "query_to_xml", 'v', 'f', "internal", 0});
  world.view_of("public.dice", {}, {1598});
  world.view_of("public.clock", {}, {1299});
  world.view_of("public.eval", {}, {2923});
  world.view_of("public.pure", {}, {871});
  EXPECT_TRUE(world.resolve(reading({"dice"})).volatile_functions);
  EXPECT_FALSE(world.resolve(reading({"dice"})).writes_unknown);
  EXPECT_TRUE(world.resolve(reading({"clock"})).stable_functions);
  EXPECT_FALSE(world.resolve(reading({"clock"})).reads_unknown);
  EXPECT_TRUE(world.resolve(reading({"eval"})).writes_unknown);
  expect_plain(world.resolve(reading({"pure"})));
}

TEST(Resolve, AFunctionOfARowMayBeCalledByADot) {
  CatalogFixture world;
  world.relation("public.person");
  world.relation("public.notary");
  world.relation("public.act");
  world.child("public.notary", "public.person");
  world.function("public.full_name", 's', "sql", 'f', world.row_types.at("public.person"));
  EXPECT_TRUE(world.resolve(reading({"person"})).reads_unknown);
  EXPECT_TRUE(world.resolve(reading({"notary"})).reads_unknown);
  EXPECT_FALSE(world.resolve(reading({"act"})).reads_unknown);
}

TEST(Resolve, AFieldOfAnExpressionMayBeACallOfAFunctionOfOneArgument) {
  CatalogFixture world;
  world.relation("public.t");
  const Oid point = world.type("public.point", 'c');
  world.function("public.reads", 's', "sql", 'f', point);
  world.function("public.writes", 'v', "sql", 'f', 2283);  // anyelement
  world.function("public.pure", 'i', "sql", 'f', point);
  world.function("public.of_none", 'v');
  world.schema("elsewhere");
  world.function("elsewhere.far", 'v', "sql", 'f', point);
  const auto of_field = [&](const std::string& field) {
    sql::StatementFacts facts = reading({"t"});
    facts.fields = {field};
    return world.resolve(facts);
  };
  EXPECT_TRUE(of_field("reads").reads_unknown);
  EXPECT_FALSE(of_field("reads").writes_unknown);
  EXPECT_TRUE(of_field("writes").writes_unknown);
  for (const char* field : {"pure", "of_none", "far", "a_column"}) expect_plain(of_field(field));
}

TEST(Resolve, AVolatileOperatorOrImplicitCastIsEverywhere) {
  CatalogFixture world;
  world.relation("public.t");
  const Oid f = world.function("public.f", 'v');
  world.rows.hidden_calls.push_back({"===", 0, false, f});
  EXPECT_TRUE(world.resolve(reading({"t"})).writes_unknown);
  world.rows.hidden_calls = {{"", 25, false, f}};
  EXPECT_TRUE(world.resolve(reading({"t"})).writes_unknown);
}

TEST(Resolve, AStableOperatorInCReadsNoTables) {
  CatalogFixture world;
  world.relation("public.t");
  world.rows.hidden_calls.push_back({"%", 0, false, world.function("public.similar", 's', "c")});
  expect_plain(world.resolve(reading({"t"})));
}

TEST(Resolve, AnExplicitCastCountsWhereItsTypeIsNamed) {
  CatalogFixture world;
  world.relation("public.t");
  const Oid type = world.type("public.money2");
  world.rows.hidden_calls.push_back({"", type, true, world.function("public.f", 'v')});
  sql::StatementFacts facts = reading({"t"});
  expect_plain(world.resolve(facts));
  facts.types = names({"money2"});
  EXPECT_TRUE(world.resolve(facts).writes_unknown);
}

TEST(Resolve, ATypeThatIsNotThereIsUnknown) {
  sql::StatementFacts facts = reading({});
  facts.types = names({"text"});
  expect_plain(CatalogFixture().resolve(facts));
  facts.types = names({"nowhere"});
  expect_not_known(CatalogFixture().resolve(facts), "there is no type nowhere");
}

TEST(Resolve, ADomainThatCallsAFunctionIsEverywhere) {
  CatalogFixture world;
  world.relation("public.t");
  const Oid domain = world.type("public.d", 'd');
  world.rows.expressions.push_back(
      {domain, ExpressionRow::Of::DomainCheck, true, world.function("public.f", 's')});
  EXPECT_TRUE(world.resolve(reading({"t"})).reads_unknown);
}

TEST(Resolve, WhatTheTextDoesNotShowStaysUnknown) {
  CatalogFixture world;
  sql::StatementFacts facts = reading({});
  facts.reads_unknown = facts.writes_unknown = true;
  const ResolvedFacts resolved = world.resolve(facts);
  EXPECT_TRUE(resolved.reads_unknown);
  EXPECT_TRUE(resolved.writes_unknown);
}

// ---- what is written ----

struct Cascade : ::testing::Test {
  Cascade() {
    for (const char* name : {"public.a", "public.b", "public.c", "public.d", "public.apart"}) {
      world.relation(name);
    }
    world.foreign_key("public.b", "public.a", 'c');
    world.foreign_key("public.c", "public.b", 'a', 'n');
    world.foreign_key("public.d", "public.c", 'd');
    world.foreign_key("public.apart", "public.a", 'r');
  }
  CatalogFixture world;
};

TEST_F(Cascade, ADeleteWritesWhatRefersToItAndSoOn) {
  const ResolvedFacts resolved = world.resolve(deleting("a"));
  expect_plain(resolved);
  EXPECT_EQ(resolved.writes, world.set({"public.a", "public.b", "public.c", "public.d"}));
}

TEST_F(Cascade, AnInsertWritesItsTableAlone) {
  EXPECT_EQ(world.resolve(inserting("a")).writes, world.set({"public.a"}));
}

TEST_F(Cascade, TruncateCascadeTakesAllThatRefer) {
  sql::StatementFacts facts = inserting("a");
  facts.cascades = true;
  EXPECT_EQ(world.resolve(facts).writes,
            world.set({"public.a", "public.b", "public.c", "public.d", "public.apart"}));
}

TEST_F(Cascade, ARingEnds) {
  world.foreign_key("public.a", "public.d", 'c');
  EXPECT_EQ(world.resolve(deleting("c")).writes, world.set({"public.a", "public.b", "public.c", "public.d"}));
}

TEST_F(Cascade, ATriggerFarDownMakesItUnknown) {
  world.rows.triggers.push_back({world.oids.at("public.d"), world.function("public.trigger", 'v')});
  EXPECT_TRUE(world.resolve(deleting("a")).writes_unknown);
  EXPECT_FALSE(world.resolve(inserting("a")).writes_unknown);
}

TEST(Resolve, AWriteToAPartitionIsOneToItsParentsAndNotToItsSiblings) {
  CatalogFixture world;
  for (const char* name : {"public.p", "public.p1", "public.p2"}) {
    world.relation(name);
  }
  world.child("public.p1", "public.p");
  world.child("public.p2", "public.p");
  EXPECT_EQ(world.resolve(inserting("p1")).writes, world.set({"public.p", "public.p1"}));
  EXPECT_EQ(world.resolve(inserting("p")).writes, world.set({"public.p", "public.p1", "public.p2"}));
}

TEST(Resolve, ACascadeReachesPartitionsAndTheirParents) {
  CatalogFixture world;
  for (const char* name : {"public.a", "public.p", "public.p1"}) {
    world.relation(name);
  }
  world.child("public.p1", "public.p");
  world.foreign_key("public.p1", "public.a", 'c');
  EXPECT_EQ(world.resolve(deleting("a")).writes, world.set({"public.a", "public.p", "public.p1"}));
}

TEST(Resolve, AWriteToAViewIsOneToItsTables) {
  CatalogFixture world;
  world.view_of("public.outer", {world.view_of("public.inner", {world.relation("public.t")})});
  EXPECT_EQ(world.resolve(inserting("outer")).writes, world.set({"public.t"}));
}

TEST(Resolve, RulesAndTriggersMayWriteAnything) {
  CatalogFixture world;
  world.relation("public.ruled");
  world.relation("public.triggered");
  world.rows.rules.push_back({world.oids.at("public.ruled"), false, std::nullopt});
  world.rows.triggers.push_back({world.oids.at("public.triggered"), world.function("public.f", 'i')});
  EXPECT_TRUE(world.resolve(inserting("ruled")).writes_unknown);
  EXPECT_TRUE(world.resolve(inserting("triggered")).writes_unknown);
  EXPECT_TRUE(world.resolve(inserting("triggered")).known);
  EXPECT_FALSE(world.resolve(reading({"ruled", "triggered"})).writes_unknown);
}

TEST(Resolve, TriggersThatChangeTheirRowAloneAreHarmless) {
  CatalogFixture world;
  world.relation("public.t");
  world.rows.functions.push_back({3752, 11, "tsvector_update_trigger", 'v', 'f', "internal", 0});
  world.rows.triggers.push_back({world.oids.at("public.t"), 3752});
  expect_plain(world.resolve(inserting("t")));
}

TEST(Resolve, AVolatileDefaultMayWriteAnything) {
  CatalogFixture world;
  const Oid t = world.relation("public.t");
  world.rows.expressions.push_back({t, ExpressionRow::Of::Default, true, world.function("public.f", 'v')});
  EXPECT_TRUE(world.resolve(inserting("t")).writes_unknown);
  expect_plain(world.resolve(reading({"t"})));
}

TEST(Resolve, AVolatilePolicyCountsForReadersToo) {
  CatalogFixture world;
  const Oid t = world.relation("public.t", 'r', 'p', true);
  world.rows.expressions.push_back({t, ExpressionRow::Of::Policy, true, world.function("public.f", 'v')});
  EXPECT_TRUE(world.resolve(reading({"t"})).writes_unknown);
}

TEST(Resolve, DdlMayFireEventTriggers) {
  CatalogFixture world;
  world.relation("public.t");
  sql::StatementFacts facts = inserting("t");
  facts.kind = sql::StatementKind::Ddl;
  facts.effects = sql::Effect::IsDdl;
  expect_plain(world.resolve(facts));
  facts.cascades = true;
  EXPECT_TRUE(world.resolve(facts).writes_unknown);
  facts.cascades = false;
  world.rows.has_event_triggers = true;
  EXPECT_TRUE(world.resolve(facts).writes_unknown);
}

}  // namespace
}  // namespace sportello::cache
