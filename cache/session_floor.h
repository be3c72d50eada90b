// What a session must find in any answer it is given: its own newest write. And which descriptions its
// request wants beside the rows.
#pragma once

#include <cstdint>

#include "cache/freshness_board.h"

namespace sportello::cache {

struct SessionFloor {
  uint64_t last_write = 0;                 // of the session
  const NodePosition* follower = nullptr;  // of the log, if there is one: what it has reached, epochs tell

  // An answer that has seen every write up to `as_of` has seen the session's own; or whatever that one
  // touched, a trigger's tables too, was invalidated since. (C3)
  bool is_in(uint64_t as_of) const {
    return as_of >= last_write || (follower != nullptr && follower->reached() >= last_write);
  }
};

struct AnswerForm {
  bool description = false;            // RowDescription
  bool parameter_description = false;  // ParameterDescription

  bool covers(const AnswerForm& wanted) const {
    return (description || !wanted.description) && (parameter_description || !wanted.parameter_description);
  }
};

}  // namespace sportello::cache
