#include "tests/portal/load/cache_figures.h"

#include <cstdlib>

#include "protocol/sqlstate.h"
#include "tests/portal/load/pq_handles.h"

namespace sportello::portal {

Result<CacheFigures> read_cache_figures(const std::string& console) {
  const PqConnection connection{PQconnectdb(console.c_str())};
  if (PQstatus(connection.get()) != CONNECTION_OK) {
    return Error{sqlstate::kSqlclientUnableToEstablishConnection, PQerrorMessage(connection.get())};
  }
  const PqResult rules{PQexec(connection.get(), "SHOW CACHE RULES")};
  if (PQresultStatus(rules.get()) != PGRES_TUPLES_OK) {
    return Error{sqlstate::kInternalError, PQresultErrorMessage(rules.get())};
  }
  CacheFigures figures;
  const auto number = [&](int row, const char* column) {
    return std::strtoull(PQgetvalue(rules.get(), row, PQfnumber(rules.get(), column)), nullptr, 10);
  };
  for (int row = 0; row < PQntuples(rules.get()); ++row) {
    const uint64_t joined = number(row, "joined");
    figures.hits += number(row, "hits") + joined;
    figures.misses += number(row, "misses") - joined;
  }
  return figures;
}

}  // namespace sportello::portal
