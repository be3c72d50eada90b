#include "protocol/result.h"

#include <gtest/gtest.h>

#include "protocol/sqlstate.h"

namespace sportello {
namespace {

TEST(Result, HoldsEitherAValueOrAnError) {
  Result<int> good = 7;
  ASSERT_TRUE(good.ok());
  EXPECT_EQ(*good, 7);

  Result<int> bad = Error{sqlstate::kProtocolViolation, "short message"};
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().sqlstate, "08P01");
}

TEST(Result, OfNothingIsSuccessUnlessAnErrorIsGiven) {
  EXPECT_TRUE(Result<void>().ok());
  EXPECT_FALSE(Result<void>(Error{sqlstate::kInternalError, "x"}).ok());
}

}  // namespace
}  // namespace sportello
