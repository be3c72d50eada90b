#include "protocol/backend_messages.h"

#include <gtest/gtest.h>

#include "protocol/frame_decoder.h"

namespace sportello {
namespace {

std::string body_of(const std::string& message) { return message.substr(kFrameHeaderBytes); }

template <typename Decode>
void only_the_whole(const std::string& body, Decode decode) {
  EXPECT_TRUE(decode(body).has_value());
  for (size_t size = 0; size < body.size(); size++) {
    EXPECT_FALSE(decode(std::string_view(body).substr(0, size)).has_value()) << size;
  }
  EXPECT_FALSE(decode(body + '\0').has_value());
}

TEST(BackendMessages, ParameterStatus) {
  std::string out;
  append_parameter_status(out, "TimeZone", "UTC");
  const std::string body = body_of(out);
  EXPECT_EQ(decode_parameter_status(body)->name, "TimeZone");
  EXPECT_EQ(decode_parameter_status(body)->value, "UTC");
  only_the_whole(body, decode_parameter_status);
}

TEST(BackendMessages, ReadyForQueryKnowsThreeStatesOnly) {
  for (int c = 0; c < 256; c++) {
    const char status = static_cast<char>(c);
    const bool known = status == 'I' || status == 'T' || status == 'E';
    EXPECT_EQ(decode_ready_for_query({&status, 1}).has_value(), known) << c;
  }
  only_the_whole("I", decode_ready_for_query);
}

TEST(BackendMessages, BackendKeyDataIsFourToTwoHundredAndFiftySixBytesLong) {
  for (const size_t size : {0, 3, 4, 32, 256, 257}) {
    std::string out;
    append_backend_key_data(out, 7, std::string(size, 'k'));
    EXPECT_EQ(decode_backend_key_data(body_of(out)).has_value(), size >= 4 && size <= 256) << size;
  }
  EXPECT_FALSE(decode_backend_key_data("abc"));
}

TEST(BackendMessages, CommandComplete) {
  std::string out;
  append_command_complete(out, "INSERT 0 1");
  const std::string body = body_of(out);
  EXPECT_EQ(*decode_command_complete(body), "INSERT 0 1");
  only_the_whole(body, decode_command_complete);
}

TEST(BackendMessages, WordForWord) {
  std::string out;
  append_authentication(out, Authentication::Md5Password, "salt");
  EXPECT_EQ(out, std::string("R\0\0\0\x0c\0\0\0\5salt", 13));
  out.clear();
  append_ready_for_query(out, TransactionStatus::Failed);
  EXPECT_EQ(out, std::string("Z\0\0\0\5E", 6));
  out.clear();
  append_empty(out, backend::kNoData);
  EXPECT_EQ(out, std::string("n\0\0\0\4", 5));
  out.clear();
  append_negotiate_protocol_version(out, 2, {"_pq_.a"});
  EXPECT_EQ(out, std::string("v\0\0\0\x13\0\0\0\2\0\0\0\1_pq_.a\0", 20));
  out.clear();
  append_text_data_row(out, {"ab", std::nullopt, ""});
  EXPECT_EQ(out, std::string("D\0\0\0\x14\0\3\0\0\0\2ab\xff\xff\xff\xff\0\0\0\0", 21));
  out.clear();
  append_text_row_description(out, {"a"});
  EXPECT_EQ(out, std::string("T\0\0\0\x1a\0\1a\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0", 27));
}

}  // namespace
}  // namespace sportello
