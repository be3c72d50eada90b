#include "conf/config_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/memory_files.h"

namespace sportello::conf {
namespace {

using testing::HasSubstr;
using testing_support::MemoryFiles;

std::optional<std::string> environment(const std::string& name) {
  if (name == "PORT") return "7000";
  if (name == "YES") return "true";
  if (name == "WORD") return "word";
  return std::nullopt;
}

ConfigLoad load(MemoryFiles files, const std::string& text) {
  files.put("/etc/s.toml", text);
  return load_config("/etc/s.toml", {files.reader(), environment});
}

constexpr const char* kTail = "\n[databases.d]\nprimary = \"host=h\"\n";

// Of settings in [sportello], in a file that is otherwise right.
Config good(const std::string& settings, const std::string& more = kTail, const MemoryFiles& files = {}) {
  const ConfigLoad result = load(files, "[sportello]\nauth_type = \"trust\"\n" + settings + more);
  for (const Diagnostic& diagnostic : result.diagnostics) ADD_FAILURE() << diagnostic.to_string();
  return result.config.value_or(Config{});
}

// The one problem that this text has.
std::string problem(const std::string& text, const MemoryFiles& files = {}) {
  const ConfigLoad result = load(files, text);
  EXPECT_FALSE(result.config) << text;
  EXPECT_EQ(result.diagnostics.size(), 1U) << text;
  for (const Diagnostic& diagnostic : result.diagnostics) SCOPED_TRACE(diagnostic.to_string());
  return result.diagnostics.empty() ? "" : result.diagnostics[0].headline();
}
std::string problem_of(const std::string& setting) {
  return problem("[sportello]\nauth_type = \"trust\"\n" + setting + kTail);
}

TEST(ConfigLoader, WhatIsNotSaidIsDefault) {
  Config expected;
  expected.auth_type = AuthType::Trust;
  expected.databases["d"].primary.host = "h";
  EXPECT_EQ(good(""), expected);
}

TEST(ConfigLoader, EveryTypeOfValueIsRead) {
  const Config config = good(
      "listen_port = 7432\npool_mode = \"session\"\nso_reuseport = true\nquery_timeout = \"1min 30s\"\n"
      "query_wait_timeout = 2.5\nserver_lifetime = 60\nsql_inspect_max = \"128kB\"\npkt_buf = 8192\n"
      "unix_socket_mode = \"0700\"\nadmin_users = [\"a\", \"b\"]\nstats_users = \"c, d\"\ntcp_user_timeout = "
      "1500\n"
      "client_tls_protocols = \"tlsv1.3\"\nhttp_listen = \"[::1]:9127\"\nlog_level = \"debug\"\n");
  EXPECT_EQ(config.listen_port, 7432);
  EXPECT_EQ(config.pool_mode, PoolMode::Session);
  EXPECT_TRUE(config.so_reuseport);
  EXPECT_EQ(config.query_timeout, Milliseconds(90'000));
  EXPECT_EQ(config.query_wait_timeout, Milliseconds(2500));
  EXPECT_EQ(config.server_lifetime, Milliseconds(60'000));
  EXPECT_EQ(config.sql_inspect_max, 128U << 10);
  EXPECT_EQ(config.pkt_buf, 8192U);
  EXPECT_EQ(config.unix_socket_mode, 0700);
  EXPECT_EQ(config.admin_users, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(config.stats_users, (std::vector<std::string>{"c", "d"}));
  EXPECT_EQ(config.tcp_user_timeout, Milliseconds(1500));
  EXPECT_EQ(config.client_tls.min_protocol, "TLSv1.3");
  EXPECT_EQ(config.log_level, LogLevel::Debug);
}

TEST(ConfigLoader, DatabasesUsersAndRulesAreRead) {
  const Config config = good(
      "monitor_user = \"m\"\n",
      "[databases.\"*\"]\nprimary = \"host=a\"\n[databases.\"x.y\"]\nprimary = \"host=b port=1\"\n"
      "replicas = [\"host=c weight=3\", \"postgresql://d/e\"]\npool_size = 7\nserver_lifetime = \"5min\"\n"
      "freshness = \"bounded\"\nmax_replica_lag = \"2s\"\nrouting = \"shadow\"\n"
      "[users.bob]\npool_mode = \"statement\"\nquery_timeout = \"1s\"\nfreshness = \"session\"\n"
      "[cache]\nmax_memory = \"1GB\"\ninvalidation = \"proxy\"\n"
      "[[cache.rules]]\nname = \"r\"\nquery = \"SELECT $1\"\nttl = \"15m\"\n"
      "[[cache.rules]]\nname = \"s\"\ntables = [\"a\", \"b\"]\nttl = \"60s\"\nshared = true\n");
  const Database& database = config.databases.at("x.y");
  EXPECT_EQ(config.databases.at("*").primary.host, "a");
  EXPECT_EQ(database.primary.port, 1);
  EXPECT_EQ(database.replicas.at(0).weight, 3);
  EXPECT_EQ(database.replicas.at(1).dbname, "e");
  EXPECT_EQ(database.pool_size, 7);
  EXPECT_EQ(database.server_lifetime, Milliseconds(300'000));
  EXPECT_EQ(database.freshness, Freshness::Bounded);
  EXPECT_EQ(database.routing, Routing::Shadow);
  EXPECT_EQ(database.min_pool_size, std::nullopt);
  EXPECT_EQ(config.users.at("bob").pool_mode, PoolMode::Statement);
  EXPECT_EQ(config.users.at("bob").freshness, Freshness::Session);
  EXPECT_EQ(config.cache.max_memory, 1ULL << 30);
  ASSERT_EQ(config.cache.rules.size(), 2U);
  EXPECT_EQ(config.cache.rules[0].ttl, Milliseconds(900'000));
  EXPECT_EQ(config.cache.rules[0].query, "SELECT $1");
  EXPECT_TRUE(config.cache.rules[1].shared);
}

TEST(ConfigLoader, AListOfHostsIsAsManyReplicas) {
  const Database database =
      good("monitor_user = \"m\"\n",
           "[databases.d]\nprimary = \"host=a\"\nreplicas = [\"host=b,c port=1,2 weight=3\", \"host=d\"]\n")
          .databases.at("d");
  ASSERT_EQ(database.replicas.size(), 3U);
  EXPECT_EQ(database.replicas[1].host, "c");
  EXPECT_EQ(database.replicas[1].port, 2);
  EXPECT_EQ(database.replicas[1].weight, 3);
  EXPECT_EQ(database.replicas[2].host, "d");
}

TEST(ConfigLoader, AListOfHostsInPrimaryIsAsManyCandidates) {
  const Database database =
      good("",
           "[databases.d]\nprimary = \"host=a,b,a port=1,2,1 user=u password=p\"\nreplicas = [\"host=c\"]\n")
          .databases.at("d");
  EXPECT_EQ(database.primary.host, "a");
  ASSERT_EQ(database.candidates.size(), 1U);
  EXPECT_EQ(database.candidates[0].host, "b");
  EXPECT_EQ(database.candidates[0].port, 2);
  EXPECT_EQ(database.candidates[0].user, "u");
  EXPECT_EQ(database.candidates[0].password, "p");
  ASSERT_EQ(database.replicas.size(), 1U);
}

TEST(ConfigLoader, ServersThatNobodyAsksAreWarnedOf) {
  const std::string lists = "[databases.d]\nprimary = \"host=a,b\"\nreplicas = [\"host=c\"]\n";
  const auto warnings = [&](const std::string& settings) {
    std::string all;
    for (const Diagnostic& each :
         load({}, "[sportello]\nauth_type = \"trust\"\n" + settings + lists).diagnostics)
      all += each.to_string() + "\n";
    return all;
  };
  EXPECT_THAT(warnings(""),
              AllOf(HasSubstr(":4:11: warning: nobody asks which of these servers is the primary"),
                    HasSubstr(":5:12: warning: nobody asks how far the replicas are")));
  EXPECT_THAT(warnings("monitor_user = \"m\"\n"), Not(HasSubstr("nobody asks")));
}

TEST(ConfigLoader, AProblemHasItsPlaceAndWhatWouldBeRight) {
  const ConfigLoad result = load({}, "[sportello]\nauth_type = \"trust\"\nlisten_prt = 1\n");
  EXPECT_EQ(
      result.diagnostics.at(1).to_string(),
      "/etc/s.toml:3:1: error: unknown key \"listen_prt\" in [sportello]: did you mean \"listen_port\"?\n"
      " 3 | listen_prt = 1\n"
      "   | ^");
}

TEST(ConfigLoader, EveryProblemIsToldAtOnceTopToBottom) {
  const ConfigLoad result = load({},
                                 "[sportello]\nworkers = \"four\"\nauth_type = \"kerberos\"\npool_mode = 1\n"
                                 "[databases.d]\nprimary = \"host=h prot=1\"\nzzz = 1\n[cash]\n");
  std::vector<uint32_t> lines;
  for (const Diagnostic& diagnostic : result.diagnostics) lines.push_back(diagnostic.at.line);
  EXPECT_FALSE(result.config);
  EXPECT_THAT(lines, testing::IsSupersetOf({2U, 3U, 4U, 6U, 7U, 8U}));
  EXPECT_TRUE(std::is_sorted(lines.begin(), lines.end()));
}

TEST(ConfigLoader, ValuesThatCannotBeAreRefusedWithWhatIsAllowed) {
  const std::pair<const char*, const char*> kCases[] = {
      {"listen_port = 0", "s.toml:3:15: error: listen_port: it must be from 1 to 65535"},
      {"listen_port = \"6432\"", "an integer is expected, not a string"},
      {"listen_port = 1.5", "an integer is expected, not a number with a point"},
      {"so_reuseport = 1", "true or false is expected, not an integer"},
      {"pool_mode = \"transactoin\"", "it is \"session\", \"transaction\" or \"statement\""},
      {"query_timeout = \"soon\"", "a duration is expected"},
      {"query_timeout = -1", "a duration is expected"},
      {"query_timeout = nan", "a duration is expected"},
      {"query_timeout = 1e300", "a duration is expected"},
      {"query_timeout = true", "a duration such as"},
      {"stats_period = 0", "it must be from \"1s\" to \"1d\""},
      {"pkt_buf = \"1kB\"", "it must be from 4kB to 16MB"},
      {"pkt_buf = -1", "a size is expected"},
      {"admin_users = 1", "a list of strings is expected"},
      {"admin_users = [1]", "in this list: a string is expected"},
      {"unix_socket_mode = 777", "a file mode such as"},
      {"unix_socket_mode = \"0888\"", "a file mode such as"},
      {"client_tls_protocols = \"tlsv1.0\"", "before TLS 1.2"},
      {"client_tls_protocols = \"ssl\"", "\"TLSv1.2\" or \"TLSv1.3\""},
      {"http_listen = \"9127\"", "an address and a port"},
      {"http_listen = \"a:0\"", "an address and a port"},
      {"http_listen = \"::1:9127\"", "s.toml:3:15: error: http_listen: an IPv6 address stands in brackets"},
      {"http_listen = 9127", "a string is expected, not an integer"},
      {"http_listen = \"127.0.0.1:6432\"", "clients of the database come in at this port (listen_port)"},
      {"auth_user = \"a\\u0000b\"", "NUL"},
      {"auth_user = \"${NONE}\"", "the environment variable NONE is not set"},
      {"logfile = \"x\"", "the log goes to stderr"},
      {"primary = \"x\"", "unknown key"},
      {"listen_port", ""},
  };
  for (const auto& [setting, expected] : kCases)
    EXPECT_THAT(problem_of(setting), HasSubstr(expected)) << setting;
}

TEST(ConfigLoader, SettingsThatNeedOrContradictEachOtherAreRefused) {
  const std::pair<const char*, const char*> kCases[] = {
      {"auth_type = \"scram-sha-256\"", "needs auth_file"},
      {"auth_type = \"hba\"", "needs auth_hba_file"},
      {"auth_type = \"cert\"", "needs client_tls_sslmode"},
      {"auth_type = \"peer\"", "needs unix_socket_dir"},
      {"auth_type = \"trust\"\nmin_pool_size = 30",
       "s.toml:3:17: error: min_pool_size (30) is above default_pool_size (25)"},
      {"auth_type = \"trust\"\nclient_tls_sslmode = \"require\"",
       "needs client_tls_key_file and client_tls_cert_file"},
      {"auth_type = \"trust\"\nserver_tls_sslmode = \"verify-full\"", "needs server_tls_ca_file"},
      {"auth_type = \"trust\"\nmax_login_clients = 2000", "above max_client_conn"},
      {"auth_type = \"trust\"\nmax_packet_size = \"32kB\"", "sql_inspect_max is above max_packet_size"},
      {"", "needs auth_file"},
  };
  for (const auto& [settings, expected] : kCases)
    EXPECT_THAT(problem("[sportello]\n" + std::string(settings) + kTail), HasSubstr(expected)) << settings;

  const std::string start = "[sportello]\nauth_type = \"trust\"\n";
  EXPECT_THAT(problem(start + "[databases.d]\nprimary = \"\"\nmin_pool_size = 5\npool_size = 4\n"),
              HasSubstr(":5:17: error: min_pool_size (5) is above pool_size (4)"));
  EXPECT_THAT(problem(start + "[databases.d]\npool_size = 4\n"), HasSubstr("a database needs primary"));
  EXPECT_THAT(problem(start + "[databases.\"d.primary\"]\nprimary = \"\"\n[databases.d]\n"),
              HasSubstr(":5:12: error: a database needs primary"));
  EXPECT_THAT(problem(start + "[databases.pgbouncer]\nprimary = \"\"\n"), HasSubstr("admin console"));
  EXPECT_THAT(problem(start + "[databases.d]\nprimary = \"sslmode=verify-ca\"\n"),
              HasSubstr("needs server_tls_ca_file"));
  EXPECT_THAT(problem(start + kTail + "[[cache.rules]]\nname=\"r\"\nttl=1\n"),
              HasSubstr("either a query or tables"));
  EXPECT_THAT(problem(start + kTail + "[[cache.rules]]\nname=\"r\"\nquery=\"x\"\n"),
              HasSubstr("needs a ttl"));
  EXPECT_THAT(problem(start + kTail + "[[cache.rules]]\nquery=\"x\"\nttl=1\n"), HasSubstr("needs a name"));
  EXPECT_THAT(problem(start + kTail + "[[cache.rules]]\nname=\"r\"\nquery=\"x\"\nttl=0\n"),
              HasSubstr("at least \"1ms\""));
  const std::string rule = start + kTail + "[[cache.rules]]\nname=\"r\"\nttl=1\n";
  EXPECT_THAT(problem(rule + "query=\"x\"\nfingerprint=\"0123456789abcdef\"\n"),
              HasSubstr("either a query or tables"));
  EXPECT_THAT(problem(rule + "fingerprint=\"xyz\"\n"), HasSubstr("16 hexadecimal digits"));
  EXPECT_THAT(problem(rule + "query=\"x\"\ndatabase=\"nowhere\"\n"),
              HasSubstr("there is no [databases.nowhere]"));
  EXPECT_THAT(problem(rule + "query=\"x\"\nmode=\"maybe\"\n"), HasSubstr("\"shadow\""));
  EXPECT_THAT(problem(rule + "query=\"x\"\nin_transaction=\"always\"\n"), HasSubstr("\"read_committed\""));
}

TEST(ConfigLoader, SectionsThatDoNotExistAreRefused) {
  const std::string tail = std::string("[sportello]\nauth_type = \"trust\"\n") + kTail;
  EXPECT_THAT(problem(tail + "[pgbouncer]\n"), HasSubstr("did you mean \"sportello\"?"));
  EXPECT_THAT(problem(tail + "[database.x]\n"), HasSubstr("did you mean \"databases\"?"));
  EXPECT_THAT(problem("listen_port = 1\n" + tail), HasSubstr("it belongs into [sportello]"));
  EXPECT_THAT(problem(tail + "listen_port = 1\n"), HasSubstr("it belongs into [sportello]"));
  EXPECT_THAT(problem(tail + "[users]\nbob = 1\n"), HasSubstr("a section [users.bob] is expected here"));
}

TEST(ConfigLoader, AConninfoIsPointedIntoAndAPasswordNeverShown) {  // S29
  const ConfigLoad result =
      load({},
           "[sportello]\nauth_type = \"trust\"\n[databases.d]\nprimary = \"host=h prot=5432\"\n"
           "[databases.e]\nprimary = \"password=geheim prot=1\"\n");
  EXPECT_EQ(result.diagnostics.at(0).at.column, 19U);
  EXPECT_EQ(result.diagnostics.at(1).at.column, 28U);
  EXPECT_THAT(result.diagnostics.at(1).to_string(), testing::Not(HasSubstr("geheim")));
}

TEST(ConfigLoader, SyntaxErrorsHaveTheirPlace) {
  EXPECT_THAT(problem("[sportello]\nlisten_port = \n"), HasSubstr("/etc/s.toml:2:"));
  EXPECT_THAT(problem("[sportello]\nworkers = 1\nworkers = 2\n"), HasSubstr("/etc/s.toml:3:"));
  EXPECT_THAT(problem("\xff"), HasSubstr("/etc/s.toml:"));
}

TEST(ConfigLoader, VariablesStandForStringsNumbersAndFlags) {
  const Config config = good(
      "listen_port = \"${PORT}\"\nso_reuseport = \"${YES}\"\nauth_user = \"a-${WORD}-$$1\"\nquery_timeout = "
      "\"${PORT}\"\n");
  EXPECT_EQ(config.listen_port, 7000);
  EXPECT_TRUE(config.so_reuseport);
  EXPECT_EQ(config.auth_user, "a-word-$1");
  EXPECT_EQ(config.query_timeout, Milliseconds(7'000'000));
}

TEST(ConfigLoader, IncludedFilesComeFirstAndTheIncludingFileWins) {
  MemoryFiles files = {
      {"/etc/conf.d/a.toml",
       "include = \"b.toml\"\n[sportello]\nlisten_port = 1001\nworkers = 2\n"
       "[databases.d]\nprimary = \"host=a\"\npool_size = 3\n"},
      {"/etc/conf.d/b.toml",
       "[sportello]\nworkers = 3\nlisten_backlog = 9\n[databases.b]\nprimary=\"host=b\"\n"},
  };
  const ConfigLoad result =
      load(files,
           "include = [\"conf.d/a.toml\"]\n[sportello]\nauth_type = \"trust\"\nlisten_port = 1000\n"
           "[databases.d]\npool_size = 4\n");
  for (const Diagnostic& diagnostic : result.diagnostics) ADD_FAILURE() << diagnostic.to_string();
  ASSERT_TRUE(result.config);
  EXPECT_EQ(result.config->listen_port, 1000);
  EXPECT_EQ(result.config->workers, 2);
  EXPECT_EQ(result.config->listen_backlog, 9);
  EXPECT_EQ(result.config->databases.at("d").primary.host, "a");
  EXPECT_EQ(result.config->databases.at("d").pool_size, 4);
  EXPECT_TRUE(result.config->databases.contains("b"));
}

TEST(ConfigLoader, IncludesThatFailAreToldWhereTheyAreNamed) {
  EXPECT_THAT(
      problem("include = \"none.toml\"\n"),
      HasSubstr("/etc/s.toml:1:11: error: cannot read \"/etc/none.toml\": No such file or directory"));
  EXPECT_THAT(problem("include = 1\n[sportello]\nauth_type=\"trust\"\n" + std::string(kTail)),
              HasSubstr("a list of strings"));
  const MemoryFiles loop = {{"/etc/b.toml", "include = \"s.toml\"\n"}};
  const ConfigLoad result =
      load(loop, "include = \"b.toml\"\n[sportello]\nauth_type=\"trust\"\n" + std::string(kTail));
  ASSERT_EQ(result.diagnostics.size(), 1U);
  EXPECT_EQ(result.diagnostics[0].headline(),
            "/etc/b.toml:1:11: error: this file includes itself: /etc/s.toml -> /etc/b.toml -> /etc/s.toml");
}

TEST(ConfigLoader, FilesAreSeenFromTheFileThatNamesThem) {
  MemoryFiles files = {{"/etc/sub/users", ""}, {"/etc/sub/a.toml", "[sportello]\nauth_file = \"users\"\n"}};
  const Config config = good("pidfile = \"run/p\"\n", std::string(kTail), files);
  EXPECT_EQ(config.pidfile, "/etc/run/p");
  const ConfigLoad result = load(files, "include = \"sub/a.toml\"" + std::string(kTail));
  ASSERT_TRUE(result.config);
  EXPECT_EQ(result.config->auth_file, "/etc/sub/users");
  EXPECT_THAT(problem_of("auth_file = \"none\""), HasSubstr("auth_file: cannot read \"/etc/none\""));
}

TEST(ConfigLoader, SecretsThatEverybodyMayReadAreRefused) {  // S66
  MemoryFiles files = {{"/etc/users", ""}};
  files.open_to_others("/etc/users");
  EXPECT_THAT(problem("[sportello]\nauth_file = \"users\"\n" + std::string(kTail), files),
              HasSubstr("chmod o-r"));
}

TEST(ConfigLoader, APasswordMayComeFromAFile) {
  const MemoryFiles files = {{"/etc/pw", "s3cret $1 ${x}\nmore\n"}, {"/etc/empty", "\n"}};
  const Config config = good(
      "",
      "[databases.d]\nprimary = \"user=u\"\nreplicas = [\"password=own\", \"\"]\npassword_file = \"pw\"\n",
      files);
  EXPECT_EQ(config.databases.at("d").primary.password, "s3cret $1 ${x}");
  EXPECT_EQ(config.databases.at("d").replicas.at(0).password, "own");
  EXPECT_EQ(config.databases.at("d").replicas.at(1).password, "s3cret $1 ${x}");
  EXPECT_THAT(
      problem("[sportello]\nauth_type=\"trust\"\n[databases.d]\nprimary=\"\"\npassword_file=\"empty\"\n",
              files),
      HasSubstr("is no password"));
}

TEST(ConfigLoader, AMissingFileIsOneClearError) {
  const ConfigLoad result = load_config("/none.toml", {MemoryFiles().reader(), environment});
  ASSERT_EQ(result.diagnostics.size(), 1U);
  EXPECT_EQ(result.diagnostics[0].headline(),
            "/none.toml: error: cannot read \"/none.toml\": No such file or directory");
}

TEST(ConfigLoader, AHalfWrittenFileIsAnsweredAtEveryLength) {  // F17
  const std::string text =
      "include = []\n[sportello]\nauth_type = \"trust\"\nlisten_port = 6432\nadmin_users = [\"è\", \"b\"]\n"
      "[databases.\"a b\"]\nprimary = \"host=h password='x'\"\n[[cache.rules]]\nname = \"r\"\ntables = "
      "[\"t\"]\nttl = \"1s\"\n";
  for (size_t length = 0; length <= text.size(); ++length) {
    const ConfigLoad result = load({}, text.substr(0, length));
    EXPECT_EQ(result.config.has_value(), !has_errors(result.diagnostics));
  }
}

}  // namespace
}  // namespace sportello::conf
