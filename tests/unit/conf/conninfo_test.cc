#include "conf/conninfo.h"

#include <gtest/gtest.h>

namespace sportello::conf {
namespace {

std::optional<std::string> environment(const std::string& name) {
  if (name == "PW") return "it's a 'b c' \\ @/ $$";
  if (name == "URI") return "postgresql://u@h/d";
  return std::nullopt;
}

ServerAddress good(std::string_view text) {
  const Conninfo conninfo = parse_conninfo(text, environment);
  for (const ConninfoProblem& problem : conninfo.problems) ADD_FAILURE() << text << ": " << problem.message;
  return conninfo.address;
}

TEST(Conninfo, KeywordsAndValues) {
  const ServerAddress address = good(
      " host = db.example port=5433 dbname='a b' user=bob password='it\\'s' sslmode=verify-full "
      "connect_timeout=7 "
      "application_name=app options='-c a=b' client_encoding=UTF8 datestyle=ISO timezone=Europe/Rome ");
  EXPECT_EQ(address.host, "db.example");
  EXPECT_EQ(address.port, 5433);
  EXPECT_EQ(address.dbname, "a b");
  EXPECT_EQ(address.user, "bob");
  EXPECT_EQ(address.password, "it's");
  EXPECT_EQ(address.sslmode, SslMode::VerifyFull);
  EXPECT_EQ(address.connect_timeout, Milliseconds(7000));
  EXPECT_EQ(address.options, "-c a=b");
  EXPECT_EQ(address.timezone, "Europe/Rome");
}

TEST(Conninfo, WhatIsNotSaidIsDefault) {
  EXPECT_EQ(good(""), ServerAddress{});
  EXPECT_EQ(good("postgresql://"), ServerAddress{});
  EXPECT_EQ(good("host=/run/postgresql").host, "/run/postgresql");
  EXPECT_EQ(good("hostaddr=10.0.0.1").host, "10.0.0.1");
}

TEST(Conninfo, Uris) {
  ServerAddress address =
      good("postgresql://bob:p%40ss@db.example:5433/my%20db?sslmode=require&application_name=x");
  EXPECT_EQ(address.host, "db.example");
  EXPECT_EQ(address.port, 5433);
  EXPECT_EQ(address.dbname, "my db");
  EXPECT_EQ(address.user, "bob");
  EXPECT_EQ(address.password, "p@ss");
  EXPECT_EQ(address.sslmode, SslMode::Require);
  EXPECT_EQ(address.application_name, "x");
  EXPECT_EQ(good("postgres://[::1]:5432/d").host, "::1");
  EXPECT_EQ(good("postgresql://%2Frun%2Fpg/d").host, "/run/pg");
  EXPECT_EQ(good("postgresql:///d?host=/run/pg").host, "/run/pg");
}

TEST(Conninfo, AListOfHostsIsSeveralServersThatShareTheRest) {
  const Conninfo three = parse_conninfo("host=a,b,/run/c port=5432,,5433 dbname=d user=u", environment);
  ASSERT_TRUE(three.problems.empty());
  EXPECT_EQ(three.address.host, "a");
  ASSERT_EQ(three.others.size(), 2U);
  EXPECT_EQ(three.others[0].host, "b");
  EXPECT_EQ(three.others[0].port, 5432);
  EXPECT_EQ(three.others[1].host, "/run/c");
  EXPECT_EQ(three.others[1].port, 5433);
  EXPECT_EQ(three.others[1].dbname, "d");
  EXPECT_EQ(three.others[1].user, "u");

  const Conninfo one_port = parse_conninfo("port=6000 hostaddr=10.0.0.1,10.0.0.2", environment);
  ASSERT_EQ(one_port.others.size(), 1U);
  EXPECT_EQ(one_port.others[0].host, "10.0.0.2");
  EXPECT_EQ(one_port.others[0].port, 6000);
}

TEST(Conninfo, AServerThatIsListedTwiceIsOne) {
  const Conninfo conninfo = parse_conninfo("host=a,b,a,b port=1,2,1,3", environment);
  ASSERT_EQ(conninfo.others.size(), 2U);
  EXPECT_EQ(conninfo.others[0].port, 2);
  EXPECT_EQ(conninfo.others[1].port, 3);
}

TEST(Conninfo, ListsThatDoNotFitAreRefusedWhereTheyStand) {
  const auto first = [](std::string_view text) {
    const Conninfo conninfo = parse_conninfo(text, environment);
    return conninfo.problems.empty() ? ConninfoProblem{0, ""} : conninfo.problems.front();
  };
  EXPECT_EQ(first("host=a,b,c port=1,2").message, "2 ports for 3 hosts: one for all, or one for each");
  EXPECT_EQ(first("host=a,b,c port=1,2").offset, 16U);
  EXPECT_EQ(first("host=a,,c").message, "a host of the list is empty");
  EXPECT_EQ(first("host=a,,c").offset, 5U);
  EXPECT_EQ(first("host=a,b port=1,x").message, "the port is a number from 1 to 65535");
}

TEST(Conninfo, AVariableIsOneValueWhateverItHolds) {
  EXPECT_EQ(good("host=h password=${PW} user=bob").password, "it's a 'b c' \\ @/ $$");
  EXPECT_EQ(good("postgresql://bob:${PW}@h/d").password, "it's a 'b c' \\ @/ $$");
  EXPECT_EQ(good("${URI}").host, "h");
}

TEST(Conninfo, AllProblemsAreToldWithTheirPlaces) {
  const Conninfo conninfo = parse_conninfo("host=a,b port=0 sslmod=require sslmode=yes", environment);
  ASSERT_EQ(conninfo.problems.size(), 3U);
  EXPECT_EQ(conninfo.problems[0].offset, 14U);
  EXPECT_EQ(conninfo.problems[0].message, "the port is a number from 1 to 65535");
  EXPECT_EQ(conninfo.problems[1].message, "unknown connection parameter \"sslmod\": did you mean sslmode?");
  EXPECT_EQ(conninfo.problems[1].offset, 16U);
}

TEST(Conninfo, BrokenTextsAreRefused) {
  for (const char* text :
       {"host", "host=a port", "=a", "host='a", "port=70000", "port=1x", "connect_timeout=-1",
        "host=a hostaddr=1.2.3.4", "password=${MISSING}", "postgresql://[::1", "postgresql://[::1]x",
        "postgresql://h?x", "postgresql://h/%zz", "postgresql://h/%00", "postgresql://h/%4",
        "postgresql://h:x/d", "postgresql://a,b/d"})
    EXPECT_FALSE(parse_conninfo(text, environment).problems.empty()) << text;
}

TEST(Conninfo, NoMessageRepeatsAPassword) {  // S29
  for (const char* text :
       {"password='secret", "password=secret x", "postgresql://u:secret%@h/d", "password=secret port=secret"})
    for (const ConninfoProblem& problem : parse_conninfo(text, environment).problems)
      EXPECT_EQ(problem.message.find("secret"), std::string::npos) << problem.message;
}

TEST(Conninfo, EveryTruncationIsAnswered) {
  for (const std::string text : {"host=h port=1 password='a\\'b' sslmode=require",
                                 "postgresql://u:p%40@[::1]:5432/d?a=b&sslmode=allow"})
    for (size_t length = 0; length <= text.size(); ++length) {
      const std::string piece = text.substr(0, length);
      for (const ConninfoProblem& problem : parse_conninfo(piece, environment).problems)
        EXPECT_LE(problem.offset, piece.size());
    }
}

}  // namespace
}  // namespace sportello::conf
