// What a session has set is followed, put in force on every link that it gets, and never another's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/proxy/support/memory_link.h"
#include "tests/unit/proxy/support/messages.h"

namespace sportello::proxy {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::string kConfigured = server::row_description() + server::row("x") + server::complete("SELECT 1");

SettingsValues with(Tracked parameter, std::string value) {
  SettingsValues values = plain_settings();
  values.tracked[static_cast<size_t>(parameter)] = std::move(value);
  return values;
}

std::string set(std::string_view name, std::string_view value, std::string_view tag = "SET") {
  return server::complete(tag) + server::parameter(name, value) + server::ready();
}

struct SessionsSettings : ::testing::Test {
  MemoryWorker worker;
  LinkState link = memory_link();
  LinkState other = memory_link();
  MemorySession a{worker, &link};
  MemorySession b{worker, &link};
  MemorySession roman{worker, &link, with(Tracked::TimeZone, "Europe/Rome")};

  std::string time_zone(MemorySession& session) { return (*session.session().settings())[Tracked::TimeZone]; }
};

TEST_F(SessionsSettings, ASetOfAReportedParameterIsFollowed) {
  a.client(client::query("SET TimeZone = 'Asia/Tokyo'"));
  EXPECT_THAT(a.to_server(), ElementsAre("Query 'SET TimeZone = 'Asia/Tokyo''"))
      << "PostgreSQL judges the value";
  EXPECT_EQ(time_zone(a), "UTC");
  a.server(set("TimeZone", "Asia/Tokyo"), 1);
  EXPECT_EQ(time_zone(a), "Asia/Tokyo");
  EXPECT_FALSE(a.holds_link());
  EXPECT_THAT(a.to_client(), ElementsAre("CommandComplete 'SET'", "ParameterStatus TimeZone 'Asia/Tokyo'",
                                         "ReadyForQuery I"));
}

TEST_F(SessionsSettings, ItIsNotTheNextSessions) {
  a.client(client::query("SET TimeZone = 'Asia/Tokyo'")).server(set("TimeZone", "Asia/Tokyo"));
  b.client(client::query("SELECT now()"));
  EXPECT_THAT(b.to_server(), ElementsAre("Query 'SET \"TimeZone\" = E'UTC';'", "Query 'SELECT now()'"))
      << "in the same write";
  b.server(set("TimeZone", "UTC") + server::selected("x"), 1);
  EXPECT_THAT(b.to_client(),
              ElementsAre("RowDescription", "DataRow (x)", "CommandComplete 'SELECT 1'", "ReadyForQuery I"));
  EXPECT_EQ(time_zone(a), "Asia/Tokyo");
  EXPECT_EQ(link.settings, b.session().settings());
}

TEST_F(SessionsSettings, ItGoesWithTheSessionToAnotherLink) {
  a.client(client::query("SET application_name = 'till'")).server(set("application_name", "till"));
  a.next_link = &other;
  a.to_server();
  a.client(client::parse("", "SELECT 1") + client::sync());
  EXPECT_THAT(a.to_server(),
              ElementsAre("Query 'SET \"application_name\" = E'till';'", "Parse '' 'SELECT 1'", "Sync"));
  a.server(set("application_name", "till") + server::parse_complete() + server::ready());
  EXPECT_THAT(a.to_client(), ::testing::Contains("ParseComplete"));
  EXPECT_EQ(other.settings, a.session().settings());
  EXPECT_EQ(a.commands(), 2U) << "ours are not counted";
}

TEST_F(SessionsSettings, ALinkThatHasThemIsSentNothing) {
  roman.client(client::query("SELECT 1"));
  EXPECT_EQ(roman.to_server().size(), 2U);
  roman.server(set("TimeZone", "Europe/Rome") + server::selected("1"));
  roman.client(client::query("SELECT 1"));
  EXPECT_THAT(roman.to_server(), ElementsAre("Query 'SELECT 1'"));
}

TEST_F(SessionsSettings, ARolledBackSetDidNotHappen) {  // S37
  a.client(client::query("BEGIN")).server(server::complete("BEGIN") + server::ready('T'));
  a.client(client::query("SET TimeZone = 'Asia/Tokyo'"))
      .server(server::complete("SET") + server::parameter("TimeZone", "Asia/Tokyo") + server::ready('T'));
  a.client(client::query("ROLLBACK"))
      .server(server::complete("ROLLBACK") + server::parameter("TimeZone", "UTC") + server::ready());
  EXPECT_EQ(time_zone(a), "UTC");
}

TEST_F(SessionsSettings, OfSeveralStatementsInOneTextIsFollowed) {
  a.client(client::query("SET TimeZone = 'Asia/Tokyo'; SET application_name = 'till'"));
  a.server(server::complete("SET") + server::complete("SET") + server::parameter("TimeZone", "Asia/Tokyo") +
           server::parameter("application_name", "till") + server::ready());
  EXPECT_EQ(time_zone(a), "Asia/Tokyo");
  EXPECT_EQ((*a.session().settings())[Tracked::ApplicationName], "till");
}

TEST_F(SessionsSettings, ResetGoesBackToWhatTheClientHadAtLogin) {
  roman.client(client::query("SET TimeZone = 'Asia/Tokyo'"));
  roman.server(set("TimeZone", "Europe/Rome") + set("TimeZone", "Asia/Tokyo"));
  roman.to_client();
  roman.client(client::query("RESET TimeZone"));
  roman.server(set("TimeZone", "UTC", "RESET"));
  EXPECT_EQ(time_zone(roman), "Europe/Rome");
  EXPECT_THAT(roman.to_client(), ::testing::Contains("ParameterStatus TimeZone 'Europe/Rome'"))
      << "and the client is told so";
  roman.to_server();
  roman.client(client::query("SELECT 1"));
  EXPECT_EQ(roman.to_server()[0], "Query 'SET \"TimeZone\" = E'Europe/Rome';'");
}

TEST_F(SessionsSettings, ResetThatTheServerNeedNotReportGoesBackToo) {
  roman.client(client::query("SET TimeZone = 'UTC'"));
  roman.server(set("TimeZone", "Europe/Rome") + set("TimeZone", "UTC"));
  roman.to_client();
  roman.client(client::query("RESET TimeZone")).server(server::complete("RESET") + server::ready());
  EXPECT_EQ(time_zone(roman), "Europe/Rome");
  EXPECT_THAT(roman.to_client(), ElementsAre("CommandComplete 'RESET'",
                                             "ParameterStatus TimeZone 'Europe/Rome'", "ReadyForQuery I"));
}

TEST_F(SessionsSettings, ResetOfOneLeavesTheOthers) {
  roman.client(client::query("SET application_name = 'till'"));
  roman.server(set("TimeZone", "Europe/Rome") + set("application_name", "till"));
  roman.client(client::query("RESET TimeZone")).server(set("TimeZone", "UTC", "RESET"));
  EXPECT_EQ((*roman.session().settings())[Tracked::ApplicationName], "till");
  EXPECT_EQ(time_zone(roman), "Europe/Rome");
}

TEST_F(SessionsSettings, ResetByTheExtendedProtocolGoesBackToo) {
  roman.client(client::unnamed("RESET TimeZone") + client::sync());
  roman.server(set("TimeZone", "Europe/Rome") + server::parse_complete() + server::bind_complete() +
               server::complete("RESET") + server::parameter("TimeZone", "UTC") + server::ready());
  EXPECT_EQ(time_zone(roman), "Europe/Rome");
  EXPECT_FALSE(roman.holds_link());
}

TEST_F(SessionsSettings, ResetAllGoesBackWithAll) {
  roman.client(client::query("SET application_name = 'till'"));
  roman.server(set("TimeZone", "Europe/Rome") + set("application_name", "till"));
  roman.client(client::query("RESET ALL"));
  roman.server(server::complete("RESET") + server::parameter("TimeZone", "UTC") +
               server::parameter("application_name", "") + server::ready());
  EXPECT_EQ(time_zone(roman), "Europe/Rome");
  EXPECT_EQ((*roman.session().settings())[Tracked::ApplicationName], "");
}

TEST_F(SessionsSettings, AResetThatFailsResetsNothing) {
  roman.client(client::query("SET TimeZone = 'Asia/Tokyo'"));
  roman.server(set("TimeZone", "Europe/Rome") + set("TimeZone", "Asia/Tokyo"));
  roman.client(client::query("RESET TimeZone")).server(server::error("XX000") + server::ready());
  EXPECT_EQ(time_zone(roman), "Asia/Tokyo");
}

TEST_F(SessionsSettings, WithinATransactionResetIsMadeGoodBeforeTheNextStatement) {
  roman.client(client::query("BEGIN"));
  roman.server(set("TimeZone", "Europe/Rome") + server::complete("BEGIN") + server::ready('T'));
  roman.client(client::query("RESET TimeZone"))
      .server(server::complete("RESET") + server::parameter("TimeZone", "UTC") + server::ready('T'));
  roman.to_server();
  roman.client(client::query("SELECT now()"));
  EXPECT_THAT(roman.to_server(),
              ElementsAre("Query 'SET \"TimeZone\" = E'Europe/Rome';'", "Query 'SELECT now()'"));
  roman.server(server::complete("SET") + server::parameter("TimeZone", "Europe/Rome") + server::ready('T') +
               server::selected("x", 'T'));
  EXPECT_EQ(link.settings, roman.session().settings());
}

TEST_F(SessionsSettings, DiscardAllGoesBackToLogin) {
  roman.client(client::query("SET application_name = 'till'"));
  roman.server(set("TimeZone", "Europe/Rome") + set("application_name", "till"));
  roman.to_client();
  roman.client(client::query("DISCARD ALL"));
  EXPECT_THAT(roman.to_client(), ElementsAre("ParameterStatus application_name ''",
                                             "CommandComplete 'DISCARD ALL'", "ReadyForQuery I"));
  EXPECT_EQ(time_zone(roman), "Europe/Rome");
}

TEST_F(SessionsSettings, StartupSettingsAreSetAndTakenBackForTheNext) {
  SettingsValues values = plain_settings();
  values.startup = {{"search_path", "tenant, public"}, {"app.tenant", "O'Hara\\"}};
  MemorySession tenant(worker, &link, values);
  tenant.client(client::query("SELECT 1"));
  EXPECT_EQ(tenant.bytes_to_server(),
            client::query("SELECT pg_catalog.set_config(E'app.tenant', E'O''Hara\\\\', false);"
                          "SELECT pg_catalog.set_config(E'search_path', E'tenant, public', false);") +
                client::query("SELECT 1"));
  tenant.server(kConfigured + kConfigured + server::ready() + server::selected("1"));
  EXPECT_THAT(tenant.to_client(),
              ElementsAre("RowDescription", "DataRow (1)", "CommandComplete 'SELECT 1'", "ReadyForQuery I"));
  tenant.client(client::query("SELECT 1"));
  EXPECT_THAT(tenant.to_server(), ElementsAre("Query 'SELECT 1'")) << "the link has them now";
  tenant.server(server::selected("1"));
  b.client(client::query("SELECT 1"));
  EXPECT_THAT(b.to_server(),
              ElementsAre("Query 'RESET \"app\".\"tenant\";RESET \"search_path\";'", "Query 'SELECT 1'"));
}

TEST_F(SessionsSettings, AnySetOfAPlainValueGoesWithTheSession) {
  a.client(client::query("SET work_mem = '64MB'")).server(server::complete("SET") + server::ready());
  EXPECT_FALSE(a.holds_link());
  a.to_server();
  a.next_link = &other;
  a.client(client::query("SELECT 1"));
  EXPECT_THAT(a.to_server(), ElementsAre("Query 'SELECT pg_catalog.set_config(E'work_mem', E'64MB', false);'",
                                         "Query 'SELECT 1'"));
  a.server(kConfigured + server::ready() + server::selected("1"));
  b.client(client::query("SELECT 1"));
  EXPECT_THAT(b.to_server(), ElementsAre("Query 'RESET \"work_mem\";'", "Query 'SELECT 1'"))
      << "never another's";
}

TEST_F(SessionsSettings, AResetOfOneLeavesTheOthersWhereTheyAre) {
  a.client(client::query("SET work_mem = '64MB'")).server(server::complete("SET") + server::ready());
  a.client(client::query("SET jit = off")).server(server::complete("SET") + server::ready());
  a.client(client::query("RESET work_mem")).server(server::complete("RESET") + server::ready());
  EXPECT_FALSE(a.holds_link());
  b.client(client::query("SELECT 1"));
  EXPECT_THAT(b.to_server(), ElementsAre("Query 'RESET \"jit\";'", "Query 'SELECT 1'")) << "never another's";
  a.to_server();
  a.next_link = &other;
  a.client(client::query("SELECT 1"));
  EXPECT_THAT(a.to_server(), ElementsAre("Query 'SELECT pg_catalog.set_config(E'jit', E'off', false);'",
                                         "Query 'SELECT 1'"));
}

TEST_F(SessionsSettings, AResetWithinATransactionIsNotUndoneByUs) {
  a.client(client::query("SET work_mem = '64MB'")).server(server::complete("SET") + server::ready());
  a.client(client::query("BEGIN")).server(server::complete("BEGIN") + server::ready('T'));
  a.client(client::query("RESET work_mem")).server(server::complete("RESET") + server::ready('T'));
  EXPECT_EQ(a.session().pin_reasons(), "setting");
  a.to_server();
  a.client(client::query("SHOW work_mem"));
  EXPECT_THAT(a.to_server(), ElementsAre("Query 'SHOW work_mem'"));
}

TEST_F(SessionsSettings, AResetWithinATransactionGoesBackToTheStartupsValue) {
  SettingsValues values = plain_settings();
  values.startup = {{"work_mem", "1MB"}};
  MemorySession small(worker, &link, values);
  small.client(client::query("BEGIN; SELECT 1"));
  small.server(kConfigured + server::ready() + server::complete("BEGIN") + server::selected("1", 'T'));
  small.client(client::query("RESET work_mem")).server(server::complete("RESET") + server::ready('T'));
  small.to_server();
  small.client(client::query("SHOW work_mem"));
  EXPECT_THAT(small.to_server(),
              ElementsAre("Query 'SELECT pg_catalog.set_config(E'work_mem', E'1MB', false);'",
                          "Query 'SHOW work_mem'"));
}

TEST_F(SessionsSettings, AResetOfAllWithinATransactionPinsWhoHasSetSomething) {
  a.client(client::query("BEGIN; RESET ALL"));
  a.server(server::complete("BEGIN") + server::complete("RESET") + server::ready('T'));
  EXPECT_EQ(a.session().pin_reasons(), "");
  a.client(client::query("ROLLBACK")).server(server::complete("ROLLBACK") + server::ready());
  for (const char* text : {"RESET ALL", "ROLLBACK; BEGIN; RESET ALL; COMMIT; BEGIN"}) {
    LinkState its_link = memory_link();
    MemorySession c(worker, &its_link);
    c.client(client::query("SET work_mem = '64MB'")).server(server::complete("SET") + server::ready());
    c.client(client::query("BEGIN; SELECT 1"));
    c.server(server::complete("BEGIN") + server::selected("1", 'T'));
    c.client(client::query(text)).server(server::complete("RESET") + server::ready('T'));
    EXPECT_EQ(c.session().pin_reasons(), "setting") << text << ": it may be rolled back";
  }
}

TEST_F(SessionsSettings, AResetOfAllThatIsRolledBackUnseenIsInDoubt) {
  a.client(client::query("SET work_mem = '64MB'")).server(server::complete("SET") + server::ready());
  a.client(client::unnamed("RESET ALL") + client::unnamed("SELECT 1/0") + client::sync());
  a.server(server::parse_complete() + server::bind_complete() + server::complete("RESET") +
           server::error("22012") + server::ready());
  a.to_server();
  b.client(client::query("SELECT 1"));
  EXPECT_THAT(b.to_server(), ElementsAre("Query 'RESET \"work_mem\";'", "Query 'SELECT 1'"));
}

TEST_F(SessionsSettings, TablesInASearchPathOfTemporaryOnesPin) {
  SettingsValues values = plain_settings();
  values.startup = {{"search_path", "pg_temp, public"}};
  MemorySession c(worker, &link, values);
  c.client(client::query("SELECT 1")).server(kConfigured + server::ready() + server::selected("1"));
  EXPECT_FALSE(c.holds_link());
  c.client(client::query("CREATE TABLE t (a int)"))
      .server(server::complete("CREATE TABLE") + server::ready());
  EXPECT_EQ(c.session().pin_reasons(), "temporary object");
}

TEST_F(SessionsSettings, ASetThatItsBatchMayHaveRolledBackPins) {
  a.client(client::unnamed("SET work_mem = '64MB'") + client::unnamed("ROLLBACK") + client::sync());
  a.server(server::parse_complete() + server::bind_complete() + server::complete("SET") +
           server::parse_complete() + server::bind_complete() + server::complete("ROLLBACK") +
           server::ready());
  EXPECT_EQ(a.session().pin_reasons(), "setting");
  EXPECT_TRUE(a.session().settings()->startup.empty());
}

TEST_F(SessionsSettings, WhatADriversPoolSendsBetweenItsUsersResetsAll) {  // asyncpg's
  a.client(client::query("SET work_mem = '64MB'")).server(server::complete("SET") + server::ready());
  a.client(client::query("SELECT pg_advisory_unlock_all();CLOSE ALL;UNLISTEN *;RESET ALL;"));
  a.server(server::row_description() + server::row("") + server::complete("SELECT 1") +
           server::complete("CLOSE CURSOR ALL") + server::complete("UNLISTEN") + server::complete("RESET") +
           server::ready());
  EXPECT_FALSE(a.holds_link());
  a.to_server();
  a.next_link = &other;
  a.client(client::query("SELECT 1"));
  EXPECT_THAT(a.to_server(), ElementsAre("Query 'SELECT 1'"));
}

TEST_F(SessionsSettings, ASetThatFailsIsNotCarried) {
  a.client(client::query("SET work_mem = 'plenty'")).server(server::error("22023") + server::ready());
  EXPECT_FALSE(a.holds_link());
  EXPECT_EQ(a.session().settings()->startup.size(), 0U);
}

TEST_F(SessionsSettings, ASetWhoseTransactionIsLostWithItsLinkIsNotCarried) {
  a.client(client::unnamed("SET work_mem = '64MB'") + client::sync());
  a.server(server::parse_complete() + server::bind_complete() + server::complete("SET"));
  a.next_link = &other;
  a.dies();
  a.client(client::query("SELECT 1")).server(server::selected("1"));
  EXPECT_TRUE(a.session().settings()->startup.empty());
}

TEST_F(SessionsSettings, ASetWithinATransactionPins) {
  a.client(client::query("BEGIN")).server(server::complete("BEGIN") + server::ready('T'));
  a.client(client::query("SET work_mem = '64MB'")).server(server::complete("SET") + server::ready('T'));
  a.client(client::query("COMMIT")).server(server::complete("COMMIT") + server::ready());
  EXPECT_EQ(a.session().pin_reasons(), "setting");
}

TEST_F(SessionsSettings, AReadBehindAnsweredSettingsIsStillRunAgain) {
  roman.client(client::query("SELECT 1")).server(set("TimeZone", "Europe/Rome"));
  roman.next_link = &other;
  roman.to_server();
  EXPECT_FALSE(roman.dies().session_ends);
  EXPECT_THAT(roman.to_server(),
              ElementsAre("Query 'SET \"TimeZone\" = E'Europe/Rome';'", "Query 'SELECT 1'"));
}

TEST_F(SessionsSettings, StartupSettingsMakeOtherStatementsOfTheSameText) {
  SettingsValues values = plain_settings();
  values.startup = {{"search_path", "tenant"}};
  MemorySession tenant(worker, &link, values);
  a.client(client::parse("s", "SELECT * FROM t") + client::sync())
      .server(server::parse_complete() + server::ready());
  tenant.client(client::parse("s", "SELECT * FROM t") + client::sync());
  EXPECT_TRUE(tenant.holds_link()) << "t is another table here";
}

TEST_F(SessionsSettings, DiscardAllTakesTheStartupSettingsFromTheLink) {
  SettingsValues values = plain_settings();
  values.startup = {{"search_path", "tenant"}};
  MemorySession tenant(worker, &link, values);
  tenant.client(client::query("LISTEN c"));
  tenant.server(kConfigured + server::ready() + server::complete("LISTEN") + server::ready());
  tenant.client(client::query("DISCARD ALL")).server(server::complete("DISCARD ALL") + server::ready());
  EXPECT_FALSE(tenant.holds_link());
  tenant.to_server();
  tenant.client(client::query("SELECT 1"));
  EXPECT_EQ(tenant.to_server()[0], "Query 'SELECT pg_catalog.set_config(E'search_path', E'tenant', false);'");
}

TEST_F(SessionsSettings, SettingsThatTheServerRefusesBreakTheLink) {
  roman.client(client::query("SELECT 1")).server(server::error("22023", "invalid value"));
  EXPECT_TRUE(roman.last_answer().broken);
  EXPECT_THAT(roman.to_client(), IsEmpty());
}

TEST_F(SessionsSettings, NoticesOfOurOwnSetsAreNotTheClients) {  // S42
  roman.client(client::query("SELECT 1"));
  roman.server(server::notice("ours") + set("TimeZone", "Europe/Rome") + server::notice("its own") +
               server::selected("1"));
  EXPECT_EQ(roman.to_client()[0], "Notice 'its own'");
}

TEST_F(SessionsSettings, AReportThatIsLongerThanAnyPeerHasIsRefused) {
  a.client(client::query("SELECT 1")).server(std::string("S\x7f\xff\xff\xff", 5));
  EXPECT_TRUE(a.last_answer().broken);
  EXPECT_EQ(a.last_answer().broken->sqlstate, sqlstate::kProtocolViolation);
}

// ---- Encodings in which a quote may be half of a character ----

TEST_F(SessionsSettings, ATextThatItsEncodingHidesIsUnknown) {
  LinkState its_link = memory_link(with(Tracked::ClientEncoding, "SJIS"));
  MemorySession c(worker, &its_link, with(Tracked::ClientEncoding, "SJIS"));
  c.client(client::query("SELECT '\x83\x5c'"))
      .server(server::selected("x"));  // katakana so, with a backslash in it
  EXPECT_EQ(c.session().pin_reasons(), "unknown statement");
  EXPECT_TRUE(c.holds_link());
}

TEST_F(SessionsSettings, SoIsAStatementPreparedFromOne) {
  LinkState its_link = memory_link(with(Tracked::ClientEncoding, "GBK"));
  MemorySession c(worker, &its_link, with(Tracked::ClientEncoding, "GBK"));
  c.client(client::unnamed("SELECT '\x81\x5c'") + client::sync());
  c.server(server::parse_complete() + server::bind_complete() + server::complete("SELECT 1") +
           server::ready());
  EXPECT_EQ(c.session().pin_reasons(), "unknown statement");
  a.client(client::unnamed("SELECT '\x81\x5c'") + client::sync());
  a.server(server::parse_complete() + server::bind_complete() + server::complete("SELECT 1") +
           server::ready());
  EXPECT_FALSE(a.holds_link()) << "the same bytes in UTF-8 are no statement of that client's";
}

TEST_F(SessionsSettings, InThatEncodingPlainAsciiIsUnderstood) {
  LinkState its_link = memory_link(with(Tracked::ClientEncoding, "BIG5"));
  MemorySession c(worker, &its_link, with(Tracked::ClientEncoding, "BIG5"));
  c.client(client::query("SELECT 'plain'")).server(server::selected("x"));
  EXPECT_FALSE(c.holds_link());
}

TEST_F(SessionsSettings, TheEncodingIsTheOneInForce) {
  a.client(client::query("SELECT '\xc3\xa9'")).server(server::selected("x"));
  EXPECT_FALSE(a.holds_link());
  a.client(client::query("SET NAMES 'SJIS'")).server(set("client_encoding", "SJIS"));
  EXPECT_FALSE(a.holds_link());
  a.client(client::query("SELECT '\xc3\xa9'")).server(server::selected("x"));
  EXPECT_TRUE(a.holds_link());
}

TEST_F(SessionsSettings, BehindAnUnansweredChangeOfTheEncodingATextIsUnknown) {
  for (const char* change :
       {"SET client_encoding = 'SJIS'", "SELECT set_config('client_encoding', 'SJIS', false)",
        "SELECT 1; SET client_encoding = SJIS", "SET LOCAL client_encoding = SJIS"}) {
    LinkState its_link = memory_link();
    MemorySession c(worker, &its_link);
    c.client(client::query("BEGIN") + client::query(change) + client::query("SELECT '\x83\x5c'"));
    EXPECT_EQ(c.session().pin_reasons(), "unknown statement") << change;
  }
}

TEST_F(SessionsSettings, BehindAnyOtherChangeATextIsWhatItSays) {
  for (const char* change :
       {"SET TimeZone = 'UTC'", "SET LOCAL TimeZone = 'UTC'", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "SELECT set_config('app.tenant', '7', true)"}) {
    LinkState its_link = memory_link();
    MemorySession c(worker, &its_link);
    c.client(client::query("BEGIN") + client::query(change) + client::query("SELECT '\xc3\xa9'"));
    EXPECT_EQ(c.session().pin_reasons(), "") << change;
  }
}

TEST_F(SessionsSettings, ATransactionThatChangedItsEncodingMayBeRolledBackUnseen) {
  LinkState its_link = memory_link(with(Tracked::ClientEncoding, "SJIS"));
  MemorySession c(worker, &its_link, with(Tracked::ClientEncoding, "SJIS"));
  c.client(client::query("BEGIN")).server(server::complete("BEGIN") + server::ready('T'));
  c.client(client::query("SET client_encoding = UTF8"))
      .server(server::complete("SET") + server::parameter("client_encoding", "UTF8") + server::ready('T'));
  c.client(client::query("ROLLBACK") + client::query("SELECT '\x83\x5c'"));
  EXPECT_EQ(c.session().pin_reasons(), "unknown statement");
}

}  // namespace
}  // namespace sportello::proxy
