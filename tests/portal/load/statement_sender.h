// How a statement of a request goes to the server: in the three ways that drivers have.
//
//   simple     values are written into the text (psycopg2, Django's default)
//   extended   an unnamed statement with parameters (psycopg 3)
//   prepared   a named statement, prepared once a connection (psycopg 3 after five times, asyncpg, JDBC)
//
// A statement without parameters is always a simple query, as drivers do it with BEGIN and COMMIT.
#pragma once

#include <libpq-fe.h>

#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "tests/portal/load/parameter_source.h"

namespace sportello::portal {

enum class Protocol : uint8_t { Simple, Extended, Prepared };

// One connection's part: the names that its server knows.
class StatementSender {
 public:
  enum class Sent : uint8_t {
    Statement,    // its answer comes next
    Preparation,  // send the statement again when this has been answered
    Nothing,      // libpq refused: the connection is of no more use
  };

  explicit StatementSender(Protocol protocol) : protocol_(protocol) {}

  // `name` is the statement's own, among all requests.
  Sent send(PGconn* connection, const std::string& name, const std::string& text,
            const std::vector<Value>& values);

  // The connection is new.
  void forget_names() { prepared_.clear(); }

 private:
  Protocol protocol_;
  std::unordered_set<std::string> prepared_;
};

// The text with its $n replaced by literals. Requests have no $n within quotes.
std::string with_literals(std::string_view text, const std::vector<Value>& values);

}  // namespace sportello::portal
