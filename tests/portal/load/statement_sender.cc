#include "tests/portal/load/statement_sender.h"

#include <algorithm>
#include <charconv>

#include "protocol/invariant.h"

namespace sportello::portal {
namespace {

void append_literal(std::string& out, const Value& value) {
  if (value.is_number) {
    out += value.text;
    return;
  }
  out += '\'';
  for (const char c : value.text) {
    if (c == '\'') out += '\'';
    out += c;
  }
  out += '\'';
}

StatementSender::Sent statement_if(int accepted) {
  return accepted == 1 ? StatementSender::Sent::Statement : StatementSender::Sent::Nothing;
}

}  // namespace

std::string with_literals(std::string_view text, const std::vector<Value>& values) {
  std::string out;
  out.reserve(text.size() + 64);
  while (!text.empty()) {
    const auto dollar = std::min(text.find('$'), text.size());
    out += text.substr(0, dollar);
    text.remove_prefix(dollar);
    if (text.empty()) break;
    size_t number = 0;
    const auto read = std::from_chars(text.data() + 1, text.data() + text.size(), number);
    invariant(number >= 1 && number <= values.size(), "request files name each of their parameters");
    append_literal(out, values[number - 1]);
    text.remove_prefix(static_cast<size_t>(read.ptr - text.data()));
  }
  return out;
}

StatementSender::Sent StatementSender::send(PGconn* connection, const std::string& name,
                                            const std::string& text, const std::vector<Value>& values) {
  if (values.empty()) return statement_if(PQsendQuery(connection, text.c_str()));
  if (protocol_ == Protocol::Simple) {
    return statement_if(PQsendQuery(connection, with_literals(text, values).c_str()));
  }
  const int count = static_cast<int>(values.size());
  if (protocol_ == Protocol::Prepared && prepared_.insert(name).second) {
    return PQsendPrepare(connection, name.c_str(), text.c_str(), count, nullptr) == 1 ? Sent::Preparation
                                                                                      : Sent::Nothing;
  }
  std::vector<const char*> texts;
  for (const auto& value : values) texts.push_back(value.text.c_str());
  if (protocol_ == Protocol::Prepared) {
    return statement_if(
        PQsendQueryPrepared(connection, name.c_str(), count, texts.data(), nullptr, nullptr, 0));
  }
  return statement_if(
      PQsendQueryParams(connection, text.c_str(), count, nullptr, texts.data(), nullptr, nullptr, 0));
}

}  // namespace sportello::portal
