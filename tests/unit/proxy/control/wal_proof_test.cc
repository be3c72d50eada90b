#include "proxy/control/wal_proof.h"

#include <gtest/gtest.h>

namespace sportello::proxy {
namespace {

constexpr TimePoint kStart{std::chrono::hours(1)};
TimePoint at(int ms) { return kStart + std::chrono::milliseconds(ms); }

TEST(WalProof, NothingIsProvenBeforeTheLogCameSoFar) {
  WalProof proof;
  proof.answered(at(0), Lsn{100});
  EXPECT_EQ(proof.proven(), TimePoint());
  proof.applied(Lsn{99});
  EXPECT_EQ(proof.proven(), TimePoint());
  proof.applied(Lsn{100});
  EXPECT_EQ(proof.proven(), at(0)) << "the question's moment, not the message's";
}

TEST(WalProof, OldMessagesProveOldMomentsOnly) {
  WalProof proof;
  proof.answered(at(0), Lsn{100});
  proof.answered(at(1000), Lsn{200});
  proof.answered(at(2000), Lsn{300});
  proof.applied(Lsn{250});
  EXPECT_EQ(proof.proven(), at(1000));
  EXPECT_EQ(proof.lag(at(2500)), std::chrono::milliseconds(500));
  EXPECT_EQ(proof.lag_bytes(), 50U);
  proof.applied(Lsn{300});
  EXPECT_EQ(proof.proven(), at(2000));
  EXPECT_EQ(proof.lag(at(9000)), std::chrono::milliseconds(0));
}

TEST(WalProof, AQuestionOfAQuietServerProvesItsMomentAtOnce) {
  WalProof proof;
  proof.applied(Lsn{100});
  proof.answered(at(5), Lsn{100});
  proof.applied(Lsn{100});
  EXPECT_EQ(proof.proven(), at(5));
}

TEST(WalProof, HowMuchIsRememberedIsBounded) {
  WalProof proof;
  for (int i = 0; i < 100'000; ++i) proof.answered(at(i * 20), Lsn{static_cast<uint64_t>(i + 1)});
  proof.applied(Lsn{1'000'000});
  EXPECT_EQ(proof.proven(), at((static_cast<int>(WalProof::kMost) - 1) * 20));
}

}  // namespace
}  // namespace sportello::proxy
