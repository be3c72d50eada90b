#include "proxy/admin/admin_parser.h"

#include <gtest/gtest.h>

#include <random>

#include "protocol/sqlstate.h"
#include "proxy/admin/admin_columns.h"

namespace sportello::proxy {
namespace {

AdminCommand parsed(std::string_view text) {
  auto commands = parse_admin_text(text);
  EXPECT_TRUE(commands.ok()) << text << ": " << (commands.ok() ? "" : commands.error().message);
  if (!commands.ok() || commands->size() != 1) {
    ADD_FAILURE() << text << " is not one command";
    return {};
  }
  return commands->front();
}

std::string refused(std::string_view text) {
  const auto commands = parse_admin_text(text);
  EXPECT_FALSE(commands.ok()) << text;
  return commands.ok() ? "" : std::string(commands.error().sqlstate) + " " + commands.error().message;
}

TEST(AdminCommand, IsReadWhateverTheCaseOfItsWords) {
  for (const char* text :
       {"SHOW POOLS", "show pools", "Show  Pools ;", "/* a */ show -- b\n pools;;", "\tSHOW \"pools\""}) {
    const AdminCommand command = parsed(text);
    EXPECT_EQ(command.verb, AdminVerb::Show) << text;
    EXPECT_EQ(command.topic, ShowTopic::Pools) << text;
    EXPECT_EQ(command.tag, "SHOW") << text;
  }
}

TEST(AdminCommand, KeepsTheCaseOfNames) {
  EXPECT_EQ(parsed("PAUSE MyDb").argument, "MyDb");
  EXPECT_EQ(parsed("PAUSE \"my-db \"\"1\"\"\"").argument, "my-db \"1\"");
  EXPECT_EQ(parsed("PAUSE").argument, "");
  EXPECT_EQ(parsed("resume app;").verb, AdminVerb::Resume);
  EXPECT_EQ(parsed("Reconnect app").verb, AdminVerb::Reconnect);
  EXPECT_EQ(parsed("wait_close").verb, AdminVerb::WaitClose);
}

TEST(AdminCommand, WantsTheArgumentsItWants) {
  EXPECT_EQ(refused("DISABLE"), "42601 a database is required");
  EXPECT_EQ(refused("ENABLE;"), "42601 a database is required");
  EXPECT_EQ(refused("RELOAD now"), "42601 invalid command 'RELOAD now', use SHOW HELP;");
  EXPECT_EQ(refused("PAUSE a b"), "42601 invalid command 'PAUSE a b', use SHOW HELP;");
  EXPECT_EQ(refused("PAUSE 1"), "42601 invalid command 'PAUSE 1', use SHOW HELP;");
  EXPECT_EQ(refused("SHUTDOWN SOON"), "42601 invalid command 'SHUTDOWN SOON', use SHOW HELP;");
  EXPECT_EQ(parsed("SHUTDOWN").shutdown, ShutdownWish::Now);
  EXPECT_EQ(parsed("SHUTDOWN wait_for_clients").shutdown, ShutdownWish::WaitForClients);
  EXPECT_EQ(parsed("SHUTDOWN WAIT_FOR_SERVERS").shutdown, ShutdownWish::WaitForServers);
}

TEST(AdminCommand, ExplainsAStatementInAStringOrAsItStands) {
  AdminCommand command = parsed("EXPLAIN app alice 'SELECT ''a'' FROM t; x'");
  EXPECT_EQ(command.verb, AdminVerb::Explain);
  EXPECT_EQ(command.argument, "app");
  EXPECT_EQ(command.user, "alice");
  EXPECT_EQ(command.statement, "SELECT 'a' FROM t; x");
  EXPECT_EQ(parsed("explain \"My Db\" $q$SELECT ';'$q$;").statement, "SELECT ';'");
  EXPECT_EQ(parsed("explain \"My Db\" $q$SELECT ';'$q$;").argument, "My Db");
  EXPECT_EQ(parsed("EXPLAIN 'SELECT 1'").statement, "SELECT 1");
  EXPECT_EQ(parsed("EXPLAIN 'SELECT 1'").argument, "");
  for (const char* text : {"SELECT 'x'", "SELECT DISTINCT 'x'", "SELECT a, b FROM t WHERE c = 'x'",
                           "UPDATE t SET a = 1", "COMMIT PREPARED 'x'", "LOAD 'x'", "TABLE t"}) {
    EXPECT_EQ(parsed(std::string("EXPLAIN  ") + text + " ; ").statement, text);
    EXPECT_EQ(parsed(std::string("EXPLAIN  ") + text).argument, "");
  }
  command = parsed("EXPLAIN app alice SELECT 'a', b FROM t");
  EXPECT_EQ(command.argument, "app");
  EXPECT_EQ(command.user, "alice");
  EXPECT_EQ(command.statement, "SELECT 'a', b FROM t");
  command = parsed("explain \"select\" select 1 ;");
  EXPECT_EQ(command.argument, "select");
  EXPECT_EQ(command.user, "");
  EXPECT_EQ(command.statement, "select 1");
  EXPECT_EQ(parsed("EXPLAIN app (SELECT 1) UNION (SELECT 2)").statement, "(SELECT 1) UNION (SELECT 2)");
  EXPECT_EQ(parsed("EXPLAIN copy (SELECT 1) TO STDOUT").statement, "copy (SELECT 1) TO STDOUT");
  EXPECT_EQ(parsed("EXPLAIN nonsense of 1 kind").statement, "nonsense of 1 kind");
  EXPECT_EQ(refused("EXPLAIN").substr(0, 5), "42601");
  EXPECT_EQ(refused("EXPLAIN app ''").substr(0, 5), "42601");
  EXPECT_TRUE(is_harmless(parsed("EXPLAIN 'DROP TABLE t'")));
}

TEST(AdminCommand, KillsTheClientOfANumberOnly) {
  EXPECT_EQ(parsed("KILL_CLIENT 4294967295").client, 4294967295U);
  for (const char* text :
       {"KILL_CLIENT", "KILL_CLIENT x", "KILL_CLIENT 4294967296", "KILL_CLIENT 1.5", "KILL_CLIENT -1"}) {
    EXPECT_EQ(refused(text).substr(0, 5), "42601") << text;
  }
}

TEST(AdminCommand, SaysWhatItKnowsWhenItDoesNotUnderstand) {
  const auto commands = parse_admin_text("DROP TABLE users");
  ASSERT_FALSE(commands.ok());
  EXPECT_EQ(commands.error().message, "invalid command 'DROP TABLE users', use SHOW HELP;");
  EXPECT_NE(commands.error().hint.find("KILL_CLIENT <id>"), std::string::npos);
  EXPECT_NE(commands.error().hint.find("STATS_AVERAGES"), std::string::npos);
}

TEST(AdminCommand, ShowsLittleOfALongCommandThatIsWrong) {
  EXPECT_LT(refused("nonsense " + std::string(10'000, 'x')).size(), 200U);
  EXPECT_EQ(refused("a\nb").find('\n'), std::string::npos);
}

TEST(AdminCommand, MayStandAmongOthersInOneText) {
  const auto commands = parse_admin_text("BEGIN; SHOW VERSION;; COMMIT");
  ASSERT_TRUE(commands.ok());
  ASSERT_EQ(commands->size(), 3U);
  EXPECT_EQ((*commands)[0].verb, AdminVerb::Begin);
  EXPECT_EQ((*commands)[1].verb, AdminVerb::Show);
  EXPECT_EQ((*commands)[2].verb, AdminVerb::Commit);
  EXPECT_TRUE(parse_admin_text(" ; -- nothing\n")->empty());
}

TEST(AdminCommand, TakesWhatDriversSayToEveryServer) {
  struct Row {
    const char* text;
    AdminVerb verb;
    const char* tag;
  };
  const Row rows[] = {
      {"SET extra_float_digits = 3", AdminVerb::Ignored, "SET"},
      {"SET application_name = 'PostgreSQL JDBC Driver'", AdminVerb::Ignored, "SET"},
      {"set session datestyle to 'ISO'", AdminVerb::Ignored, "SET"},
      {"SET client_encoding TO 'UTF8'", AdminVerb::Ignored, "SET"},
      {"SET TIME ZONE 'UTC'", AdminVerb::Ignored, "SET"},
      {"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", AdminVerb::Ignored, "SET"},
      {"BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY", AdminVerb::Begin, "BEGIN"},
      {"START TRANSACTION", AdminVerb::Begin, "START TRANSACTION"},
      {"END", AdminVerb::Commit, "COMMIT"},
      {"ROLLBACK TO SAVEPOINT a", AdminVerb::RollbackTo, "ROLLBACK"},
      {"abort", AdminVerb::Rollback, "ROLLBACK"},
      {"SAVEPOINT a", AdminVerb::Savepoint, "SAVEPOINT"},
      {"DISCARD ALL", AdminVerb::Deallocate, "DISCARD ALL"},
      {"DEALLOCATE \"S_1\"", AdminVerb::Deallocate, "DEALLOCATE"},
      {"RESET ALL", AdminVerb::Ignored, "RESET"},
      {"UNLISTEN *", AdminVerb::Ignored, "UNLISTEN"},
      {"CLOSE ALL", AdminVerb::Ignored, "CLOSE CURSOR ALL"},
      {"SELECT 1", AdminVerb::Select, "SELECT 1"},
      {"SHOW standard_conforming_strings", AdminVerb::Select, "SHOW"},
      {"SHOW TRANSACTION ISOLATION LEVEL", AdminVerb::Select, "SHOW"},
  };
  for (const Row& row : rows) {
    const AdminCommand command = parsed(row.text);
    EXPECT_EQ(command.verb, row.verb) << row.text;
    EXPECT_EQ(command.tag, row.tag) << row.text;
    EXPECT_TRUE(is_harmless(command)) << row.text;
  }
  EXPECT_TRUE(parse_admin_text("SELECT pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;\nRESET ALL;").ok());
}

TEST(AdminCommand, SelectsWhatDriversAskFor) {
  const AdminCommand command =
      parsed("SELECT 1 AS one, 'it''s' text, NULL, pg_catalog.version(), current_user u, TRUE::bool");
  ASSERT_EQ(command.select.size(), 6U);
  EXPECT_EQ(command.select[0].column.name, "one");
  EXPECT_EQ(command.select[0].column.type, AdminType::Int4);
  EXPECT_EQ(command.select[1].literal, "it's");
  EXPECT_EQ(command.select[2].source, SelectItem::Source::Null);
  EXPECT_EQ(command.select[3].source, SelectItem::Source::Version);
  EXPECT_EQ(command.select[4].column.name, "u");
  EXPECT_EQ(command.select[5].literal, "t");
  EXPECT_EQ(result_columns(command).size(), 6U);
  EXPECT_EQ(parsed("SELECT current_setting('server_version_num')").select[0].literal, "150000");
}

TEST(AdminCommand, SelectsNothingElse) {
  for (const char* text :
       {"SELECT", "SELECT *", "SELECT 1 FROM t", "SELECT version", "SELECT version(1)", "SELECT 1,",
        "SELECT $1", "SELECT (1)", "SELECT current_setting('x')", "SELECT current_setting(",
        "SELECT current_setting('server_version',", "SELECT 'a\n'", "SELECT pg_read_file('/etc/passwd')"}) {
    EXPECT_EQ(refused(text).substr(0, 5), "42601") << text;
  }
}

TEST(AdminCommand, TellsASettingOfOursFromADriversParameter) {
  const AdminCommand command = parsed("SET pool_mode = 'session'");
  EXPECT_EQ(command.verb, AdminVerb::SetConfig);
  EXPECT_EQ(command.argument, "pool_mode");
  EXPECT_EQ(command.value, "session");
  EXPECT_EQ(parsed("SET auth_type TO scram-sha-256;").value, "scram-sha-256");
  EXPECT_EQ(parsed("set stats_users=a, b").value, "a, b");
  EXPECT_EQ(parsed("SET application_name_add_host = ''").value, "");
  EXPECT_EQ(refused("SET").substr(0, 5), "42601");
  EXPECT_EQ(refused("SET x").substr(0, 5), "42601");
}

// S28
TEST(AdminCommand, IsOfAdministratorsWheneverItChangesSomething) {
  for (const char* text : {"RELOAD", "PAUSE", "PAUSE a", "RESUME", "DISABLE a", "ENABLE a", "KILL", "KILL a",
                           "KILL_CLIENT 1", "RECONNECT", "WAIT_CLOSE", "SUSPEND", "SHUTDOWN",
                           "SHUTDOWN WAIT_FOR_CLIENTS", "SET x = 1", "SHOW FDS"}) {
    EXPECT_FALSE(is_harmless(parsed(text))) << text;
  }
}

TEST(AdminCommand, HasColumnsForEveryTopicButHelpAndFds) {
  for (int topic = 0; topic <= static_cast<int>(ShowTopic::Version); topic++) {
    const auto each = static_cast<ShowTopic>(topic);
    const bool has_none = each == ShowTopic::Help || each == ShowTopic::Fds;
    EXPECT_EQ(show_columns(each).empty(), has_none) << topic;
  }
  EXPECT_EQ(show_columns(ShowTopic::Pools).size(), 17U);
  EXPECT_EQ(show_columns(ShowTopic::Databases).size(), 17U);
  EXPECT_EQ(show_columns(ShowTopic::Servers).size(), 21U);
  EXPECT_EQ(show_columns(ShowTopic::Clients).back().name, "pinned");
  EXPECT_EQ(show_columns(ShowTopic::Stats).size(), 23U);
}

// S31
TEST(AdminCommand, SurvivesCutAndShuffledTexts) {
  std::mt19937 random(1);
  const std::string words[] = {"SHOW ",
                               "SELECT ",
                               "'",
                               "\"",
                               "(",
                               ")",
                               "pg_catalog.",
                               "version",
                               "current_setting('",
                               ",",
                               "; ",
                               "::",
                               "SET ",
                               "= ",
                               "KILL_CLIENT ",
                               "99999999999999999999",
                               "/*",
                               "*/",
                               "$1",
                               "\\",
                               "POOLS"};
  for (int round = 0; round < 20'000; round++) {
    std::string text;
    for (size_t count = random() % 8; count > 0; count--) {
      text += words[random() % std::size(words)];
    }
    const auto commands = parse_admin_text(text);
    EXPECT_TRUE(commands.ok() || commands.error().sqlstate == sqlstate::kSyntaxError) << text;
  }
}

}  // namespace
}  // namespace sportello::proxy
