#include "cache/cache_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/sql/statement_parser.h"
#include "tests/unit/cache/catalog_fixture.h"

namespace sportello::cache {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

sql::StatementFacts facts_of(std::string_view text) {
  std::string scratch;
  return sql::parse_statement(text, sql::measure_shape(text, true, scratch));
}

conf::CacheRule by_query(const std::string& query) {
  conf::CacheRule rule;
  rule.name = "q";
  rule.query = query;
  return rule;
}

conf::CacheRule by_tables(const std::vector<std::string>& tables) {
  conf::CacheRule rule;
  rule.name = "t";
  rule.tables = tables;
  return rule;
}

std::vector<std::string> problems_of(std::vector<conf::CacheRule> rules) {
  return CacheRules(conf::Cache{.rules = std::move(rules)}).problems();
}

struct CacheRulesTest : testing::Test {
  CatalogFixture world;

  CacheRulesTest() {
    world.relation("public.notaries");
    world.relation("public.acts");
    world.relation("public.acts_2024");
    world.child("public.acts_2024", "public.acts");
    world.relation("public.secrets", 'r', 'p', true);
    world.relation("public.scratch", 'r', 'u');
    world.function("public.score", 'i');
    world.function("public.touch", 'v');
  }

  DatabaseRules bind(std::vector<conf::CacheRule> rules) {
    const auto all = std::make_shared<const CacheRules>(conf::Cache{.rules = std::move(rules)});
    return {all, "portal", *world.build()};
  }
  NotCached judge(const DatabaseRules& rules, std::string_view text, const Asker& asker = {"anna", "web"}) {
    const sql::StatementFacts facts = facts_of(text);
    return rules.judge(facts, world.resolve(facts), asker).why;
  }
  NotCached judge(const conf::CacheRule& rule, std::string_view text) { return judge(bind({rule}), text); }
};

TEST_F(CacheRulesTest, AQueryTakesEveryTextOfItsShape) {
  const DatabaseRules rules = bind({by_query("SELECT * FROM notaries WHERE city = $1")});
  EXPECT_EQ(judge(rules, "select *  from notaries where city = 'Roma' -- x"), NotCached::Allowed);
  EXPECT_EQ(judge(rules, "SELECT * FROM notaries WHERE name = 'Roma'"), NotCached::NoRule);
}

TEST_F(CacheRulesTest, AFingerprintTakesWhatItsQueryWouldTake) {
  conf::CacheRule rule = by_query("");
  char digits[17];
  std::snprintf(
      digits, sizeof digits, "%016llx",
      static_cast<unsigned long long>(sql::fingerprint_of("SELECT * FROM notaries WHERE city = $1")));
  rule.fingerprint = digits;
  EXPECT_EQ(judge(rule, "SELECT * FROM notaries WHERE city = 'Roma'"), NotCached::Allowed);
  EXPECT_EQ(judge(rule, "SELECT * FROM acts"), NotCached::NoRule);
}

TEST_F(CacheRulesTest, TablesTakeWhatReadsOnlyThese) {
  const DatabaseRules rules = bind({by_tables({"public.notaries", "acts"})});
  EXPECT_EQ(judge(rules, "SELECT * FROM notaries"), NotCached::Allowed);
  EXPECT_EQ(judge(rules, "SELECT * FROM notaries JOIN acts_2024 USING (id)"), NotCached::Allowed);
  EXPECT_EQ(judge(rules, "SELECT * FROM notaries, scratch"), NotCached::NoRule);
  EXPECT_EQ(judge(rules, "SELECT 1"), NotCached::NoRule);
  EXPECT_EQ(rules.tables(), world.set({"public.notaries", "public.acts", "public.acts_2024"}));
}

TEST_F(CacheRulesTest, TheFirstRuleThatTakesAStatementCounts) {
  conf::CacheRule off = by_query("SELECT * FROM acts WHERE id = 1");
  off.mode = conf::CacheMode::Off;
  const DatabaseRules rules = bind({off, by_tables({"acts"})});
  EXPECT_EQ(judge(rules, "SELECT * FROM acts WHERE id = 7"), NotCached::RuleIsOff);
  EXPECT_EQ(judge(rules, "SELECT * FROM acts"), NotCached::Allowed);
}

TEST_F(CacheRulesTest, ARuleHoldsForItsUsersApplicationsAndDatabases) {
  conf::CacheRule rule = by_tables({"acts"});
  rule.users = {"anna", "bruno"};
  rule.applications = {"web"};
  const DatabaseRules rules = bind({rule});
  EXPECT_EQ(judge(rules, "SELECT * FROM acts", {"bruno", "web"}), NotCached::Allowed);
  EXPECT_EQ(judge(rules, "SELECT * FROM acts", {"carla", "web"}), NotCached::NoRule);
  EXPECT_EQ(judge(rules, "SELECT * FROM acts", {"anna", "psql"}), NotCached::NoRule);
  rule.databases = {"other"};
  EXPECT_EQ(judge(bind({rule}), "SELECT * FROM acts"), NotCached::NoRule);
}

TEST_F(CacheRulesTest, NoRuleCanAllowWhatIsNotAPlainRead) {  // S51
  conf::CacheRule rule = by_tables({"acts", "notaries"});
  rule.stable_functions = rule.untracked_tables = true;
  const DatabaseRules rules = bind({rule});
  EXPECT_EQ(judge(rules, "SELECT * FROM acts FOR UPDATE"), NotCached::Locks);
  EXPECT_EQ(judge(rules, "WITH x AS (SELECT * FROM acts FOR SHARE) SELECT * FROM x"), NotCached::Locks);
  EXPECT_EQ(judge(rules, "WITH x AS (DELETE FROM acts RETURNING *) SELECT * FROM x"), NotCached::NotARead);
  EXPECT_EQ(judge(rules, "SELECT * INTO new FROM acts"), NotCached::NotARead);
  EXPECT_EQ(judge(rules, "SELECT 1 FROM acts; SELECT 2 FROM acts"), NotCached::NotARead);
  EXPECT_EQ(judge(rules, "EXPLAIN SELECT * FROM acts"), NotCached::NotARead);
  EXPECT_EQ(judge(rules, "SELECT random() FROM acts"), NotCached::Volatile);
  EXPECT_EQ(judge(rules, "SELECT touch() FROM acts"), NotCached::Volatile);
  EXPECT_EQ(judge(rules, "SELECT * FROM acts TABLESAMPLE system (1)"), NotCached::Volatile);
  EXPECT_EQ(judge(rules, "SELECT nobody_knows(id) FROM acts"), NotCached::Unknown);
  EXPECT_EQ(judge(rules, "SELECT ctid FROM acts"), NotCached::SystemColumns);
  EXPECT_EQ(judge(rules, "/* sportello: nocache */ SELECT * FROM acts"), NotCached::Hint);
  EXPECT_EQ(judge(rules, "SELECT score() FROM acts"), NotCached::Allowed);
}

TEST_F(CacheRulesTest, StableFunctionsAreARulesToAllow) {
  conf::CacheRule rule = by_tables({"acts"});
  EXPECT_EQ(judge(rule, "SELECT * FROM acts WHERE created_at < now()"), NotCached::Stable);
  EXPECT_EQ(judge(rule, "SELECT * FROM acts WHERE owner = current_user"), NotCached::Stable);
  EXPECT_EQ(judge(rule, "SELECT to_char(created_at, 'DD') FROM acts"), NotCached::Allowed)
      << "settings are in the key";
  rule.stable_functions = true;
  EXPECT_EQ(judge(rule, "SELECT * FROM acts WHERE created_at < now()"), NotCached::Allowed);
  EXPECT_EQ(judge(rule, "SELECT * FROM acts WHERE owner = current_user"), NotCached::Allowed);
  rule.shared = true;
  EXPECT_EQ(judge(rule, "SELECT * FROM acts WHERE owner = current_user"), NotCached::UserDependent);
}

TEST_F(CacheRulesTest, TablesWhoseChangesNobodyTellsAreARulesToAllow) {  // S47
  for (const char* text :
       {"SELECT * FROM scratch", "SELECT * FROM secrets", "SELECT relname FROM pg_class"}) {
    conf::CacheRule rule = by_query(text);
    EXPECT_EQ(judge(rule, text), NotCached::Untracked) << text;
    rule.untracked_tables = rule.stable_functions = true;
    EXPECT_EQ(judge(rule, text), NotCached::Allowed) << text;
  }
  conf::CacheRule rule = by_query("SELECT * FROM secrets");
  rule.untracked_tables = rule.shared = true;
  EXPECT_EQ(judge(rule, "SELECT * FROM secrets"), NotCached::UserDependent);
}

TEST_F(CacheRulesTest, BlocksAreTakenWhereTheRuleSaysSoAndNothingWasWritten) {
  CacheRule rule;
  const BlockState committed{true, true, false};
  EXPECT_EQ(judge_block(rule, {}), NotCached::Allowed);
  EXPECT_EQ(judge_block(rule, committed), NotCached::InTransaction);
  rule.settings.in_transaction = conf::CacheInTransaction::ReadCommitted;
  EXPECT_EQ(judge_block(rule, committed), NotCached::Allowed);
  EXPECT_EQ(judge_block(rule, {true, false, false}), NotCached::InTransaction);
  EXPECT_EQ(judge_block(rule, {true, true, true}), NotCached::InTransaction);
}

TEST_F(CacheRulesTest, RulesThatCanNeverMatchAreReported) {
  EXPECT_THAT(problems_of({by_query("SELECT 1 FROM a")}), IsEmpty());
  EXPECT_THAT(problems_of({by_query("SELEKT 1")}),
              ElementsAre("cache rule \"q\": its query is not understood"));
  EXPECT_THAT(problems_of({by_query("DELETE FROM a")}),
              ElementsAre("cache rule \"q\": its query does not only read"));
  EXPECT_THAT(problems_of({by_query("SELECT 1; SELECT 2")}),
              ElementsAre("cache rule \"q\": its query is more than one statement"));
  EXPECT_THAT(problems_of({by_query("SELECT random()")}),
              ElementsAre("cache rule \"q\": its query gives another result each time"));
  EXPECT_THAT(problems_of({by_query("SELECT * FROM a FOR UPDATE")}),
              ElementsAre("cache rule \"q\": its query takes locks"));
  conf::CacheRule second = by_query("select 1 from a");
  second.name = "r";
  EXPECT_THAT(problems_of({by_query("SELECT 2 FROM a"), second}),
              ElementsAre("cache rule \"r\": \"q\" takes all statements of its shape before it"));
}

TEST_F(CacheRulesTest, TablesThatDoNotExistAreReported) {
  EXPECT_THAT(bind({by_tables({"acts", "act", "other.acts"})}).problems(),
              ElementsAre("cache rule \"t\": there is no table act in database \"portal\"",
                          "cache rule \"t\": there is no table other.acts in database \"portal\""));
}

TEST_F(CacheRulesTest, ARuleKeepsItsNumberAfterAReload) {
  const CacheRules one(conf::Cache{.rules = {by_query("SELECT 1"), by_tables({"a"})}});
  const CacheRules other(conf::Cache{.rules = {by_tables({"b"})}});
  EXPECT_EQ(one.rules()[1].id, other.rules()[0].id);
  EXPECT_NE(one.rules()[0].id, one.rules()[1].id);
}

}  // namespace
}  // namespace sportello::cache
