#include "protocol/frame_decoder.h"

#include <gtest/gtest.h>

#include "tests/unit/protocol/pieces.h"

namespace sportello {
namespace {

TEST(FrameDecoder, WaitsForTheWholeLengthWord) {
  Frame frame{};
  for (size_t size = 0; size < kFrameHeaderBytes; size++) {
    EXPECT_EQ(peek_frame(std::string_view("Z\0\0\0\5I", 6).substr(0, size), frame), FrameStatus::NeedMore)
        << size;
  }
  EXPECT_EQ(peek_frame(std::string_view("Z\0\0\0\5", 5), frame), FrameStatus::Header);
  EXPECT_EQ(frame.type, 'Z');
  EXPECT_EQ(frame.body_bytes(), 1U);
  EXPECT_EQ(frame.total_bytes(), 6U);
}

struct Length {
  uint32_t length;
  FrameStatus status;
};

class FrameLengths : public ::testing::TestWithParam<Length> {};

TEST_P(FrameLengths, AreJudged) {  // S09
  std::string bytes("Q\0\0\0\0", 5);
  store_be32(bytes.data() + 1, GetParam().length);
  Frame frame{};
  EXPECT_EQ(peek_frame(bytes, frame), GetParam().status);
}

INSTANTIATE_TEST_SUITE_P(
    All, FrameLengths,
    ::testing::Values(Length{0, FrameStatus::Malformed}, Length{1, FrameStatus::Malformed},
                      Length{2, FrameStatus::Malformed}, Length{3, FrameStatus::Malformed},
                      Length{4, FrameStatus::Header}, Length{8, FrameStatus::Header},
                      Length{10'000'000, FrameStatus::Header}, Length{0x7fffffff, FrameStatus::Header},
                      Length{0x80000000, FrameStatus::Malformed},
                      Length{0xffffffff, FrameStatus::Malformed}));

TEST(FrameDecoder, TotalOfTheLongestFrameDoesNotWrap) {
  EXPECT_EQ((Frame{'d', kMaxFrameLength}.total_bytes()), 0x80000000UL);
}

TEST(FrameDecoder, WholeFramesAreTakenInAnyCut) {
  std::string bytes;
  WireWriter(bytes).begin('A').bytes("first").end();
  WireWriter(bytes).begin('B').end();
  WireWriter(bytes).begin('C').bytes("third").end();
  for_all_cuts(bytes, [](const std::vector<std::string>& pieces) {
    std::string pending;
    std::string seen;
    for (const std::string& piece : pieces) {
      pending += piece;
      WholeFrame frame;
      while (take_whole_frame(pending, 100, frame) == FrameStatus::Header) {
        seen.append(1, frame.type).append(frame.body).append(";");
        pending.erase(0, frame.total_bytes);
      }
    }
    EXPECT_EQ(seen, "Afirst;B;Cthird;");
    EXPECT_TRUE(pending.empty());
  });
}

TEST(FrameDecoder, WholeFramesAreBoundedBeforeTheirBodyComes) {
  WholeFrame frame;
  EXPECT_EQ(take_whole_frame(std::string_view("A\0\0\0\x65", 5), 100, frame), FrameStatus::Malformed);
  EXPECT_EQ(take_whole_frame(std::string_view("A\0\0\0\x64", 5), 100, frame), FrameStatus::NeedMore);
}

}  // namespace
}  // namespace sportello
