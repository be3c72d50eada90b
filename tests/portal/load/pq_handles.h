// libpq's handles, closed by their owner's destructor.
#pragma once

#include <libpq-fe.h>

#include <memory>

namespace sportello::portal {

struct PqFree {
  void operator()(PGconn* connection) const { PQfinish(connection); }
  void operator()(PGresult* result) const { PQclear(result); }
};
using PqConnection = std::unique_ptr<PGconn, PqFree>;
using PqResult = std::unique_ptr<PGresult, PqFree>;

}  // namespace sportello::portal
