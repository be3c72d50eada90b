// The part of ClientSession that answers without any server: is the next thing the client wants one result
// that may be kept? And the messages around such a result, which are the session's own.
#include "proxy/session/cached_read.h"
#include "cache/cached_result.h"
#include "protocol/backend_messages.h"
#include "protocol/frontend_messages.h"
#include "proxy/session/client_session.h"

namespace sportello::proxy {

bool ClientSession::find_cached_read(std::string_view in, CachedRead& read) {
  read.answer_count = read.bytes = 0;
  read.facts.reset();
  read.statement.reset();
  read.parses = false;
  read.form = {};
  read.rows_shape = 0;
  Frame frame{};
  if (!(may_look_ahead() || rests_on_link()) || peek_frame(in, frame) != FrameStatus::Header ||
      frame.total_bytes() > in.size() || frame.total_bytes() > context_->inspect_max) {
    return false;
  }
  if (frame.type != frontend::kQuery) {
    return find_cached_batch(in, read);
  }
  const auto text = decode_query(in.substr(kFrameHeaderBytes, frame.body_bytes()));
  if (!text) {
    return false;
  }
  read.bytes = frame.total_bytes();
  read.text = *text;
  read.facts = facts_of(*text);
  read.bind.parameter_formats.clear();
  read.bind.parameters.clear();
  read.bind.result_formats.clear();
  read.form.description = true;
  return read.add(CachedRead::Answer::RowsWithDescription) && read.add(CachedRead::Answer::Ready);
}

bool ClientSession::find_cached_batch(std::string_view in, CachedRead& read) {
  using Answer = CachedRead::Answer;
  bool bound = false;
  bool executed = false;
  while (true) {
    Frame frame{};
    const std::string_view rest = in.substr(read.bytes);
    if (peek_frame(rest, frame) != FrameStatus::Header || frame.total_bytes() > rest.size() ||
        frame.total_bytes() > context_->inspect_max) {
      return false;
    }
    const std::string_view body = rest.substr(kFrameHeaderBytes, frame.body_bytes());
    read.bytes += frame.total_bytes();
    switch (frame.type) {
      case frontend::kParse:
        if (read.answer_count > 0 || !find_cached_parse(body, read)) {
          return false;
        }
        break;
      case frontend::kDescribe: {
        const auto target = decode_target(body);
        if (!target || executed || (target->kind == 'P') != bound) {
          return false;
        }
        if (bound ? !target->name.empty() : !is_cached_statement(target->name, read)) {
          return false;
        }
        read.form.description = true;
        read.form.parameter_description = read.form.parameter_description || !bound;
        if (!read.add(bound ? Answer::PortalDescription : Answer::StatementDescription)) {
          return false;
        }
        break;
      }
      case frontend::kBind:
        if (bound || !read.bind.decode(body) || !read.bind.portal.empty() ||
            !is_cached_statement(read.bind.statement, read) || !read.add(Answer::Bound)) {
          return false;
        }
        bound = true;
        break;
      case frontend::kExecute: {
        const auto execute = decode_execute(body);
        if (!execute || !bound || executed || !execute->portal.empty() || execute->max_rows != 0 ||
            !read.add(Answer::Rows)) {
          return false;
        }
        executed = true;
        break;
      }
      case frontend::kClose: {
        const auto target = decode_target(body);
        if (!target || !executed || target->kind != 'P' || !target->name.empty() ||
            !read.add(Answer::Closed)) {
          return false;
        }
        break;
      }
      case frontend::kSync:
        if (!read.form.description && read.statement != nullptr) {
          const StatementShape* told = told_shape(*read.statement);
          read.rows_shape = told == nullptr ? 0 : told->rows;
        }
        return executed && body.empty() && read.add(Answer::Ready);
      default:
        return false;
    }
  }
}

// Of a statement that the client may prepare: its name is free, and its text is one that is kept.
bool ClientSession::find_cached_parse(std::string_view body, CachedRead& read) {
  const auto parse = decode_parse(body);
  if (!parse || passes_name(parse->name) ||
      (!parse->name.empty() && statement_named(parse->name) != nullptr)) {
    return false;
  }
  uint32_t uses = 0;
  read.statement = statement_of(parse->query, parse->parameter_types, &uses);
  if (read.statement == nullptr) {
    return false;
  }
  read.facts = read.statement->facts;
  read.text = read.statement->text;
  read.parses = true;
  read.parsed_name = parse->name;
  return read.add(CachedRead::Answer::Parsed);
}

// Is `name` the statement of this batch, or, if it has none yet, one that the session has prepared?
bool ClientSession::is_cached_statement(std::string_view name, CachedRead& read) {
  if (read.parses) {
    return name == read.parsed_name;
  }
  if (passes_name(name)) {
    return false;
  }
  const StatementRef& known = statement_named(name);
  if (known == nullptr || known->opaque || (read.statement != nullptr && read.statement != known)) {
    return false;
  }
  read.statement = known;
  read.facts = known->facts;
  read.text = known->text;
  return true;
}

void ClientSession::answer_cached_read(const CachedRead& read, const cache::CachedResult& result,
                                       Outbox& to_client) {
  using Answer = CachedRead::Answer;
  std::string& out = to_client.own();
  for (size_t i = 0; i < read.answer_count; i++) {
    switch (read.answers[i]) {
      case Answer::Parsed:
        append_empty(out, backend::kParseComplete);
        break;
      case Answer::StatementDescription:
        out.append(result.parameter_description());
        result.append_statement_description(out);
        tell_shape(read.statement->id,
                   {.parameters = parameters_shape(result.parameter_description().substr(kFrameHeaderBytes)),
                    .rows = rows_shape(result.description().substr(kFrameHeaderBytes))});
        break;
      case Answer::Bound:
        append_empty(out, backend::kBindComplete);
        break;
      case Answer::PortalDescription:
        out.append(result.description());
        if (told_shape(*read.statement) == nullptr) {
          tell_shape(read.statement->id,
                     {.rows = rows_shape(result.description().substr(kFrameHeaderBytes))});
        }
        break;
      case Answer::Rows:
        out.append(result.rows_and_end());
        break;
      case Answer::RowsWithDescription:
        out.append(result.messages());
        break;
      case Answer::Closed:
        append_empty(out, backend::kCloseComplete);
        break;
      case Answer::Ready:
        append_ready_for_query(out, link_ != nullptr ? link_->status : status_after_read());
        break;
    }
  }
  if (read.is_query()) {
    if (names_) {
      names_->clear_unnamed();
    }
    return;
  }
  counts_.binds++;
  if (read.parses) {
    // Of this text, types and meaning there is a result, so a server has prepared it and others will.
    counts_.client_parses++;
    names().define(read.parsed_name, read.statement);
    names().acknowledge();
    if (read.parsed_name.empty()) {
      unnamed_is_shared_ = !passes_names_;
    }
  }
}

}  // namespace sportello::proxy
