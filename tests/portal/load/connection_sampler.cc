#include "tests/portal/load/connection_sampler.h"

#include <algorithm>
#include <cstdlib>

#include "protocol/sqlstate.h"

namespace sportello::portal {
namespace {

constexpr auto kPeriod = std::chrono::milliseconds{200};
constexpr const char* kCount =
    "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";

int number_from(PGconn* connection, const char* query) {
  const PqResult result{PQexec(connection, query)};
  return PQntuples(result.get()) == 1 ? std::atoi(PQgetvalue(result.get(), 0, 0)) : 0;
}

}  // namespace

Result<std::unique_ptr<ConnectionSampler>> ConnectionSampler::start(const std::string& conninfo) {
  PqConnection connection{PQconnectdb(conninfo.c_str())};
  if (PQstatus(connection.get()) != CONNECTION_OK) {
    return Error{sqlstate::kSqlclientUnableToEstablishConnection, PQerrorMessage(connection.get())};
  }
  const int limit = number_from(connection.get(), "SHOW max_connections");
  return std::unique_ptr<ConnectionSampler>(new ConnectionSampler(std::move(connection), limit));
}

ConnectionSampler::ConnectionSampler(PqConnection connection, int limit)
    : connection_(std::move(connection)), limit_(limit), thread_([this](const std::stop_token& stop) {
        while (!stop.stop_requested()) {
          sample();
          std::this_thread::sleep_for(kPeriod);
        }
      }) {}

void ConnectionSampler::sample() { most_ = std::max(most_.load(), number_from(connection_.get(), kCount)); }

}  // namespace sportello::portal
