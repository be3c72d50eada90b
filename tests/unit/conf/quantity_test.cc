#include "conf/quantity.h"

#include <gtest/gtest.h>

namespace sportello::conf {
namespace {

using std::chrono::milliseconds;

TEST(Quantity, DurationsHaveUnits) {
  const std::pair<const char*, int64_t> kCases[] = {
      {"30s", 30'000},   {"500ms", 500},      {"1min 30s", 90'000}, {"1min30s", 90'000},  {"15m", 900'000},
      {"1h", 3'600'000}, {"2d", 172'800'000}, {"1w", 604'800'000},  {"0.5 h", 1'800'000}, {"0", 0},
      {"120", 120'000},  {"0.25", 250},       {" 7 s ", 7000},      {"10MS", 10},         {"0.29s", 290},
  };
  for (const auto& [text, expected] : kCases) EXPECT_EQ(parse_duration(text), milliseconds(expected)) << text;
}

TEST(Quantity, ALimitBelowAMillisecondIsNotOff) { EXPECT_EQ(parse_duration("1us"), milliseconds(1)); }

TEST(Quantity, WhatIsNoDurationIsRefused) {
  for (const char* text : {"", " ", "s", "-1s", "+1s", "1x", "1 2", "1s 2", "1s,2s", "1e3s", ".5s", "1..5s",
                           "inf", "nan", "0x10s", "99999999999d", "1s x", "1.s.s"})
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
}

TEST(Quantity, SizesCountIn1024s) {
  const std::pair<const char*, uint64_t> kCases[] = {{"64kB", 65'536},
                                                     {"256MB", 268'435'456},
                                                     {"2 GB", 2'147'483'648},
                                                     {"1tb", 1ULL << 40},
                                                     {"100", 100},
                                                     {"0.5kB", 512},
                                                     {"7B", 7},
                                                     {"0", 0}};
  for (const auto& [text, expected] : kCases) EXPECT_EQ(parse_size(text), expected) << text;
}

TEST(Quantity, WhatIsNoSizeIsRefused) {
  for (const char* text : {"", "kB", "-1", "1 k", "1kB 1B", "1s", "99999999999TB"})
    EXPECT_EQ(parse_size(text), std::nullopt) << text;
}

TEST(Quantity, WhatIsFormattedReadsBackTheSame) {
  for (const int64_t value :
       {0L, 1L, 999L, 1000L, 90'000L, 3'600'000L, 86'399'999L, 604'800'000L, 694'861'001L})
    EXPECT_EQ(parse_duration(format_duration(milliseconds(value))), milliseconds(value)) << value;
  for (const uint64_t value : {0ULL, 1ULL, 1023ULL, 1024ULL, 65'536ULL, 1536ULL << 20, 1ULL << 41})
    EXPECT_EQ(parse_size(format_size(value)), value) << value;
  EXPECT_EQ(format_duration(milliseconds(90'000)), "1min 30s");
  EXPECT_EQ(format_size(65'536), "64kB");
}

}  // namespace
}  // namespace sportello::conf
