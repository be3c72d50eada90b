#include "protocol/error_response.h"

#include <gtest/gtest.h>

#include "protocol/frame_decoder.h"

namespace sportello {
namespace {

TEST(ErrorResponse, ComesBackAsItWasMade) {
  std::string out;
  append_error_response(out, Severity::Fatal, {"57P01", "message", "detail", "hint"}, "routine");
  const ErrorFields fields = decode_error_fields(std::string_view(out).substr(kFrameHeaderBytes));
  EXPECT_EQ(fields.severity, "FATAL");
  EXPECT_TRUE(fields.is_fatal());
  EXPECT_EQ(fields.sqlstate, "57P01");
  EXPECT_EQ(fields.message, "message");
  EXPECT_EQ(fields.detail, "detail");
  EXPECT_EQ(fields.hint, "hint");
  EXPECT_EQ(fields.routine, "routine");
}

TEST(ErrorResponse, HasNoEmptyDetailOrHint) {
  std::string out;
  append_error_response(out, Severity::Error, {"42601", "m"});
  EXPECT_EQ(out.substr(5), std::string("SERROR\0VERROR\0C42601\0Mm\0\0", 25));
}

TEST(ErrorResponse, LocalisedSeverityServesWhereThereIsNoOther) {
  EXPECT_TRUE(decode_error_fields(std::string_view("SFATAL\0\0", 8)).is_fatal());
  EXPECT_FALSE(decode_error_fields(std::string_view("SFATAL\0VERROR\0\0", 15)).is_fatal());
  EXPECT_TRUE(decode_error_fields(std::string_view("SPANIK\0VPANIC\0\0", 15)).is_fatal());
}

TEST(ErrorResponse, TheLastOfADuplicateCountsAndUnknownFieldsArePassedOver) {  // S21
  const ErrorFields fields = decode_error_fields(std::string_view("Cone\0zodd\0Ctwo\0\0", 16));
  EXPECT_EQ(fields.sqlstate, "two");
}

TEST(ErrorResponse, AnyTruncationIsReadAsFarAsItGoes) {  // S21
  std::string out;
  append_error_response(out, Severity::Error, {"42601", "message", "detail"});
  const std::string body = out.substr(kFrameHeaderBytes);
  for (size_t size = 0; size < body.size(); size++) {
    const std::string front = body.substr(0, size);
    const ErrorFields fields = decode_error_fields(front);
    EXPECT_TRUE(fields.sqlstate.empty() || fields.sqlstate == "42601") << size;
    EXPECT_TRUE(fields.message.empty() || fields.message == "message") << size;
  }
}

}  // namespace
}  // namespace sportello
