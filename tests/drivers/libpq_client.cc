// libpq as C programs use it: prepared statements, pipeline mode with and without errors, single-row mode,
// COPY, cancel, fifty connections on fifty threads. Each check that holds prints "ok NAME"; the first that
// does not ends the program. The place comes from the PG* variables; argument: the name of an empty table (id
// int primary key, note text).
#include <libpq-fe.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace {

constexpr int kClients = 50;

struct FinishConnection {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};
struct ClearResult {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Connection = std::unique_ptr<PGconn, FinishConnection>;
using Answer = std::unique_ptr<PGresult, ClearResult>;

void require(bool holds, const std::string& what) {
  if (!holds) throw std::runtime_error(what);
}

Connection connect() {
  Connection connection(PQconnectdb(""));
  require(PQstatus(connection.get()) == CONNECTION_OK, PQerrorMessage(connection.get()));
  return connection;
}

void require_status(const Answer& answer, ExecStatusType wanted) {
  const ExecStatusType seen = PQresultStatus(answer.get());
  require(seen == wanted, std::string("wanted ") + PQresStatus(wanted) + ", saw " + PQresStatus(seen) + ": " +
                              PQresultErrorMessage(answer.get()));
}

void require_sqlstate(const Answer& answer, std::string_view wanted) {
  const char* seen = PQresultErrorField(answer.get(), PG_DIAG_SQLSTATE);
  require(seen != nullptr && wanted == seen,
          "wanted " + std::string(wanted) + ", saw " + (seen == nullptr ? "no error" : seen));
}

std::string value(const Answer& answer) {
  require_status(answer, PGRES_TUPLES_OK);
  require(PQntuples(answer.get()) == 1, "one row");
  return PQgetvalue(answer.get(), 0, 0);
}

Answer execute(const Connection& connection, const std::string& text) {
  return Answer(PQexec(connection.get(), text.c_str()));
}

std::vector<const char*> pointers(const std::vector<std::string>& values) {
  std::vector<const char*> result;
  result.reserve(values.size());
  for (const std::string& each : values) result.push_back(each.c_str());
  return result;
}

Answer run_prepared(const Connection& connection, const char* name, const std::vector<std::string>& values) {
  return Answer(PQexecPrepared(connection.get(), name, static_cast<int>(values.size()),
                               pointers(values).data(), nullptr, nullptr, 0));
}

void send_prepared(const Connection& connection, const char* name, const std::vector<std::string>& values) {
  require(PQsendQueryPrepared(connection.get(), name, static_cast<int>(values.size()),
                              pointers(values).data(), nullptr, nullptr, 0) == 1,
          PQerrorMessage(connection.get()));
}

// In pipeline mode each request's results end with a null one; a sync point has none.
Answer next_answer(const Connection& connection) {
  Answer answer(PQgetResult(connection.get()));
  require(answer != nullptr, "an answer");
  if (PQresultStatus(answer.get()) != PGRES_PIPELINE_SYNC) {
    require(Answer(PQgetResult(connection.get())) == nullptr, "one answer a request");
  }
  return answer;
}

void prepared_statements(const std::string&) {
  std::vector<Connection> connections;
  for (int c = 0; c < 5; ++c) {
    connections.push_back(connect());
    const std::string text = "SELECT " + std::to_string(c) + " * 100 + $1::int";
    require_status(Answer(PQprepare(connections.back().get(), "same name", text.c_str(), 0, nullptr)),
                   PGRES_COMMAND_OK);
  }
  for (int step = 0; step < 20; ++step) {
    for (int c = 0; c < 5; ++c) {
      const Answer answer =
          run_prepared(connections[static_cast<size_t>(c)], "same name", {std::to_string(step)});
      require(value(answer) == std::to_string(c * 100 + step), "each connection has its own statement");
    }
  }
  const Answer described(PQdescribePrepared(connections[0].get(), "same name"));
  require_status(described, PGRES_COMMAND_OK);
  require(PQnparams(described.get()) == 1 && PQparamtype(described.get(), 0) == 23,
          "one parameter of type int4");
  require_sqlstate(run_prepared(connections[0], "unheard of", {}), "26000");
  require_sqlstate(Answer(PQprepare(connections[0].get(), "same name", "SELECT 1", 0, nullptr)), "42P05");
  require_status(execute(connections[0], "DEALLOCATE \"same name\""), PGRES_COMMAND_OK);
  require_sqlstate(run_prepared(connections[0], "same name", {"1"}), "26000");
  require(value(run_prepared(connections[1], "same name", {"1"})) == "101",
          "a DEALLOCATE is its connection's own");
}

void pipelines(const std::string& table) {
  const Connection connection = connect();
  require(PQenterPipelineMode(connection.get()) == 1, "pipeline mode");
  const std::string insert = "INSERT INTO " + table + " VALUES ($1, $2)";
  require(PQsendPrepare(connection.get(), "insert", insert.c_str(), 0, nullptr) == 1, "prepare is sent");
  for (int n = 0; n < 300; ++n) {
    send_prepared(connection, "insert", {std::to_string(n), "note"});
    if (n % 100 == 99) require(PQpipelineSync(connection.get()) == 1, "sync is sent");
  }
  require_status(next_answer(connection), PGRES_COMMAND_OK);
  for (int n = 0; n < 300; ++n) {
    require_status(next_answer(connection), PGRES_COMMAND_OK);
    if (n % 100 == 99) require_status(next_answer(connection), PGRES_PIPELINE_SYNC);
  }
  require(PQexitPipelineMode(connection.get()) == 1, "the pipeline is empty");
  require(value(execute(connection, "SELECT count(*) FROM " + table)) == "300", "all rows are there");
}

void pipeline_errors(const std::string& table) {
  const Connection connection = connect();
  const std::string insert = "INSERT INTO " + table + " VALUES ($1, $2)";
  require_status(Answer(PQprepare(connection.get(), "insert", insert.c_str(), 0, nullptr)), PGRES_COMMAND_OK);
  require(PQenterPipelineMode(connection.get()) == 1, "pipeline mode");
  send_prepared(connection, "insert", {"1000", "undone with its pipeline"});
  send_prepared(connection, "insert", {"not a number", ""});
  send_prepared(connection, "insert", {"1001", "skipped"});
  require(PQpipelineSync(connection.get()) == 1, "sync is sent");
  send_prepared(connection, "insert", {"1002", "kept"});
  require(PQpipelineSync(connection.get()) == 1, "sync is sent");
  require_status(next_answer(connection), PGRES_COMMAND_OK);
  require_sqlstate(next_answer(connection), "22P02");
  require_status(next_answer(connection), PGRES_PIPELINE_ABORTED);
  require_status(next_answer(connection), PGRES_PIPELINE_SYNC);
  require_status(next_answer(connection), PGRES_COMMAND_OK);
  require_status(next_answer(connection), PGRES_PIPELINE_SYNC);
  require(PQexitPipelineMode(connection.get()) == 1, "the pipeline is empty");
  require(value(execute(connection, "SELECT min(id) FROM " + table + " WHERE id >= 1000")) == "1002",
          "only the good pipeline counts");
  require_status(execute(connection, "DELETE FROM " + table), PGRES_COMMAND_OK);
}

void single_rows(const std::string&) {
  const Connection connection = connect();
  require(PQsendQuery(connection.get(), "SELECT n FROM generate_series(1, 5000) n") == 1, "query is sent");
  require(PQsetSingleRowMode(connection.get()) == 1, "single-row mode");
  int rows = 0;
  while (Answer answer{PQgetResult(connection.get())}) {
    if (PQresultStatus(answer.get()) == PGRES_SINGLE_TUPLE) ++rows;
  }
  require(rows == 5000, "every row comes");
}

void copy(const std::string& table) {
  const Connection connection = connect();
  std::string sent;
  for (int n = 0; n < 5000; ++n) sent += std::to_string(n) + "\tnote " + std::to_string(n) + "\n";
  require_status(execute(connection, "COPY " + table + " FROM STDIN"), PGRES_COPY_IN);
  require(PQputCopyData(connection.get(), sent.data(), static_cast<int>(sent.size())) == 1, "data is sent");
  require(PQputCopyEnd(connection.get(), nullptr) == 1, "the end is sent");
  require_status(Answer(PQgetResult(connection.get())), PGRES_COMMAND_OK);
  require(Answer(PQgetResult(connection.get())) == nullptr, "one answer");

  require_status(execute(connection, "COPY (SELECT * FROM " + table + " ORDER BY id) TO STDOUT"),
                 PGRES_COPY_OUT);
  std::string received;
  char* line = nullptr;
  for (int size; (size = PQgetCopyData(connection.get(), &line, 0)) > 0; PQfreemem(line)) {
    received.append(line, static_cast<size_t>(size));
  }
  require_status(Answer(PQgetResult(connection.get())), PGRES_COMMAND_OK);
  require(Answer(PQgetResult(connection.get())) == nullptr, "one answer");
  require(received == sent, "what went in comes out");

  require_status(execute(connection, "COPY " + table + " FROM STDIN"), PGRES_COPY_IN);
  require(PQputCopyEnd(connection.get(), "changed my mind") == 1, "CopyFail is sent");
  require_sqlstate(Answer(PQgetResult(connection.get())), "57014");
  require(Answer(PQgetResult(connection.get())) == nullptr, "one answer");
  require_status(execute(connection, "DELETE FROM " + table), PGRES_COMMAND_OK);
}

void cancel(const std::string&) {
  const Connection connection = connect();
  const Connection bystander = connect();
  require(PQsendQuery(connection.get(), "SELECT pg_sleep(38)") == 1, "query is sent");
  const std::string running =
      "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = 'SELECT pg_sleep(38)'";
  while (value(execute(bystander, running)) == "0") std::this_thread::yield();
  PGcancel* handle = PQgetCancel(connection.get());
  char error[256] = "";
  const bool sent = PQcancel(handle, error, sizeof error) == 1;
  PQfreeCancel(handle);
  require(sent, error);
  require_sqlstate(Answer(PQgetResult(connection.get())), "57014");
  require(Answer(PQgetResult(connection.get())) == nullptr, "one answer");
  require(value(execute(connection, "SELECT 1")) == "1", "the connection lives");
  require(value(execute(bystander, "SELECT 2")) == "2", "and so does another");
}

void one_client(const std::string& table, int number) {
  const Connection connection = connect();
  const std::string note = "client " + std::to_string(number);
  const std::string insert = "INSERT INTO " + table + " VALUES ($1, $2)";
  const std::string select = "SELECT note FROM " + table + " WHERE id = $1";
  require_status(Answer(PQprepare(connection.get(), "insert", insert.c_str(), 0, nullptr)), PGRES_COMMAND_OK);
  require_status(Answer(PQprepare(connection.get(), "select", select.c_str(), 0, nullptr)), PGRES_COMMAND_OK);
  for (int step = 0; step < 12; ++step) {
    const std::string key = std::to_string(number * 100 + step);
    require_status(execute(connection, "BEGIN"), PGRES_COMMAND_OK);
    require_status(run_prepared(connection, "insert", {key, note}), PGRES_COMMAND_OK);
    require(value(run_prepared(connection, "select", {key})) == note, "a client sees its own rows");
    require_status(execute(connection, step % 3 == 2 ? "ROLLBACK" : "COMMIT"), PGRES_COMMAND_OK);
  }
  require(value(execute(connection, "SELECT count(*) FROM " + table + " WHERE note = '" + note + "'")) == "8",
          "what was committed is there, the rest is not");
}

void clients(const std::string& table) {
  std::vector<std::exception_ptr> problems(kClients);
  std::vector<std::thread> threads;
  threads.reserve(kClients);
  for (int number = 0; number < kClients; ++number) {
    threads.emplace_back([&table, &problem = problems[static_cast<size_t>(number)], number] {
      try {
        one_client(table, number);
      } catch (...) {
        problem = std::current_exception();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& problem : problems) {
    if (problem) std::rethrow_exception(problem);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return EXIT_FAILURE;
  const std::pair<const char*, std::function<void(const std::string&)>> checks[] = {
      {"prepared", prepared_statements},
      {"pipelines", pipelines},
      {"pipeline errors", pipeline_errors},
      {"single rows", single_rows},
      {"copy", copy},
      {"cancel", cancel},
      {"clients", clients}};
  for (const auto& [name, check] : checks) {
    try {
      check(argv[1]);
    } catch (const std::exception& problem) {
      std::fprintf(stderr, "%s: %s\n", name, problem.what());
      return EXIT_FAILURE;
    }
    std::printf("ok %s\n", name);
    std::fflush(stdout);
  }
  return EXIT_SUCCESS;
}
