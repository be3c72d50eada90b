#include "tests/unit/proxy/support/model_server.h"

#include <algorithm>

#include "protocol/frame_decoder.h"
#include "protocol/frontend_messages.h"
#include "protocol/sqlstate.h"
#include "tests/unit/proxy/support/messages.h"

namespace sportello::proxy {
namespace {

std::string without_quotes(std::string_view quoted) {
  std::string out;
  for (const char c : quoted) {
    if (c != '"' && c != '\'') {
      out += c;
    }
  }
  return out;
}

std::string known_name(std::string_view written) {
  const std::string name = without_quotes(written);
  for (const char* known : {"TimeZone", "application_name", "app.tenant"}) {
    if (same_setting_name(known, name)) {
      return known;
    }
  }
  return name;
}

bool ends_transaction(const std::string& text) { return text == "COMMIT" || text == "ROLLBACK"; }

}  // namespace

ModelServer::ModelServer(Values login)
    : login_(std::move(login)), values_(login_), at_begin_(login_), reported_(login_) {}

void ModelServer::feed(std::string_view bytes, std::string& out) {
  pending_.append(bytes);
  WholeFrame frame;
  while (take_whole_frame(pending_, 1U << 20, frame) == FrameStatus::Header) {
    message(frame.type, frame.body, out);
    pending_.erase(0, frame.total_bytes);
  }
}

void ModelServer::message(char type, std::string_view body, std::string& out) {
  using namespace frontend;
  if (type == kSync) {
    skips_ = false;
    if (implicit_) {
      end_transaction(status_ == 'I');
    }
    ready(out);
    return;
  }
  if (skips_) {
    return;
  }
  if (type == kQuery) {
    statements_.erase("");
    portals_.erase("");
    const Failed failed = run(std::string(*decode_query(body)), "", out);
    if (failed) {
      fail(*failed, out);
    } else if (implicit_ && status_ == 'I') {
      end_transaction(true);
    }
    ready(out);
    return;
  }
  if (const Failed failed = extended(type, body, out)) {
    fail(*failed, out);
    skips_ = true;
  }
}

void ModelServer::fail(const Failure& failure, std::string& out) {
  out += server::error(failure.sqlstate, failure.message);
  if (status_ == 'T') {
    status_ = 'E';
  } else if (status_ == 'I') {
    end_transaction(false);
  }
}

void ModelServer::end_transaction(bool committed) {
  if (!committed) {
    values_ = at_begin_;
  }
  portals_.clear();
  status_ = 'I';
  implicit_ = false;
}

void ModelServer::report(std::string& out) {
  for (const char* name : {"TimeZone", "application_name"}) {
    if (reported_[name] != values_[name]) {
      out += server::parameter(name, values_[name]);
    }
  }
  reported_ = values_;
}

void ModelServer::ready(std::string& out) {
  report(out);
  out += server::ready(status_);
}

ModelServer::Failed ModelServer::check(const std::string& text) const {
  if (text.starts_with("SELEKT")) {
    return Failure{"42601", "syntax error"};
  }
  if (status_ == 'E' && !ends_transaction(text) && !text.empty()) {
    return Failure{"25P02", "current transaction is aborted"};
  }
  return std::nullopt;
}

ModelServer::Failed ModelServer::extended(char type, std::string_view body, std::string& out) {
  using namespace frontend;
  if (status_ == 'I' && !implicit_) {
    implicit_ = true;
    at_begin_ = values_;
  }
  const auto missing = [](std::string_view name) {
    return Failure{"26000", "prepared statement " + std::string(name) + " does not exist"};
  };
  switch (type) {
    case kParse: {
      const auto parse = decode_parse(body);
      const std::string name(parse->name);
      if (name.empty()) {
        statements_.erase(name);
      }
      if (Failed failed = check(std::string(parse->query))) {
        return failed;
      }
      if (!statements_.emplace(name, parse->query).second) {
        return Failure{"42P05", "prepared statement exists"};
      }
      out += server::parse_complete();
      return std::nullopt;
    }
    case kBind: {
      WireReader reader(body);
      const std::string portal(reader.cstring());
      const std::string_view name = reader.cstring();
      const auto found = statements_.find(std::string(name));
      if (found == statements_.end()) {
        return missing(name);
      }
      if (Failed failed = check(found->second)) {
        return failed;
      }
      reader.u16();
      std::string values;
      for (uint16_t count = reader.u16(); count > 0; count--) {
        values += reader.bytes(reader.u32());
      }
      portals_[portal] = {found->second, values};
      out += server::bind_complete();
      return std::nullopt;
    }
    case kDescribe: {
      const auto target = decode_target(body);
      if (target->kind == 'S') {
        if (!statements_.contains(std::string(target->name))) {
          return missing(target->name);
        }
        out += server::parameter_description();
      } else if (!portals_.contains(std::string(target->name))) {
        return Failure{"34000", "no portal"};
      }
      out += server::no_data();
      return std::nullopt;
    }
    case kExecute: {
      const auto execute = decode_execute(body);
      const auto found = portals_.find(std::string(execute->portal));
      if (found == portals_.end()) {
        return Failure{"34000", "no portal"};
      }
      const Portal portal = found->second;
      return run(portal.text, portal.values, out);
    }
    case kClose: {
      const auto target = decode_target(body);
      if (target->kind == 'S') {
        statements_.erase(std::string(target->name));
      } else {
        portals_.erase(std::string(target->name));
      }
      out += server::close_complete();
      return std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

// Several statements between semicolons are one implicit transaction.
ModelServer::Failed ModelServer::run(const std::string& text, const std::string& values, std::string& out) {
  if (status_ == 'I' && !implicit_) {
    implicit_ = true;
    at_begin_ = values_;
  }
  if (text.find(';') == std::string::npos) {
    return run_one(text, values, out);
  }
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(';', at), text.size());
    if (Failed failed = run_one(text.substr(at, end - at), values, out)) {
      return failed;
    }
    at = end + 1;
  }
  return std::nullopt;
}

ModelServer::Failed ModelServer::run_one(const std::string& text, const std::string& values,
                                         std::string& out) {
  if (Failed failed = check(text)) {
    return failed;
  }
  const auto first_space = text.find(' ');
  const std::string word = text.substr(0, first_space);
  const std::string rest = first_space == std::string::npos ? "" : text.substr(first_space + 1);
  if (word == "BEGIN") {
    if (status_ == 'I') {
      at_begin_ = values_;
      status_ = 'T';
      implicit_ = false;
    }
  } else if (ends_transaction(word)) {
    const bool committed = word == "COMMIT" && status_ != 'E';
    out += server::complete(committed ? "COMMIT" : "ROLLBACK");
    end_transaction(committed || (word == "ROLLBACK" && status_ == 'I'));
    return std::nullopt;
  } else if (word == "SET") {
    const size_t equals = rest.find(" = ");
    std::string value = rest.substr(equals + 3);
    values_[known_name(rest.substr(0, equals))] =
        without_quotes(value.starts_with("E'") ? value.substr(1) : value);
  } else if (text.starts_with("SELECT pg_catalog.set_config(E'")) {
    const size_t name_at = text.find('\'') + 1;
    const size_t name_end = text.find('\'', name_at);
    const size_t value_at = text.find('\'', name_end + 1) + 1;
    values_[known_name(text.substr(name_at, name_end - name_at))] =
        text.substr(value_at, text.find('\'', value_at) - value_at);
    out += server::row("set");
  } else if (word == "RESET") {
    if (rest == "ALL") {
      values_ = login_;
    } else {
      const std::string name = known_name(rest);
      const auto found = login_.find(name);
      values_[name] = found == login_.end() ? "" : found->second;
    }
  } else if (word == "DEALLOCATE") {
    if (rest == "ALL") {
      statements_.clear();
    } else if (statements_.erase(rest) == 0) {
      return Failure{"26000", "prepared statement does not exist"};
    }
  } else if (word == "DISCARD") {
    if (status_ != 'I') {
      return Failure{"25001", "DISCARD ALL cannot run inside a transaction block"};
    }
    statements_.clear();
    portals_.clear();
    values_ = login_;
    at_begin_ = login_;
  } else if (text == "SELECT 1/0") {
    return Failure{"22012", "division by zero"};
  } else if (text.empty()) {
    out += server::empty_query();
    return std::nullopt;
  } else {
    out += server::row(text + "|" + values + "|" + values_["TimeZone"] + "|" + values_["application_name"] +
                       "|" + values_["app.tenant"]);
  }
  out += server::complete(word == "DISCARD" || text == "DEALLOCATE ALL" ? text : word);
  return std::nullopt;
}

}  // namespace sportello::proxy
