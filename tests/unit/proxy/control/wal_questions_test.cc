#include "proxy/control/wal_questions.h"

#include <gtest/gtest.h>

namespace sportello::proxy {
namespace {

PqRows row(PqRow values) { return {{}, {std::move(values)}}; }

TEST(WalQuestions, AClockIsRead) {
  const auto clock =
      read_wal_clock(row({"10:20:12", "1/A8", "1/A0", "0000000C0000000000000001", "16400,734,2,1468"}));
  ASSERT_TRUE(clock.ok());
  EXPECT_FALSE(clock->snapshot.is_over(12));
  EXPECT_EQ(clock->inserted, Lsn{0x1000000A8});
  EXPECT_EQ(clock->flushed, Lsn{0x1000000A0});
  EXPECT_EQ(clock->timeline, 12U);
  EXPECT_EQ(clock->publication, "16400,734,2,1468");
}

TEST(WalQuestions, WithoutThePublicationItsMarkIsEmpty) {
  const auto clock =
      read_wal_clock(row({"10:20:", "1/A8", "1/A0", "000000010000000000000001", std::nullopt}));
  ASSERT_TRUE(clock.ok());
  EXPECT_TRUE(clock->publication.empty());
}

TEST(WalQuestions, AServerThatIsAStandbyOrWritesTooLittleIsRefusedInWords) {
  const auto asked = [](const char* recovery, const char* level) {
    return read_wal_server(row({recovery, level, "7000", "8192", "16777216"}));
  };
  EXPECT_TRUE(asked("f", "logical").ok());
  EXPECT_EQ(asked("f", "logical")->system, "7000");
  EXPECT_EQ(asked("f", "logical")->layout, (WalLayout{8192, 16'777'216}));
  EXPECT_NE(asked("f", "replica").error().message.find("wal_level"), std::string::npos);
  EXPECT_NE(asked("t", "logical").error().message.find("standby"), std::string::npos);
}

TEST(WalQuestions, CoveredTablesAreSorted) {
  const auto covered = read_wal_coverage({{}, {{"30"}, {"4000000000"}, {"20"}}});
  ASSERT_TRUE(covered.ok());
  EXPECT_EQ(*covered, (CoveredTables{20, 30, 4'000'000'000U}));
}

TEST(WalQuestions, AnotherShapeIsAnError) {
  EXPECT_FALSE(read_wal_clock({}).ok());
  EXPECT_FALSE(read_wal_clock(row({"10:20:", "1/A8", std::nullopt, "00000001", ""})).ok());
  EXPECT_FALSE(read_wal_clock(row({"x", "1/A8", "1/A0", "00000001", ""})).ok());
  EXPECT_FALSE(read_wal_server(row({"f"})).ok());
  EXPECT_FALSE(read_wal_coverage(row({std::nullopt})).ok());
  EXPECT_FALSE(read_wal_identity(row({"7000", "x", "0/1"})).ok());
}

}  // namespace
}  // namespace sportello::proxy
