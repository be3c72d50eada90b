#include "protocol/replication/pgoutput.h"

#include <gtest/gtest.h>

#include "tests/unit/protocol/replication/log_messages.h"

namespace sportello::replication {
namespace {

template <typename T>
T decoded(const std::string& bytes) {
  const Result<LogMessage> message = decode_log_message(bytes);
  EXPECT_TRUE(message.ok());
  if (!message.ok()) return {};
  const T* const wanted = std::get_if<T>(&*message);
  EXPECT_NE(wanted, nullptr);
  return wanted != nullptr ? *wanted : T{};
}

TEST(Pgoutput, BeginNamesTheTransaction) { EXPECT_EQ(decoded<Begin>(begin_message(4711)).xid, 4711U); }

TEST(Pgoutput, CommitSaysWhereItsRecordBeginsAndEnds) {
  const Commit commit = decoded<Commit>(commit_message(0x1'0000'0100, 0x1'0000'0130));
  EXPECT_EQ(commit.commit, Lsn{0x1'0000'0100});
  EXPECT_EQ(commit.end, Lsn{0x1'0000'0130});
}

TEST(Pgoutput, AChangeNamesItsRelationWhateverTheRow) {
  EXPECT_EQ(decoded<Change>(change_message('I', 16'400, 'N')).relation, 16'400U);
  for (const char row : {'N', 'O', 'K'}) {
    EXPECT_EQ(decoded<Change>(change_message('U', 16'401, row)).relation, 16'401U);
  }
  for (const char row : {'O', 'K'}) {
    EXPECT_EQ(decoded<Change>(change_message('D', 4'000'000'000U, row)).relation, 4'000'000'000U);
  }
}

TEST(Pgoutput, RowsAreNotLookedAt) {
  std::string bytes = change_message('I', 16'400, 'N');
  bytes.resize(6);
  EXPECT_EQ(decoded<Change>(bytes + "\xFF\xFF\xFF").relation, 16'400U);
}

TEST(Pgoutput, TruncateNamesAllItsRelations) {
  EXPECT_EQ(decoded<Truncate>(truncate_message({16'400, 16'404, 3})).relations,
            (std::vector<uint32_t>{16'400, 16'404, 3}));
}

TEST(Pgoutput, WhatOnlyDescribesIsSkipped) {
  decoded<Skipped>(relation_message(16'400));
  decoded<Skipped>("Y");
  decoded<Skipped>("O");
  decoded<Skipped>("M");
}

TEST(Pgoutput, EveryTruncationIsAnError) {
  for (const std::string& whole : {begin_message(1), commit_message(1, 2), truncate_message({1, 2})}) {
    for (size_t size = 0; size < whole.size(); ++size) {
      EXPECT_FALSE(decode_log_message(whole.substr(0, size)).ok()) << whole[0] << " of " << size;
    }
  }
  for (const char kind : {'I', 'U', 'D'}) {
    const std::string whole = change_message(kind, 1, kind == 'I' ? 'N' : 'K');
    for (size_t size = 0; size < 6; ++size) EXPECT_FALSE(decode_log_message(whole.substr(0, size)).ok());
  }
}

TEST(Pgoutput, BytesTooManyAreAnError) {
  for (const std::string& whole : {begin_message(1), commit_message(1, 2), truncate_message({1, 2})}) {
    EXPECT_FALSE(decode_log_message(whole + '\0').ok()) << whole[0];
  }
}

TEST(Pgoutput, ACountThatTheMessageDoesNotHoldIsAnError) {
  std::string bytes = truncate_message({1});
  for (const uint32_t count : {0U, 2U, 0x4000'0001U, 0xFFFF'FFFFU}) {
    store_be32(bytes.data() + 1, count);
    EXPECT_FALSE(decode_log_message(bytes).ok()) << count;
  }
}

TEST(Pgoutput, UnknownTypesAndRowsAreErrors) {
  EXPECT_FALSE(decode_log_message("S").ok()) << "streamed transactions were not asked for";
  EXPECT_FALSE(decode_log_message(change_message('I', 1, 'K')).ok());
  EXPECT_FALSE(decode_log_message(change_message('D', 1, 'N')).ok());
}

}  // namespace
}  // namespace sportello::replication
