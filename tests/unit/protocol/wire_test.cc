#include "protocol/wire.h"

#include <gtest/gtest.h>

namespace sportello {
namespace {

TEST(WireReader, TakesIntegersInNetworkOrder) {
  WireReader reader(std::string_view("\x01\x02\x03\x04\x05\x06\x07", 7));
  EXPECT_EQ(reader.u8(), 0x01);
  EXPECT_EQ(reader.u16(), 0x0203);
  EXPECT_EQ(reader.u32(), 0x04050607U);
  EXPECT_TRUE(reader.complete());
}

TEST(WireReader, RemembersThatItRanShortAndGivesNothingMore) {
  WireReader reader(std::string_view("\x01\x02\x03", 3));
  EXPECT_EQ(reader.u32(), 0U);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.u8(), 0) << "what was there is not taken for what was missing";
  EXPECT_FALSE(reader.ok());
  EXPECT_FALSE(reader.complete());
}

TEST(WireReader, TakesStringsWithTheirTerminator) {
  WireReader reader(std::string_view("ab\0\0rest", 8));
  EXPECT_EQ(reader.cstring(), "ab");
  EXPECT_EQ(reader.cstring(), "");
  EXPECT_EQ(reader.remaining(), "rest");
  EXPECT_TRUE(reader.ok());
  EXPECT_EQ(reader.cstring(), "");
  EXPECT_FALSE(reader.ok()) << "no terminator";
}

TEST(WireReader, TakesNoMoreBytesThanThereAre) {
  WireReader reader("abc");
  EXPECT_EQ(reader.bytes(2), "ab");
  EXPECT_EQ(reader.bytes(0), "");
  EXPECT_FALSE(reader.complete());
  EXPECT_EQ(reader.bytes(SIZE_MAX), "");
  EXPECT_FALSE(reader.ok());
}

TEST(WireWriter, FillsInTheLength) {
  std::string out = "before";
  WireWriter(out).begin('Q').cstring("hi").u8(1).u16(0x0203).u32(0x04050607).bytes("z").end();
  EXPECT_EQ(out, std::string("beforeQ\0\0\0\x0fhi\0\1\2\3\4\5\6\7z", 22));
}

TEST(WireWriter, MessagesOfTheStartupPhaseHaveNoType) {
  std::string out;
  WireWriter(out).begin_untyped().u32(5).end();
  EXPECT_EQ(out, std::string("\0\0\0\x08\0\0\0\5", 8));
}

TEST(WireWriter, CutsTextAtANulAsCDoes) {
  std::string out;
  WireWriter(out).begin('Q').cstring(std::string_view("a\0b", 3)).end();
  EXPECT_EQ(out, std::string("Q\0\0\0\6a\0", 7));
}

}  // namespace
}  // namespace sportello
