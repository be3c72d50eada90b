// One request on its way: which statement comes next, with which values. No I/O: the client sends what next()
// gives and hands back the answers.
//
//   next() ─▶ send ─▶ answered(rows) ─▶ next() ─▶ … ─▶ nothing: the request is done
#pragma once

#include <libpq-fe.h>

#include <cstddef>
#include <vector>

#include "tests/portal/load/parameter_source.h"
#include "tests/portal/load/pq_handles.h"
#include "tests/portal/load/request_file.h"

namespace sportello::portal {

class RequestRun {
 public:
  // Both outlive the run.
  RequestRun(const Request& request, ParameterSource& source) : request_(&request), source_(&source) {
    source.begin_request();
  }

  // The statement to send now; null: all have been answered.
  const Statement* next();
  // Its place in the request, for names.
  size_t position() const { return position_; }
  std::vector<Value> values();

  // The answer to what next() gave; null rows count as none.
  void answered(PqResult rows);

 private:
  bool left_out() const;
  bool has_more_rows() const { return row_ < PQntuples(rows_.get()); }
  Value value_of(std::string_view parameter) const;
  void step_within_rows();

  const Request* request_;
  ParameterSource* source_;
  size_t position_ = 0;
  PqResult rows_;  // of the last statement that was not run for each row
  int row_ = 0;    // the row that statements are run for
};

}  // namespace sportello::portal
