// One whole batch that asks for one result: what the cache may answer instead of a server. Found by looking
// ahead in what the client has sent, which changes nothing (cached_read.cc).
//
//   Query
//   [Parse] [Describe of the statement] Bind [Describe of the portal] Execute of all rows [Close] Sync
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "cache/session_floor.h"
#include "protocol/bind_message.h"
#include "protocol/sql/facts_cache.h"
#include "proxy/session/statement.h"

namespace sportello::proxy {

// Reused from batch to batch. Views are into the client's bytes, or into `statement`.
struct CachedRead {
  // What each of its messages is answered with, in order.
  enum class Answer : uint8_t {
    Parsed,
    StatementDescription,
    Bound,
    PortalDescription,
    Rows,
    RowsWithDescription,  // to a Query
    Closed,
    Ready,
  };
  static constexpr size_t kMostMessages = 8;

  size_t bytes = 0;  // of the batch
  std::array<Answer, kMostMessages> answers{};
  size_t answer_count = 0;

  sql::FactsPtr facts;
  std::string_view text;
  StatementRef statement;  // of the extended protocol
  bool parses = false;     // the batch prepares it, as `parsed_name`
  std::string_view parsed_name;
  BindMessage bind;         // empty for a Query
  cache::AnswerForm form;   // which descriptions it wants
  uint64_t rows_shape = 0;  // by which the client reads rows that are not described to it; 0: it knows none

  bool add(Answer answer) {
    if (answer_count == kMostMessages) {
      return false;
    }
    answers[answer_count++] = answer;
    return true;
  }
  bool is_query() const { return answers[0] == Answer::RowsWithDescription; }
};

}  // namespace sportello::proxy
