#include "protocol/bind_message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/wire.h"

namespace sportello {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::string_view kBody(
    "p\0s\0"
    "\0\2\0\0\0\1"                            // formats: text, binary
    "\0\3\0\0\0\2ab\377\377\377\377\0\0\0\0"  // "ab", NULL, ""
    "\0\1\0\1",                               // results: binary
    30);

TEST(BindMessage, IsReadWhole) {
  BindMessage bind;
  ASSERT_TRUE(bind.decode(kBody));
  EXPECT_EQ(bind.portal, "p");
  EXPECT_EQ(bind.statement, "s");
  EXPECT_THAT(bind.parameter_formats, ElementsAre(0, 1));
  EXPECT_THAT(bind.parameters, ElementsAre("ab", std::nullopt, ""));
  EXPECT_THAT(bind.result_formats, ElementsAre(1));
}

TEST(BindMessage, NothingIsLeftOfTheOneBefore) {
  BindMessage bind;
  ASSERT_TRUE(bind.decode(kBody));
  ASSERT_TRUE(bind.decode(std::string_view("\0\0\0\0\0\0\0\0", 8)));
  EXPECT_THAT(bind.parameter_formats, IsEmpty());
  EXPECT_THAT(bind.parameters, IsEmpty());
  EXPECT_THAT(bind.result_formats, IsEmpty());
}

TEST(BindMessage, IsNotWhatIsCutOrTooLong) {
  BindMessage bind;
  for (size_t size = 0; size < kBody.size(); size++) {
    EXPECT_FALSE(bind.decode(kBody.substr(0, size))) << size;
  }
  EXPECT_FALSE(bind.decode(std::string(kBody) + '\0'));
  // More parameters than there are bytes, and a length beyond the end.
  EXPECT_FALSE(bind.decode(std::string_view("\0\0\0\0\377\377\0\0", 8)));
  EXPECT_FALSE(bind.decode(std::string_view("\0\0\0\0\0\1\177\377\377\377\0\0", 12)));
}

}  // namespace
}  // namespace sportello
