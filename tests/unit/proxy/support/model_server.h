// A PostgreSQL small enough to trust: it understands our messages, keeps prepared statements, portals,
// settings and the transaction's status as the manual says, and answers every SELECT with one row that shows
// what it ran with:
//
//    text | parameters | TimeZone | application_name | app.tenant
//
// It knows BEGIN, COMMIT, ROLLBACK, SET and RESET of the three settings, DEALLOCATE, DISCARD ALL; "SELECT
// 1/0" fails. The same class serves as the server at the end of a link and, fed with a client's own bytes, as
// the answer to what a server of that client's own would have said.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/session/session_settings.h"

namespace sportello::proxy {

class ModelServer {
 public:
  using Values = std::map<std::string, std::string>;  // TimeZone, application_name, app.tenant

  explicit ModelServer(Values login);

  // Takes bytes in any cuts and appends what it answers.
  void feed(std::string_view bytes, std::string& out);

  bool is_idle() const { return status_ == 'I' && pending_.empty() && !skips_; }
  const Values& settings() const { return values_; }

 private:
  struct Failure {
    std::string sqlstate;
    std::string message;
  };
  struct Portal {
    std::string text;
    std::string values;
  };
  using Failed = std::optional<Failure>;

  void message(char type, std::string_view body, std::string& out);
  Failed extended(char type, std::string_view body, std::string& out);
  Failed check(const std::string& text) const;
  Failed run(const std::string& text, const std::string& values, std::string& out);
  Failed run_one(const std::string& text, const std::string& values, std::string& out);
  void report(std::string& out);
  void fail(const Failure& failure, std::string& out);
  void end_transaction(bool committed);
  void ready(std::string& out);

  const Values login_;
  Values values_;
  Values at_begin_;  // what a rollback goes back to
  Values reported_;
  std::map<std::string, std::string> statements_;
  std::map<std::string, Portal> portals_;
  char status_ = 'I';
  bool skips_ = false;
  bool implicit_ = false;  // an implicit transaction is open
  std::string pending_;
};

}  // namespace sportello::proxy
