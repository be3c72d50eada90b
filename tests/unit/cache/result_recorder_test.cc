#include "cache/result_recorder.h"

#include <gtest/gtest.h>

#include "tests/unit/cache/messages.h"
#include "tests/unit/protocol/pieces.h"

namespace sportello::cache {
namespace {

constexpr uint64_t kLimit = 10'000;

const std::string kRows = row_of({"Rossi", "Milano"}) + row_of({std::nullopt, ""});
const std::string kDescription = description_of({"name", "city"});
const std::string kAnswer = kDescription + kRows + complete("SELECT 2") + ready();

// The same at all cuts.
Refusal refusal_of(const std::string& bytes, uint64_t limit = kLimit, std::vector<int16_t> formats = {}) {
  std::optional<Refusal> first;
  for_all_cuts(bytes, [&](const std::vector<std::string>& pieces) {
    ResultRecorder recorder(limit, formats);
    for (const std::string& piece : pieces) recorder.feed(piece);
    if (!first) first = recorder.refusal();
    EXPECT_EQ(recorder.refusal(), *first);
    EXPECT_EQ(recorder.result() != nullptr, *first == Refusal::None);
  });
  return *first;
}

CachedResultRef result_of_bytes(const std::string& bytes, std::vector<int16_t> formats = {}) {
  ResultRecorder recorder(kLimit, std::move(formats));
  recorder.feed(bytes);
  return recorder.result();
}

TEST(ResultRecorder, KeepsAQuerysAnswerAtAnyCut) {
  for_all_cuts(kAnswer, [](const std::vector<std::string>& pieces) {
    ResultRecorder recorder(kLimit, {});
    for (const std::string& piece : pieces) {
      EXPECT_FALSE(recorder.is_done());
      recorder.feed(piece);
    }
    ASSERT_TRUE(recorder.is_done());
    const CachedResultRef result = recorder.result();
    ASSERT_NE(result, nullptr);
    EXPECT_EQ(result->messages(), kDescription + kRows + complete("SELECT 2"));
    EXPECT_EQ(result->description(), kDescription);
    EXPECT_EQ(result->rows(), 2U);
  });
}

TEST(ResultRecorder, KeepsNothingOfATruncatedAnswer) {
  for (size_t size = 0; size < kAnswer.size(); ++size) {
    ResultRecorder recorder(kLimit, {});
    recorder.feed(std::string_view(kAnswer).substr(0, size));
    EXPECT_EQ(recorder.refusal(), Refusal::Unfinished) << size;
    EXPECT_EQ(recorder.result(), nullptr);
  }
}

TEST(ResultRecorder, KeepsAnAnswerWithoutRows) {
  const CachedResultRef result = result_of_bytes(kDescription + complete("SELECT 0") + ready());
  ASSERT_NE(result, nullptr);
  EXPECT_EQ(result->rows(), 0U);
}

TEST(ResultRecorder, KeepsAnExtendedAnswerWithoutDescribe) {
  const CachedResultRef result =
      result_of_bytes(message('1') + message('2') + kRows + complete("SELECT 2") + ready());
  ASSERT_NE(result, nullptr);
  EXPECT_EQ(result->messages(), kRows + complete("SELECT 2"));
  EXPECT_FALSE(result->form().description);
}

TEST(ResultRecorder, KeepsTheDescriptionAsThePortalsWhoeverAskedForIt) {
  const std::string parameters = message('t', {"\0\1\0\0\0\x17", 6});
  const CachedResultRef result = result_of_bytes(message('1') + parameters + kDescription + message('2') +
                                                     description_of({"name", "city"}, 1) + kRows +
                                                     complete("SELECT 2") + message('3') + ready(),
                                                 {1});
  ASSERT_NE(result, nullptr);
  EXPECT_EQ(result->description(), description_of({"name", "city"}, 1));
  EXPECT_EQ(result->parameter_description(), parameters);
  EXPECT_EQ(result->rows_and_end(), kRows + complete("SELECT 2"));
  const CachedResultRef of_statement =
      result_of_bytes(parameters + kDescription + message('2') + kRows + complete("SELECT 2") + ready(), {1});
  ASSERT_NE(of_statement, nullptr);
  EXPECT_EQ(of_statement->description(), description_of({"name", "city"}, 1));
}

TEST(ResultRecorder, LeavesNotificationsToTheSession) {
  const CachedResultRef result = result_of_bytes(message('A', {"\0\0\0\1c\0p\0", 8}) + kAnswer);
  ASSERT_NE(result, nullptr);
  EXPECT_EQ(result->messages(), kDescription + kRows + complete("SELECT 2"));
}

TEST(ResultRecorder, RefusesWhatIsNotOnePlainResult) {  // S51, S53
  EXPECT_EQ(refusal_of(message('E', "SERROR\0")), Refusal::Error);
  EXPECT_EQ(refusal_of(kDescription + kRows + message('E', "SERROR\0") + ready()), Refusal::Error);
  EXPECT_EQ(refusal_of(message('N', "SNOTICE\0") + kAnswer), Refusal::Notice);
  EXPECT_EQ(refusal_of(kDescription + message('S', {"TimeZone\0UTC\0", 13}) + kRows),
            Refusal::SettingChanged);
  EXPECT_EQ(refusal_of(kRows + message('s') + ready()), Refusal::Suspended);
  EXPECT_EQ(refusal_of(message('G', {"\0\0\0", 3})), Refusal::Copy);
  EXPECT_EQ(refusal_of(message('H', {"\0\0\0", 3})), Refusal::Copy);
  EXPECT_EQ(refusal_of(message('n') + complete("SET") + ready()), Refusal::NotRows);
  EXPECT_EQ(refusal_of(message('I') + ready()), Refusal::NotRows);
  EXPECT_EQ(refusal_of(complete("UPDATE 1") + ready()), Refusal::NotRows);
  EXPECT_EQ(refusal_of(complete("SELECT") + ready()), Refusal::NotRows);
  EXPECT_EQ(refusal_of(ready()), Refusal::SeveralResults);
  EXPECT_EQ(refusal_of(kDescription + complete("SELECT 0") + kDescription + complete("SELECT 0") + ready()),
            Refusal::SeveralResults);
  EXPECT_EQ(refusal_of(complete("SELECT 0") + complete("SELECT 0") + ready()), Refusal::SeveralResults);
  EXPECT_EQ(refusal_of(complete("SELECT 0") + kRows + ready()), Refusal::SeveralResults);
  EXPECT_EQ(refusal_of(kDescription + kRows + complete("SELECT 2") + ready(TransactionStatus::InBlock)),
            Refusal::InTransaction);
}

// C10: whoever asks knows whether the block is fit.
TEST(ResultRecorder, KeepsAnAnswerInABlockIfAllowed) {
  for (const TransactionStatus status :
       {TransactionStatus::Idle, TransactionStatus::InBlock, TransactionStatus::Failed}) {
    ResultRecorder recorder(kLimit, {});
    recorder.allow_block();
    recorder.feed(kDescription + kRows + complete("SELECT 2") + ready(status));
    EXPECT_EQ(recorder.result() != nullptr, status != TransactionStatus::Failed);
  }
}

TEST(ResultRecorder, RefusesWhatItDoesNotUnderstand) {
  EXPECT_EQ(refusal_of(message('?') + kAnswer), Refusal::Malformed);
  EXPECT_EQ(refusal_of(std::string("D\0\0\0\3", 5)), Refusal::Malformed);
  EXPECT_EQ(refusal_of(std::string("D\xff\xff\xff\xff", 5)), Refusal::Malformed);
  EXPECT_EQ(refusal_of(message('T', "\1")), Refusal::Malformed);
  EXPECT_EQ(refusal_of(message('Z', "")), Refusal::Malformed);
  EXPECT_EQ(refusal_of(message('Z', "?")), Refusal::Malformed);
  EXPECT_EQ(refusal_of(message('C', "SELECT 1")), Refusal::Malformed);
  EXPECT_EQ(refusal_of(kDescription + kRows + complete("SELECT 3") + ready()), Refusal::Malformed);
  EXPECT_EQ(refusal_of(kAnswer, kLimit, {0, 0, 0}), Refusal::Malformed);
}

TEST(ResultRecorder, HoldsNoMoreThanTheLimit) {
  const uint64_t exact = kAnswer.size() - ready().size();
  EXPECT_EQ(refusal_of(kAnswer, exact), Refusal::None);
  EXPECT_EQ(refusal_of(kAnswer, exact - 1), Refusal::TooLarge);
  ResultRecorder recorder(kLimit, {});
  recorder.feed({"D\x3f\xff\xff\xff", 5});  // the length word is enough
  EXPECT_EQ(recorder.refusal(), Refusal::TooLarge);
  ResultRecorder other(kLimit, {});
  other.feed({"t\x3f\xff\xff\xff", 5});
  EXPECT_EQ(other.refusal(), Refusal::TooLarge);
}

TEST(ResultRecorder, LooksAtNothingMoreOnceItIsDone) {
  ResultRecorder recorder(kLimit, {});
  recorder.feed(kAnswer + message('E', "x"));
  EXPECT_EQ(recorder.refusal(), Refusal::None);
  ResultRecorder refused(kLimit, {});
  refused.feed(message('N', "x"));
  refused.feed(kAnswer);
  EXPECT_EQ(refused.refusal(), Refusal::Notice);
}

TEST(ResultRecorder, SurvivesAnyBytes) {
  std::mt19937 random(7);
  for (int round = 0; round < 3'000; ++round) {
    std::string bytes = kAnswer;
    for (int i = 0; i < 3; ++i) bytes[random() % bytes.size()] = static_cast<char>(random());
    ResultRecorder recorder(kLimit, {});
    recorder.feed(bytes);
    EXPECT_EQ(recorder.result() != nullptr, recorder.refusal() == Refusal::None);
  }
}

}  // namespace
}  // namespace sportello::cache
