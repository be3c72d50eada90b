#include "conf/hba.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/memory_files.h"

namespace sportello::conf {
namespace {

using testing_support::MemoryFiles;

HbaLoad parse(const std::string& text, const MemoryFiles& files = {}) {
  return parse_hba({.path = "dir/hba.conf", .text = text}, files.reader());
}

Hba good(const std::string& text, const MemoryFiles& files = {}) {
  const HbaLoad load = parse(text, files);
  for (const Diagnostic& diagnostic : load.diagnostics) ADD_FAILURE() << diagnostic.to_string();
  return load.hba.value_or(Hba({}));
}

HbaConnection tcp(const std::string& address, bool tls = false) {
  return {.tls = tls, .address = parse_address(address).value(), .database = "db", .user = "bob"};
}
HbaConnection unix_socket() { return {.is_local = true, .database = "db", .user = "bob"}; }

// The line of the rule that decides; 0: none does.
uint32_t line(const Hba& hba, const HbaConnection& connection) {
  const HbaRule* const rule = hba.match(connection);
  return rule != nullptr ? rule->line : 0;
}

TEST(Hba, TheFirstRuleThatMatchesDecides) {  // S65
  const Hba hba = good(
      "# comment\n"
      "local   all all                peer\n"
      "host    db  bob 10.1.0.0/16    reject\n"
      "host    all all 10.0.0.0/8     scram-sha-256\n"
      "host    all all 0.0.0.0/0      md5\n");
  EXPECT_EQ(line(hba, unix_socket()), 2U);
  EXPECT_EQ(line(hba, tcp("10.1.2.3")), 3U);
  EXPECT_EQ(line(hba, tcp("10.2.2.3")), 4U);
  EXPECT_EQ(line(hba, tcp("192.168.1.1")), 5U);
  EXPECT_EQ(line(hba, tcp("::1")), 0U);
  EXPECT_EQ(hba.match(tcp("10.2.2.3"))->method, HbaMethod::ScramSha256);
}

TEST(Hba, TypesAskForTls) {
  const Hba hba = good("hostssl all all all cert\nhostnossl all all all reject\n");
  EXPECT_EQ(line(hba, tcp("10.0.0.1", true)), 1U);
  EXPECT_EQ(line(hba, tcp("10.0.0.1", false)), 2U);
  EXPECT_EQ(line(hba, unix_socket()), 0U);
  EXPECT_EQ(line(good("hostnogssenc all all all trust"), tcp("::1")), 1U);
}

TEST(Hba, NetworksOfOneFamilyNeverHoldTheOther) {  // S65
  EXPECT_EQ(line(good("host all all ::/0 trust"), tcp("10.0.0.1")), 0U);
  EXPECT_EQ(line(good("host all all ::/0 trust"), tcp("fe80::1")), 1U);
  EXPECT_EQ(line(good("host all all 0.0.0.0/0 trust"), tcp("::1")), 0U);
  EXPECT_EQ(line(good("host all all 10.0.0.0/8 trust"), tcp("::ffff:10.1.1.1")), 1U);
  EXPECT_EQ(line(good("host all all ::ffff:10.0.0.0/104 trust"), tcp("10.1.1.1")), 1U);
  EXPECT_EQ(line(good("host all all all trust"), tcp("10.1.1.1")), 1U);
}

TEST(Hba, PrefixesCountBits) {
  const Hba hba = good(
      "host all all 10.0.0.128/25 trust\nhost all all 2001:db8::/33 trust\nhost all all 1.2.3.4/32 trust");
  EXPECT_EQ(line(hba, tcp("10.0.0.129")), 1U);
  EXPECT_EQ(line(hba, tcp("10.0.0.127")), 0U);
  EXPECT_EQ(line(hba, tcp("2001:db8:7fff::1")), 2U);
  EXPECT_EQ(line(hba, tcp("2001:db8:8000::1")), 0U);
  EXPECT_EQ(line(hba, tcp("1.2.3.4")), 3U);
  EXPECT_EQ(line(hba, tcp("1.2.3.5")), 0U);
}

TEST(Hba, AnAddressMayHaveAMask) {
  const Hba hba = good("host all all 10.0.0.0 255.255.255.0 trust\nhost all all fd00:: ff00:: trust");
  EXPECT_EQ(line(hba, tcp("10.0.0.9")), 1U);
  EXPECT_EQ(line(hba, tcp("10.0.1.9")), 0U);
  EXPECT_EQ(line(hba, tcp("fd12::1")), 2U);
}

TEST(Hba, DatabasesAndUsersMayBeListsWordsAndFiles) {
  const MemoryFiles files = {{"dir/team", "bob, \"all\"\n# x\n@more\n"}, {"dir/more", "eve"}};
  const Hba hba =
      good("local a,\"b c\", db @team trust\nlocal sameuser all trust\nlocal \"all\" all reject", files);
  EXPECT_EQ(line(hba, unix_socket()), 1U);
  EXPECT_EQ(line(hba, {.is_local = true, .database = "b c", .user = "eve"}), 1U);
  EXPECT_EQ(line(hba, {.is_local = true, .database = "b c", .user = "all"}), 1U);
  EXPECT_EQ(line(hba, {.is_local = true, .database = "b c", .user = "zoe"}), 0U);
  EXPECT_EQ(line(hba, {.is_local = true, .database = "zoe", .user = "zoe"}), 2U);
  EXPECT_EQ(line(hba, {.is_local = true, .database = "all", .user = "zoe"}), 3U);
}

TEST(Hba, PhysicalReplicationIsOfNoDatabase) {  // S13
  const HbaConnection replication{
      .is_local = true, .database = "replication", .user = "bob", .replication = true};
  EXPECT_EQ(line(good("local all,db all trust\nlocal \"replication\" all trust"), replication), 0U);
  EXPECT_EQ(line(good("local replication bob trust"), replication), 1U);
  EXPECT_EQ(line(good("local replication bob trust"), unix_socket()), 0U);
}

TEST(Hba, OptionsAreKept) {
  const Hba hba =
      good("hostssl all all all scram-sha-256 clientcert=verify-full\nlocal all all peer map=\"my map\"");
  EXPECT_EQ(hba.rules()[0].client_certificate, ClientCertificate::VerifyFull);
  EXPECT_EQ(hba.rules()[1].map, "my map");
}

TEST(Hba, LinesAreContinuedAndCommentsToo) {
  const Hba hba =
      good("local all \\\n all trust\n# local all all trust \\\nlocal all all reject\nlocal x y reject");
  ASSERT_EQ(hba.rules().size(), 2U);
  EXPECT_EQ(hba.rules()[0].line, 1U);
  EXPECT_EQ(hba.rules()[1].line, 5U);
}

TEST(Hba, WhatCannotBeKnownHereIsRefusedWithAReason) {
  const std::pair<const char*, const char*> kCases[] = {
      {"host all +admins all trust", "member of a role"},
      {"host samerole all all trust", "member of a role"},
      {"host all all samenet trust", "write the network"},
      {"host all all db.example.com trust", "names are not looked up"},
      {"host all /^a all trust", "regular expressions"},
      {"host all all all ldap", "no method offered here"},
      {"hostgssenc all all all trust", "GSS encryption"},
      {"hots all all all trust", "no type of connection"},
      {"include other.conf", "other files"},
      {"host all all 10.0.0.0/33 trust", "0 to 32"},
      {"host all all 10.0.0.0/ trust", "0 to 32"},
      {"host all all ::1/129 trust", "0 to 128"},
      {"host all all 10.0.0.1 trust", "no mask"},
      {"host all all 10.0.0.1 255.0.255.0 trust", "no mask"},
      {"host all all 10.0.0.1 ffff:: trust", "no mask"},
      {"host all all all peer", "local connections only"},
      {"host all all all cert", "hostssl only"},
      {"local all all trust map=x", "cert and peer only"},
      {"host all all all md5 clientcert=verify-ca", "hostssl only"},
      {"hostssl all all all md5 clientcert=1", "verify-ca or verify-full"},
      {"local all all trust x=y", "no option"},
      {"local all all", "ends before its method"},
      {"local", "ends before its database"},
      {"local all \"open trust", "never closed"},
      {"local ,all all trust", "before this comma"},
      {"local all @none trust", "cannot read"},
      {"local all all trust,md5", "not a list"},
  };
  for (const auto& [text, reason] : kCases) {
    const HbaLoad load = parse(text);
    EXPECT_FALSE(load.hba) << text;
    ASSERT_EQ(load.diagnostics.size(), 1U) << text;
    EXPECT_NE(load.diagnostics[0].message.find(reason), std::string::npos) << load.diagnostics[0].message;
  }
}

TEST(Hba, EveryProblemIsToldAtOnceWithItsPlace) {
  const HbaLoad load = parse("local all all trust\nhost all all nowhere md5\n\nlocal all all ident\n");
  ASSERT_EQ(load.diagnostics.size(), 2U);
  EXPECT_EQ(load.diagnostics[0].at.line, 2U);
  EXPECT_EQ(load.diagnostics[0].at.column, 14U);
  EXPECT_EQ(load.diagnostics[1].at.line, 4U);
  EXPECT_EQ(load.diagnostics[1].source_line, "local all all ident");
}

TEST(Hba, FilesOfNamesThatIncludeThemselvesAreRefused) {
  const MemoryFiles files = {{"dir/a", "@a"}};
  EXPECT_FALSE(parse("local all @a trust", files).hba);
}

TEST(Hba, FilesOfNamesAreReadAThousandTimesAtMost) {  // S61
  size_t reads = 0;
  const FileReader reader = [&](const std::string& path) {
    ++reads;
    return TextFile{.path = path, .text = "bob"};
  };
  std::string rule = "local all @team";
  for (int i = 0; i < 2000; ++i) rule += ",@team";
  const HbaLoad load = parse_hba({.path = "hba", .text = rule + " trust"}, reader);
  EXPECT_FALSE(load.hba);
  EXPECT_EQ(reads, 1000U);
}

TEST(Hba, WhatIsWrongInAFileOfNamesIsToldThere) {
  const MemoryFiles files = {{"dir/team", "bob\n eve, +admins\n"}, {"dir/list", "@none"}};
  const HbaLoad load = parse("local all @team trust\nlocal all @list trust", files);
  ASSERT_EQ(load.diagnostics.size(), 2U);
  EXPECT_THAT(load.diagnostics[0].to_string(), testing::StartsWith("dir/team:2:7: error: "));
  EXPECT_EQ(load.diagnostics[0].source_line, " eve, +admins");
  EXPECT_THAT(load.diagnostics[1].to_string(), testing::StartsWith("dir/list:1:1: error: cannot read "));
}

TEST(Hba, EveryTruncationIsAnswered) {
  const std::string text = "host a,\"b c\" all 10.0.0.0 255.0.0.0 cert \\\n map=x # end\nlocal all all trust";
  for (size_t length = 0; length <= text.size(); ++length) (void)parse(text.substr(0, length));
}

}  // namespace
}  // namespace sportello::conf
