#include "proxy/control/auth_record.h"

#include <gtest/gtest.h>

namespace sportello::proxy {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;

PqRows rows(std::vector<PqRow> given, size_t columns = 3) {
  return {std::vector<std::string>(columns, "name"), std::move(given)};
}

WallTime at(int64_t epoch_seconds, int64_t more_microseconds = 0) {
  return WallTime(seconds(epoch_seconds) + microseconds(more_microseconds));
}

TEST(AuthRecord, ReadsNameSecretAndValidUntil) {
  const auto record = read_auth_record(rows({{"alice", "md5x", "1970-01-02 00:00:00+00"}}), "alice");
  ASSERT_TRUE(record.ok());
  EXPECT_TRUE(record->known);
  EXPECT_EQ(record->secret, "md5x");
  EXPECT_EQ(record->valid_until, at(86'400));
}

TEST(AuthRecord, TwoColumnsAreEnough) {
  const auto record = read_auth_record(rows({{"alice", "secret"}}, 2), "alice");
  ASSERT_TRUE(record.ok());
  EXPECT_TRUE(record->known);
  EXPECT_FALSE(record->valid_until.has_value());
}

TEST(AuthRecord, OneColumnOrFourAreAMistakeInTheConfiguration) {
  EXPECT_FALSE(read_auth_record(rows({{"alice"}}, 1), "alice").ok());
  EXPECT_FALSE(read_auth_record(rows({{"alice", "s", {}, "x"}}, 4), "alice").ok());
  EXPECT_FALSE(read_auth_record({}, "alice").ok());
}

TEST(AuthRecord, NoRowIsAnUnknownUser) {  // S16
  const auto record = read_auth_record(rows({}), "alice");
  ASSERT_TRUE(record.ok());
  EXPECT_FALSE(record->known);
}

TEST(AuthRecord, TheRowOfAnotherUserIsNoRow) {  // S16
  for (const PqRow& row : {PqRow{"postgres", "s", {}}, PqRow{{}, "s", {}}, PqRow{"ALICE", "s", {}}}) {
    const auto record = read_auth_record(rows({row}), "alice");
    ASSERT_TRUE(record.ok());
    EXPECT_FALSE(record->known);
    EXPECT_TRUE(record->secret.empty());
  }
}

TEST(AuthRecord, SeveralRowsAreAMistakeInTheConfiguration) {
  EXPECT_FALSE(read_auth_record(rows({{"alice", "a", {}}, {"alice", "b", {}}}), "alice").ok());
}

TEST(AuthRecord, ANullPasswordIsAKnownUserWithoutASecret) {  // S17
  const auto record = read_auth_record(rows({{"alice", {}, {}}}), "alice");
  ASSERT_TRUE(record.ok());
  EXPECT_TRUE(record->known);
  EXPECT_EQ(record->secret, "");
}

TEST(AuthRecord, WhatIsNoTimestampIsRefusedRatherThanGoodForever) {  // S17
  EXPECT_FALSE(read_auth_record(rows({{"alice", "s", "t"}}), "alice").ok());
  EXPECT_FALSE(read_auth_record(rows({{"alice", "s", ""}}), "alice").ok());
}

TEST(AuthRecord, ExpiresAfterItsTimeAndNotBefore) {  // S17
  AuthRecord record{.known = true, .secret = "s", .valid_until = at(100)};
  EXPECT_FALSE(record.is_expired(at(99)));
  EXPECT_TRUE(record.is_expired(at(100, 1)));
  record.valid_until = WallTime::max();
  EXPECT_FALSE(record.is_expired(at(100)));
  record.valid_until = WallTime::min();
  EXPECT_TRUE(record.is_expired(at(100)));
  record.valid_until.reset();
  EXPECT_FALSE(record.is_expired(at(100)));
}

TEST(Timestamp, IsReadAsPostgresWritesIt) {
  EXPECT_EQ(parse_timestamp("1970-01-01 00:00:00+00"), at(0));
  EXPECT_EQ(parse_timestamp("2000-02-29 12:30:01+00"), at(951'827'401));
  EXPECT_EQ(parse_timestamp("2026-11-23 10:00:00.5+00"), at(1'795'428'000, 500'000));
  EXPECT_EQ(parse_timestamp("2026-11-23 10:00:00.000001+00"), at(1'795'428'000, 1));
  EXPECT_EQ(parse_timestamp("infinity"), WallTime::max());
  EXPECT_EQ(parse_timestamp("-infinity"), WallTime::min());
}

TEST(Timestamp, ZonesAreTakenIntoAccount) {
  EXPECT_EQ(parse_timestamp("1970-01-01 02:00:00+02"), at(0));
  EXPECT_EQ(parse_timestamp("1969-12-31 18:30:00-05:30"), at(0));
  EXPECT_EQ(parse_timestamp("1970-01-01 00:49:56+00:49:56"), at(0));
}

TEST(Timestamp, WithoutAZoneOrATimeIsUtc) {
  EXPECT_EQ(parse_timestamp("1970-01-02 00:00:00"), at(86'400));
  EXPECT_EQ(parse_timestamp("1970-01-02"), at(86'400));
}

TEST(Timestamp, YearsFarAwayKeepTheirOrder) {
  EXPECT_GT(parse_timestamp("10000-01-01 00:00:00+00"), at(253'402'300'799));
  EXPECT_EQ(parse_timestamp("10000-01-01 00:00:00+00"), at(253'402'300'800));
  EXPECT_EQ(parse_timestamp("40000-01-01 00:00:00+00"), at(1'200'110'860'800));
  EXPECT_EQ(parse_timestamp("294276-12-31 23:59:59.999999+00"), WallTime::max());
  EXPECT_LT(parse_timestamp("0044-03-15 00:00:00+00 BC"), parse_timestamp("0001-01-01 00:00:00+00"));
  EXPECT_LT(parse_timestamp("4713-01-01 BC"), at(0));
}

TEST(Timestamp, EveryTruncationIsRefusedOrAShorterFormOfIt) {
  const std::string whole = "2026-11-23 10:00:00.25+05:30";
  for (size_t length = 0; length < whole.size(); ++length) {
    const std::string part = whole.substr(0, length);
    const bool is_form = length == 10 || length == 19 || length == 21 || length == 22 || length == 25;
    EXPECT_EQ(parse_timestamp(part).has_value(), is_form) << part;
  }
}

TEST(Timestamp, NonsenseIsRefused) {
  for (const char* text : {"", "x", "now", "20261123", "2026-13-01", "2026-02-30", "2026-00-01", "26-01-01",
                           "2026-11-23T10:00:00", "2026-11-23 10:00:00+00 AD", "2026-11-23 99:00:00",
                           "Mon 23 Nov 10:00:00 2026", "23/11/2026", "2026-11-23 10:00:00+00 ", " 2026-11-23",
                           "Infinity", "9999999-01-01", "2026-11-23 10:00:00+99"}) {
    EXPECT_EQ(parse_timestamp(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace sportello::proxy
