// What a client was told of a prepared statement, as two numbers: the types of its parameters, and the names
// and types of its rows' columns. A driver that has asked once (Describe) reads all later rows by that
// answer, in binary often, so that rows of another shape are wrong values to it and not an error.
//
// PostgreSQL looks after this for the statements of one session: 0A000, "cached plan must not change result
// type". It cannot for a statement that was prepared by another server session, after a DDL.
//
// Two statements that read different tables with columns of the same names and types have the same shape, as
// the formats of a portal and the tables' OIDs are not in it.
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>

namespace sportello::proxy {

struct StatementShape {
  uint64_t parameters = 0;  // 0: not known
  uint64_t rows = 0;        // likewise; a statement without rows has a number, too

  bool knows_all_of(const StatementShape& other) const {
    return (rows != 0 || other.rows == 0) && (parameters != 0 || other.parameters == 0);
  }
  // What is not known of one of them does not tell them apart.
  bool agrees_with(const StatementShape& other) const {
    return (rows == other.rows || rows == 0 || other.rows == 0) &&
           (parameters == other.parameters || parameters == 0 || other.parameters == 0);
  }
};

// Of a ParameterDescription's body. Never 0.
uint64_t parameters_shape(std::string_view body);
// Of a RowDescription's body, of NoData's (which is empty). Never 0.
uint64_t rows_shape(std::string_view body);

// One session's.
struct ToldShapes {
  std::unordered_map<uint64_t, StatementShape> shapes;  // by the statement's number
  uint64_t described_parameters = 0;                    // of the statement that is being described
  uint64_t asked_of = 0;  // the statement that the link in hand was asked about last
};

}  // namespace sportello::proxy
