#include "proxy/net/pq_connection.h"

#include <libpq-fe.h>

#include <algorithm>

#include "protocol/invariant.h"
#include "protocol/sqlstate.h"

namespace sportello::proxy {
namespace {

// First version that knows the keyword require_auth.
constexpr int kRequireAuthVersion = 160'000;

std::string keyword(const PqConnection::Keywords& keywords, std::string_view name) {
  for (const auto& [key, value] : keywords) {
    if (key == name) {
      return value;
    }
  }
  return "";
}

std::string field(const PGresult* result, int code) {
  const char* text = PQresultErrorField(result, code);
  return text != nullptr ? text : "";
}

// libpq takes pointers.
std::vector<const char*> pointers(const std::vector<std::string>& texts) {
  std::vector<const char*> list;
  for (const std::string& text : texts) {
    list.push_back(text.c_str());
  }
  return list;
}

}  // namespace

PqConnection::PqConnection(EventLoop& loop) : loop_(&loop) {}

PqConnection::~PqConnection() { close(); }

void PqConnection::close() {
  lookup_ = {};
  deadline_.reset();
  poll_.reset();  // before its descriptor is closed
  PQfinish(std::exchange(conn_, nullptr));
  rows_ = {};
  error_.reset();
  connected_ = nullptr;
  answered_ = nullptr;
  streamed_ = nullptr;
  lost_ = nullptr;
  state_ = State::Closed;
}

// ---- connecting ----

void PqConnection::connect(Keywords keywords, std::chrono::milliseconds deadline, Connected done) {
  invariant(state_ == State::Closed, "a connection is opened when it is closed");
  keywords_ = std::move(keywords);
  connected_ = std::move(done);
  server_sqlstate_.clear();
  lacked_password_ = false;
  state_ = State::Resolving;
  start_deadline(deadline);
  const std::string host = keyword(keywords_, "host");
  if (host.empty() || host.starts_with('/') || host.starts_with('@') || is_numeric_address(host) ||
      !keyword(keywords_, "hostaddr").empty()) {
    begin_connect();
  } else {
    resolve(host);
  }
}

void PqConnection::resolve(const std::string& host) {
  lookup_ =
      NameResolver::system().resolve(*loop_, host, [this](const NameAnswer& answer) { resolved(answer); });
}

void PqConnection::resolved(const NameAnswer& answer) {
  const std::string host = keyword(keywords_, "host");
  const AddressList& addresses = answer.addresses;
  if (addresses.empty()) {
    fail("could not resolve host \"" + host + "\": " + answer.why);
    return;
  }
  // libpq tries them in turn; it wants one host for each, which is the name in the certificate, too.
  std::string hosts;
  std::string list;
  for (const std::string& address : addresses) {
    hosts += (hosts.empty() ? "" : ",") + host;
    list += (list.empty() ? "" : ",") + address;
  }
  std::find_if(keywords_.begin(), keywords_.end(), [](const auto& entry) {
    return entry.first == "host";
  })->second = hosts;
  keywords_.emplace_back("hostaddr", list);
  begin_connect();
}

void PqConnection::begin_connect() {
  state_ = State::Connecting;
  if (PQlibVersion() < kRequireAuthVersion) {
    std::erase_if(keywords_, [](const auto& entry) { return entry.first == "require_auth"; });
  }
  std::vector<const char*> names;
  std::vector<const char*> values;
  for (const auto& [name, value] : keywords_) {
    names.push_back(name.c_str());
    values.push_back(value.c_str());
  }
  names.push_back(nullptr);
  values.push_back(nullptr);
  // expand_dbname = 0: a database's name that looks like a conninfo string is a name.
  conn_ = PQconnectStartParams(names.data(), values.data(), 0);
  keywords_.clear();  // there is a password among them
  if (conn_ == nullptr || PQstatus(conn_) == CONNECTION_BAD) {
    fail(message());
    return;
  }
  PQsetNoticeProcessor(
      conn_, [](void*, const char*) {}, nullptr);
  watch(UV_WRITABLE);
}

void PqConnection::poll_connect() {
  // libpq may close its socket and open the next one, perhaps of the same number: not while it is polled.
  poll_.reset();
  switch (PQconnectPoll(conn_)) {
    case PGRES_POLLING_READING:
      watch(UV_READABLE);
      return;
    case PGRES_POLLING_WRITING:
      watch(UV_WRITABLE);
      return;
    case PGRES_POLLING_OK:
      break;
    default:
      lacked_password_ = PQconnectionNeedsPassword(conn_) != 0;
      fail(message());
      return;
  }
  PQsetnonblocking(conn_, 1);
  deadline_.reset();
  state_ = State::Idle;
  watch(UV_READABLE);
  if (state_ == State::Idle) {
    std::exchange(connected_, nullptr)({});
  }
}

// ---- querying ----

void PqConnection::query(const PqQuery& query, std::chrono::milliseconds deadline, Answered done) {
  invariant(state_ == State::Idle, "one query at a time");
  state_ = State::Busy;
  answered_ = std::move(done);
  most_rows_ = query.most_rows;
  server_sqlstate_.clear();
  start_deadline(deadline);
  const auto values = pointers(query.parameters);
  // Row by row, so that a server cannot make us hold more than we asked for.
  const int sent = query.simple ? PQsendQuery(conn_, query.sql.c_str())
                                : PQsendQueryParams(conn_, query.sql.c_str(), static_cast<int>(values.size()),
                                                    nullptr, values.data(), nullptr, nullptr, 0);
  if (sent == 0 || PQsetSingleRowMode(conn_) == 0) {
    fail(message());
    return;
  }
  watch(UV_READABLE | UV_WRITABLE);
}

void PqConnection::poll_query() {
  if (PQconsumeInput(conn_) == 0) {
    fail(message());
    return;
  }
  const int unsent = PQflush(conn_);
  if (unsent < 0) {
    fail(message());
    return;
  }
  while (PQisBusy(conn_) == 0) {
    PGresult* result = PQgetResult(conn_);
    if (result == nullptr) {
      if (PQstatus(conn_) == CONNECTION_BAD) {
        fail(error_ ? error_->message : message());
        return;
      }
      deadline_.reset();
      watch(UV_READABLE);
      if (state_ != State::Busy) {
        return;
      }
      state_ = State::Idle;
      if (error_) {
        answer(*std::exchange(error_, std::nullopt));
      } else {
        answer(std::exchange(rows_, {}));
      }
      return;
    }
    const bool goes_on = take_result(result);
    PQclear(result);
    if (!goes_on) {
      return;
    }
  }
  watch(unsent > 0 ? UV_READABLE | UV_WRITABLE : UV_READABLE);
}

bool PqConnection::take_result(pg_result* result) {
  switch (PQresultStatus(result)) {
    case PGRES_SINGLE_TUPLE:
    case PGRES_TUPLES_OK:
      break;
    case PGRES_COMMAND_OK:
    case PGRES_EMPTY_QUERY:
      return true;
    case PGRES_FATAL_ERROR:
      server_sqlstate_ = field(result, PG_DIAG_SQLSTATE);
      error_ = Error{sqlstate::kConnectionException, field(result, PG_DIAG_MESSAGE_PRIMARY)};
      if (error_->message.empty()) {
        error_->message = message();
      }
      return true;
    default:
      fail("the server answered in a way that a query has no use for");  // COPY
      return false;
  }
  const int columns = PQnfields(result);
  if (rows_.columns.empty()) {
    for (int column = 0; column < columns; ++column) {
      rows_.columns.emplace_back(PQfname(result, column));
    }
  }
  for (int row = 0; row < PQntuples(result); ++row) {
    if (rows_.rows.size() >= most_rows_) {
      fail("the answer has more rows than the " + std::to_string(most_rows_) + " expected at most");
      return false;
    }
    PqRow& values = rows_.rows.emplace_back();
    for (int column = 0; column < columns; ++column) {
      if (PQgetisnull(result, row, column) != 0) {
        values.emplace_back();
      } else {
        values.emplace_back(std::in_place, PQgetvalue(result, row, column),
                            static_cast<size_t>(PQgetlength(result, row, column)));
      }
    }
  }
  return true;
}

// What comes unasked: a notice, or the end.
void PqConnection::poll_idle() {
  if (PQconsumeInput(conn_) == 0) {
    close();
    return;
  }
  PQisBusy(conn_);  // parses
  while (PGnotify* notification = PQnotifies(conn_)) {
    PQfreemem(notification);
  }
  if (PQstatus(conn_) == CONNECTION_BAD) {
    close();
  }
}

// ---- streaming ----

void PqConnection::stream(const std::string& command, std::chrono::milliseconds deadline, Streamed each,
                          Lost lost) {
  invariant(state_ == State::Idle, "a stream begins between queries");
  state_ = State::Streaming;
  stream_began_ = false;
  streamed_ = std::move(each);
  lost_ = std::move(lost);
  start_deadline(deadline);
  if (PQsendQuery(conn_, command.c_str()) == 0) {
    end_stream(message());
    return;
  }
  watch(UV_READABLE | UV_WRITABLE);
}

bool PqConnection::send(std::string_view payload) {
  invariant(state_ == State::Streaming, "it streams");
  if (!stream_began_) {
    return true;
  }
  if (PQputCopyData(conn_, payload.data(), static_cast<int>(payload.size())) != 1) {
    return false;  // the socket tells it, too
  }
  const int unsent = PQflush(conn_);
  if (unsent > 0) {
    watch(UV_READABLE | UV_WRITABLE);
  }
  return unsent >= 0;
}

void PqConnection::poll_stream() {
  if (PQconsumeInput(conn_) == 0) {
    end_stream(message());
    return;
  }
  std::string why;
  if (!take_stream(why)) {
    end_stream(why);
    return;
  }
  const int unsent = PQflush(conn_);
  if (unsent < 0) {
    end_stream(message());
    return;
  }
  watch(unsent > 0 ? UV_READABLE | UV_WRITABLE : UV_READABLE);
}

// All that has come. False: it is over.
bool PqConnection::take_stream(std::string& why) {
  if (!stream_began_) {
    if (PQisBusy(conn_) != 0) {
      return true;
    }
    PGresult* result = PQgetResult(conn_);
    stream_began_ = PQresultStatus(result) == PGRES_COPY_BOTH;
    why = result != nullptr ? field(result, PG_DIAG_MESSAGE_PRIMARY) : message();
    PQclear(result);
    if (!stream_began_) {
      why = why.empty() ? "the server does not stream" : why;
      return false;
    }
    deadline_.reset();
  }
  char* bytes = nullptr;
  int size = 0;
  while ((size = PQgetCopyData(conn_, &bytes, 1)) > 0) {
    const Result<void> taken = streamed_(std::string_view(bytes, static_cast<size_t>(size)));
    PQfreemem(bytes);
    if (!taken.ok()) {
      why = taken.error().message;
      return false;
    }
  }
  if (size == 0) {
    return true;
  }
  PGresult* result = PQgetResult(conn_);
  why = result != nullptr ? field(result, PG_DIAG_MESSAGE_PRIMARY) : "";
  PQclear(result);
  if (why.empty()) {
    why = message();
  }
  if (why.empty()) {
    why = "the server ended the stream";
  }
  return false;
}

void PqConnection::end_stream(const std::string& why) {
  const Lost lost = std::move(lost_);
  close();
  if (lost) {
    lost(why);
  }
}

// ---- the loop ----

void PqConnection::watch(int events) {
  if (!poll_) {
    auto handle = std::make_unique<uv_poll_t>();
    if (uv_poll_init(loop_->uv(), handle.get(), PQsocket(conn_)) != 0) {
      fail("the socket of libpq cannot be watched");
      return;
    }
    handle->data = this;
    poll_ = UvHandle<uv_poll_t>(std::move(handle));
  }
  const int status = uv_poll_start(poll_.get(), events, [](uv_poll_t* handle, int, int) {
    if (handle->data != nullptr) {
      static_cast<PqConnection*>(handle->data)->on_event();
    }
  });
  if (status != 0) {
    fail("the socket of libpq cannot be watched");
  }
}

// Whatever poll() found, libpq asks the socket itself.
void PqConnection::on_event() {
  switch (state_) {
    case State::Connecting:
      poll_connect();
      return;
    case State::Busy:
      poll_query();
      return;
    case State::Idle:
      poll_idle();
      return;
    case State::Streaming:
      poll_stream();
      return;
    case State::Closed:
    case State::Resolving:
      break;
  }
  invariant(false, "a socket is watched when there is one");
}

void PqConnection::start_deadline(std::chrono::milliseconds deadline) {
  auto timer = std::make_unique<uv_timer_t>();
  invariant(uv_timer_init(loop_->uv(), timer.get()) == 0, "a timer always initialises");
  timer->data = this;
  // The loop's clock may stand since before a long callback.
  uv_update_time(loop_->uv());
  uv_timer_start(
      timer.get(),
      [](uv_timer_t* handle) {
        if (handle->data != nullptr) {
          static_cast<PqConnection*>(handle->data)->on_deadline();
        }
      },
      static_cast<uint64_t>(std::max<int64_t>(deadline.count(), 0)), 0);
  deadline_ = UvHandle<uv_timer_t>(std::move(timer));
}

void PqConnection::on_deadline() {
  if (state_ == State::Streaming) {
    end_stream("the server did not begin to stream in time");
    return;
  }
  fail(state_ == State::Busy        ? "the server did not answer in time"
       : state_ == State::Resolving ? "the name of the host could not be resolved in time"
                                    : "the server could not be reached in time");
}

// libpq's texts have several lines, and end with one.
std::string PqConnection::message() const {
  std::string text = conn_ != nullptr ? PQerrorMessage(conn_) : "out of memory";
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) {
    text.pop_back();
  }
  return text;
}

void PqConnection::fail(std::string why) {
  if (state_ == State::Streaming) {
    end_stream(why);
    return;
  }
  Connected connected = std::move(connected_);
  Answered answered = std::move(answered_);
  close();
  Error error{sqlstate::kSqlclientUnableToEstablishConnection, std::move(why)};
  if (connected) {
    connected(std::move(error));
  } else if (answered) {
    error.sqlstate = sqlstate::kConnectionFailure;
    answered(std::move(error));
  }
}

void PqConnection::answer(Result<PqRows> result) { std::exchange(answered_, nullptr)(std::move(result)); }

}  // namespace sportello::proxy
