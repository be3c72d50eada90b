#include "proxy/admin/admin_table.h"

#include <gtest/gtest.h>

#include "protocol/wire.h"

namespace sportello::proxy {
namespace {

std::string row_body(AdminType type, const std::string& value, bool binary) {
  std::string out;
  append_data_row(out, {{"c", type}}, {value}, ResultFormats({binary}));
  return out.substr(5 + 2 + 4);  // header, count of columns, length of the value
}

std::string bytes(std::initializer_list<int> values) { return {values.begin(), values.end()}; }

TEST(AdminTable, DescribesColumnsWithTheTypesOfPostgresql) {
  std::string out;
  append_row_description(out, {{"a", AdminType::Text}, {"b", AdminType::Int4}, {"c", AdminType::Numeric}},
                         ResultFormats({false, true, false}));
  WireReader reader(std::string_view(out).substr(5));
  EXPECT_EQ(reader.u16(), 3);
  const uint32_t oids[] = {25, 23, 1700};
  const uint16_t lengths[] = {0xffff, 4, 0xffff};
  const uint16_t formats[] = {0, 1, 0};
  for (size_t i = 0; i < 3; i++) {
    EXPECT_EQ(reader.cstring(), std::string(1, static_cast<char>('a' + i)));
    EXPECT_EQ(reader.u32(), 0U);
    EXPECT_EQ(reader.u16(), 0);
    EXPECT_EQ(reader.u32(), oids[i]);
    EXPECT_EQ(reader.u16(), lengths[i]);
    EXPECT_EQ(reader.u32(), 0xffffffff);
    EXPECT_EQ(reader.u16(), formats[i]);
  }
  EXPECT_TRUE(reader.complete());
}

TEST(AdminTable, SendsTextAsItIsWritten) {
  EXPECT_EQ(row_body(AdminType::Int4, "-7", false), "-7");
  EXPECT_EQ(row_body(AdminType::Text, "pool", true), "pool");
}

TEST(AdminTable, SendsNumbersInBinaryWhenAsked) {
  EXPECT_EQ(row_body(AdminType::Int4, "-2", true), bytes({-1, -1, -1, -2}));
  EXPECT_EQ(row_body(AdminType::Int8, "4294967298", true), bytes({0, 0, 0, 1, 0, 0, 0, 2}));
  EXPECT_EQ(row_body(AdminType::Bool, "t", true), bytes({1}));
  EXPECT_EQ(row_body(AdminType::Bool, "f", true), bytes({0}));
}

TEST(AdminTable, SendsNumericsInDigitsOfTenThousand) {
  EXPECT_EQ(row_body(AdminType::Numeric, "0", true), bytes({0, 0, 0, 0, 0, 0, 0, 0}));
  // 3 digits: 1, 2, 345; weight 2.
  EXPECT_EQ(row_body(AdminType::Numeric, "100020345", true),
            bytes({0, 3, 0, 2, 0, 0, 0, 0, 0, 1, 0, 2, 1, 0x59}));
  EXPECT_EQ(row_body(AdminType::Numeric, "10000", true), bytes({0, 2, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0}));
}

TEST(AdminTable, KnowsNull) {
  std::string out;
  append_data_row(out, {{"c", AdminType::Int4}}, {std::nullopt}, ResultFormats({true}));
  EXPECT_EQ(out.substr(7), bytes({-1, -1, -1, -1}));
}

TEST(AdminTable, TakesOneFormatForAllColumnsOrOneForEach) {
  EXPECT_TRUE(ResultFormats().fit(3));
  EXPECT_FALSE(ResultFormats().is_binary(0));
  EXPECT_TRUE(ResultFormats({true}).fit(3));
  EXPECT_TRUE(ResultFormats({true}).is_binary(2));
  EXPECT_TRUE(ResultFormats({false, true}).fit(2));
  EXPECT_FALSE(ResultFormats({false, true}).fit(3));
  EXPECT_FALSE(ResultFormats({false, true}).is_binary(0));
}

}  // namespace
}  // namespace sportello::proxy
