#include "tests/portal/load/portal_facts.h"

#include <cstdlib>

#include "protocol/sqlstate.h"
#include "tests/portal/load/pq_handles.h"

namespace sportello::portal {
namespace {

constexpr const char* kSizes =
    "SELECT (SELECT count(*) FROM notaries), (SELECT max(id) FROM clients), (SELECT max(id) FROM acts), "
    "(SELECT max(id) FROM reviews)";
constexpr const char* kCities =
    "SELECT city, avg(ST_X(coordinates::geometry)), avg(ST_Y(coordinates::geometry)) FROM notaries "
    "WHERE coordinates IS NOT NULL GROUP BY city ORDER BY city";

int64_t number_at(const PGresult* rows, int column) {
  return std::strtoll(PQgetvalue(rows, 0, column), nullptr, 10);
}

}  // namespace

Result<PortalFacts> read_portal_facts(PGconn* connection) {
  const PqResult sizes{PQexec(connection, kSizes)};
  const PqResult cities{PQexec(connection, kCities)};
  for (const auto* rows : {sizes.get(), cities.get()}) {
    if (PQresultStatus(rows) != PGRES_TUPLES_OK || PQntuples(rows) == 0 || PQgetisnull(rows, 0, 0) == 1) {
      return Error{sqlstate::kConnectionException,
                   "the portal's data cannot be read; load schema.sql and data.sql first",
                   PQresultErrorMessage(rows)};
    }
  }
  PortalFacts facts{number_at(sizes.get(), 0), number_at(sizes.get(), 1), number_at(sizes.get(), 2),
                    number_at(sizes.get(), 3)};
  for (int row = 0; row < PQntuples(cities.get()); ++row) {
    facts.cities.push_back({PQgetvalue(cities.get(), row, 0), std::atof(PQgetvalue(cities.get(), row, 1)),
                            std::atof(PQgetvalue(cities.get(), row, 2))});
  }
  return facts;
}

}  // namespace sportello::portal
