// The part of ClientSession that lets a floor travel from service to service: SHOW sportello.floor tells up
// to which position the log must be seen by who is to see all that this session has written, and SET
// sportello.floor = '0/1234' asks for no less from now on. A setting of the session, not of its transaction:
// it only ever rises, a ROLLBACK does not take it back.
//
// Whatever can be is answered here. What only the server can say goes to it in other words: a position that
// is not known yet, what is wrong with a value. In the extended protocol always, so that Describe needs no
// words of ours.
#include <algorithm>

#include "protocol/error_response.h"
#include "protocol/frontend_messages.h"
#include "protocol/replication/lsn.h"
#include "proxy/session/client_session.h"

namespace sportello::proxy {
namespace {

constexpr std::string_view kFloor = "sportello.floor";
// Not before the session's newest write, which has been acknowledged.
constexpr std::string_view kAskPosition =
    "SELECT pg_catalog.pg_current_wal_insert_lsn()::pg_catalog.text AS \"sportello.floor\"";
// Answered as any SET, and leaves nothing.
constexpr std::string_view kSetNothing = "SET sportello.floor TO DEFAULT";

constexpr uint32_t kTextOid = 25;
constexpr uint32_t kMinusOne = 0xffffffff;
constexpr uint16_t kAnyLength = 0xffff;

bool is_floor_statement(const sql::StatementFacts& facts) {
  const bool is_setting = facts.kind == sql::StatementKind::Show || facts.kind == sql::StatementKind::Set;
  return is_setting && !facts.multi && facts.name == kFloor;
}

std::string quoted(std::string_view value) {
  std::string out = " E'";
  for (const char c : value) {
    out.append(c == '\'' || c == '\\' ? 2 : 1, c);
  }
  return out + "'";
}

void append_floor(std::string& out, const std::string& floor) {
  WireWriter row(out);
  row.begin(backend::kRowDescription).u16(1).cstring(kFloor);
  row.u32(0).u16(0).u32(kTextOid).u16(kAnyLength).u32(kMinusOne).u16(0).end();
  row.begin(backend::kDataRow).u16(1).u32(static_cast<uint32_t>(floor.size())).bytes(floor).end();
  append_command_complete(out, "SHOW");
}

}  // namespace

// False: a server has to answer.
bool ClientSession::answer_floor(const sql::StatementFacts& facts, Outbox& to_client) {
  if (!is_floor_statement(facts) || freshness_ == nullptr) {
    return false;
  }
  std::string& out = to_client.own();
  if (facts.kind == sql::StatementKind::Show) {
    const uint64_t last_write = freshness_->last_write();
    const std::optional<Lsn> floor = last_write == 0 ? Lsn() : scope_->board.position_of(last_write);
    if (!floor) {
      return false;
    }
    append_floor(out, to_string(*floor));
  } else {
    if (floor_stand_in(facts) != kSetNothing) {
      return false;
    }
    append_command_complete(out, "SET");
  }
  append_ready_for_query(out, status_without_link());
  return true;
}

// What the server is asked instead; empty: the statement is none of these. A floor is raised at once, even if
// the SET should fail for another reason: that makes readers wait, never see less.
std::string ClientSession::floor_stand_in(const sql::StatementFacts& facts) {
  if (!is_floor_statement(facts)) {
    return "";
  }
  if (facts.kind == sql::StatementKind::Show) {
    return std::string(kAskPosition);
  }
  if (facts.set_to_default) {
    return std::string(kSetNothing);
  }
  const std::optional<Lsn> floor = parse_lsn(facts.set_value);
  if (!floor) {
    return "SELECT pg_catalog.pg_lsn" + quoted(facts.set_value);
  }
  if (freshness_ != nullptr) {
    freshness_->must_see(scope_->board.sequence_at(*floor));
  }
  return std::string(kSetNothing);
}

void ClientSession::query_stand_in(const std::string& sql, Outbox& to_server) {
  OwedAnswer owed{.request = Request::Query, .then = note_effects(facts_of(sql))};
  begin_batch();
  link_->replay.drop();
  if (names_) {
    names_->clear_unnamed();
  }
  link_->unnamed_id = 0;
  owe(owed);
  append_query(to_server.own(), sql);
}

// False: there is no room for its text.
bool ClientSession::parse_stand_in(const ParseMessage& parse, const std::string& sql, Outbox& to_server) {
  uint32_t ignored = 0;
  const StatementRef stand_in = statement_of(sql, kNoParameterTypes, &ignored);
  if (stand_in == nullptr) {
    return false;
  }
  link_->replay.drop();
  names().define(parse.name, stand_in);
  if (!parse.name.empty()) {
    send_parse(stand_in, Delivery::Forward, 1, to_server);
    return true;
  }
  unnamed_is_shared_ = false;
  link_->unnamed_id = stand_in->id;
  link_->unnamed_batch = link_->statements.batch();
  owe({.request = Request::Parse, .name_changes = 1, .is_raw = true, .statement_id = stand_in->id});
  append_parse(to_server.own(), "", sql, kNoParameterTypes);
  return true;
}

}  // namespace sportello::proxy
