#include "conf/pgbouncer_import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conf/config_loader.h"
#include "tests/support/memory_files.h"

namespace sportello::conf {
namespace {

using testing::HasSubstr;

Config loaded(const std::string& toml) {
  const testing_support::MemoryFiles files = {{"/s.toml", toml}, {"/etc/userlist.txt", ""}};
  const ConfigLoad result =
      load_config("/s.toml", {files.reader(), [](const std::string&) { return std::nullopt; }});
  for (const Diagnostic& diagnostic : result.diagnostics)
    if (diagnostic.severity == Diagnostic::Severity::Error)
      ADD_FAILURE() << diagnostic.to_string() << "\nin\n" << toml;
  return result.config.value_or(Config{});
}

constexpr const char* kIni = R"(;; a usual file
[databases]
portal = host=127.0.0.1 port=5433 dbname=portal_db user=app password='it''s ${x}' pool_size=7 reserve_pool=2 client_encoding=UTF8
"odd ""name""" = pool_mode=session connect_query='SELECT 1'
* = host=10.0.0.1,10.0.0.2

[users]
bob = pool_mode=session max_user_connections=9

[pgbouncer]
logfile = /var/log/pgbouncer.log
listen_addr = *
listen_port = 6543
auth_type = scram-sha-256
auth_file = /etc/userlist.txt
auth_query = SELECT a, b FROM f($1)
admin_users = postgres, "quoted"
server_check_query = select 1
query_wait_timeout = 15
tcp_user_timeout = 2500
unix_socket_mode = 0770
log_connections = 0
tcp_defer_accept = 45
client_tls_protocols = secure
client_tls_ciphers = default
pkt_buf = 2048
max_client_conn = 200
max_client_conn = 300
frobnicate = 1
; commented = out
%include /etc/pgbouncer/more.ini
)";

TEST(PgbouncerImport, TheResultLoadsAndMeansTheSame) {
  const Config config = loaded(import_pgbouncer(kIni));
  EXPECT_EQ(config.listen_addr, "*");
  EXPECT_EQ(config.listen_port, 6543);
  EXPECT_EQ(config.auth_type, AuthType::ScramSha256);
  EXPECT_EQ(config.auth_query, "SELECT a, b FROM f($1)");
  EXPECT_EQ(config.server_check_query, "select 1");
  EXPECT_EQ(config.query_wait_timeout, Milliseconds(15'000));
  EXPECT_EQ(config.tcp_user_timeout, Milliseconds(2500));
  EXPECT_EQ(config.unix_socket_mode, 0770);
  EXPECT_FALSE(config.log_connections);
  EXPECT_TRUE(config.tcp_defer_accept);
  EXPECT_EQ(config.max_client_conn, 300);

  const Database& portal = config.databases.at("portal");
  EXPECT_EQ(portal.primary.port, 5433);
  EXPECT_EQ(portal.primary.dbname, "portal_db");
  EXPECT_EQ(portal.primary.password, "it's ${x}");
  EXPECT_EQ(portal.primary.client_encoding, "UTF8");
  EXPECT_EQ(portal.pool_size, 7);
  EXPECT_EQ(portal.reserve_pool_size, 2);
  EXPECT_EQ(config.databases.at("odd \"name\"").connect_query, "SELECT 1");
  EXPECT_EQ(config.databases.at("odd \"name\"").primary.host, "/var/run/postgresql");
  EXPECT_EQ(config.databases.at("*").primary.host, "10.0.0.1");
  EXPECT_EQ(config.users.at("bob").pool_mode, PoolMode::Session);
  EXPECT_EQ(config.users.at("bob").max_user_connections, 9);
}

TEST(PgbouncerImport, ItsDefaultsAreWrittenDownWhereOursDiffer) {
  const Config config = loaded(import_pgbouncer(kIni));
  EXPECT_EQ(config.pool_mode, PoolMode::Session);
  EXPECT_EQ(config.default_pool_size, 20);
  EXPECT_EQ(config.reserve_pool_size, 0);
  EXPECT_EQ(config.reserve_pool_timeout, Milliseconds(5000));
}

TEST(PgbouncerImport, WhatHasNoEquivalentBecomesACommentThatSaysWhy) {
  const std::string toml = import_pgbouncer(kIni);
  EXPECT_THAT(toml, HasSubstr("# logfile: the log goes to stderr"));
  EXPECT_THAT(toml, HasSubstr("# pkt_buf: ours reads more at once"));
  EXPECT_THAT(toml, HasSubstr("# frobnicate is not known to Sportello"));
  EXPECT_THAT(toml, HasSubstr("# PgBouncer takes turns among these hosts."));
  EXPECT_THAT(toml, HasSubstr("name the result here: include = \"/etc/pgbouncer/more.ini\""));
}

TEST(PgbouncerImport, AuthenticationThatIsNotOfferedIsNotWeakened) {
  const std::string toml =
      import_pgbouncer("[pgbouncer]\nauth_type = pam\nauth_file = /etc/userlist.txt\n[databases]\na=\n");
  EXPECT_THAT(toml, HasSubstr("# auth_type was pam"));
  EXPECT_EQ(loaded(toml).auth_type, AuthType::ScramSha256);
}

TEST(PgbouncerImport, PlainIsAPasswordInClearText) {
  const std::string toml =
      import_pgbouncer("[pgbouncer]\nauth_type = plain\nauth_file = /etc/userlist.txt\n[databases]\na=\n");
  EXPECT_EQ(loaded(toml).auth_type, AuthType::Password);
  EXPECT_FALSE(loaded(toml).password_plaintext_allowed);
  EXPECT_THAT(toml, HasSubstr("password_plaintext_allowed = true"));
}

TEST(PgbouncerImport, ASectionThatIsNotClosedIsTold) {
  const std::string toml = import_pgbouncer("[databases]\na=\n[pgbouncer\nauth_type = trust\n");
  EXPECT_THAT(toml, HasSubstr("# not understood: a section without a closing bracket: [pgbouncer\n"));
  EXPECT_THAT(toml, HasSubstr("# not imported: auth_type"));
}

TEST(PgbouncerImport, AListOfHostsStaysOne) {
  const Database database = loaded(import_pgbouncer(kIni)).databases.at("*");
  EXPECT_EQ(database.primary.host, "10.0.0.1");
  ASSERT_EQ(database.candidates.size(), 1);
  EXPECT_EQ(database.candidates[0].host, "10.0.0.2");
}

TEST(PgbouncerImport, TheLastOfTwoLinesForOneKeyCounts) {
  const Config config =
      loaded(import_pgbouncer("[pgbouncer]\nauth_type = trust\nlisten_port=1\nlisten_port=2\n[databases]\na "
                              "= host=x\na = host=y pool_size=1 pool_size=2\n"));
  EXPECT_EQ(config.listen_port, 2);
  EXPECT_EQ(config.databases.at("a").primary.host, "y");
  EXPECT_EQ(config.databases.at("a").pool_size, 2);
}

TEST(PgbouncerImport, ATextInAnyStateIsTranslated) {
  const std::string ini = kIni;
  for (size_t length = 0; length <= ini.size(); ++length)
    EXPECT_NE(import_pgbouncer(ini.substr(0, length)), "");
}

}  // namespace
}  // namespace sportello::conf
