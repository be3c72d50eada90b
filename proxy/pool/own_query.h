// A query of our own on a link that no session holds: cleaning it, checking it, setting it up. The rows of
// the answer are passed over; what it reports is noted in the LinkState. Without I/O.
#pragma once

#include <string>
#include <string_view>

#include "protocol/result.h"
#include "proxy/pool/link_state.h"

namespace sportello::proxy {

class OwnQuery {
 public:
  // Appends the query to `out`; the link must be without owed answers.
  void begin(LinkState& link, std::string_view sql, std::string& out);

  struct Step {
    size_t taken = 0;
    bool done = false;    // ReadyForQuery has come
    bool broken = false;  // the server broke the protocol or said goodbye; error() says what
  };
  Step on_server_bytes(LinkState& link, std::string_view in);

  // The first error of the answer, if there was one.
  const std::optional<Error>& error() const { return error_; }

 private:
  std::optional<Error> error_;
  std::string sqlstate_;  // what error_->sqlstate views
};

// server_reset_query has succeeded: what it took from the link. Of a query other than DISCARD ALL it is not
// known whether the prepared statements went.
void note_reset(LinkState& link, std::string_view query);
// RESET ALL has succeeded. (What is tracked, the server has reported.)
void note_reset_settings(LinkState& link);

}  // namespace sportello::proxy
