// The part of ClientSession that looks ahead: is the next thing the client wants one whole batch that only
// reads? Then a replica may answer it, if it has come far enough; nothing is changed by looking. And the way
// back: a replica's answer that is not good, unseen by the client, is asked of the primary.
#include <algorithm>

#include "protocol/frontend_messages.h"
#include "proxy/session/client_session.h"

namespace sportello::proxy {
namespace {

// What rewriting names and preparing on the way may add to a batch, which has to fit into a Replay.
constexpr size_t kRewriting = 1UL << 10;
constexpr size_t kMostBytes = Replay::kMaxBytes - kRewriting;
constexpr size_t kMostParses = 8;

// Messages in front of an answer's first row are waited for up to this length.
constexpr uint32_t kMostHeldError = 64U << 10;

// What a server gathers before it sends anything (PQ_SEND_BUFFER_SIZE): an answer that is no longer comes
// with its end, so that nobody gets it later for our waiting for that.
constexpr size_t kServerBuffer = 8192;

// By a timeout or its own client, not by the server's replay.
bool was_asked_for(const ErrorFields& fields) {
  return fields.sqlstate == sqlstate::kQueryCanceled &&
         fields.message.find("conflict with recovery") == std::string_view::npos;
}

LoneRead not_lone(RouteReason reason) { return {.bytes = 0, .reason = reason}; }

}  // namespace

// One statement of the batch: what keeps it from a replica; what it reads is added to `read`.
RouteReason ClientSession::read_route(const sql::FactsPtr& facts, LoneRead& read) {
  if (has_deferred_block() && is_asked_of_replicas(*facts)) {
    return RouteReason::Replica;
  }
  const RouteReason by_text = text_route(*facts);
  if (by_text != RouteReason::Replica) {
    return by_text;
  }
  if (freshness_->names().is_refused(facts->fingerprint)) {
    return RouteReason::ShapeRefused;
  }
  const Meaning* meaning = freshness_->meaning_of(facts, *settings_);
  if (meaning == nullptr) {
    return RouteReason::NamesUnknown;
  }
  if (meaning->route == RouteReason::Replica && has_deferred_block() && meaning->facts.hangs_on_transaction) {
    return RouteReason::NotALoneRead;
  }
  if (meaning->route == RouteReason::Replica) {
    reading_.insert(reading_.end(), meaning->reads.begin(), meaning->reads.end());
    const bool is_same = read.statements == 0 || read.fingerprint == facts->fingerprint;
    read.fingerprint = is_same ? facts->fingerprint : 0;
    read.statements++;
  }
  return meaning->route;
}

LoneRead ClientSession::lone_read(std::string_view in) {
  reading_.clear();
  Frame frame{};
  if (!may_look_ahead() || freshness_ == nullptr || (has_deferred_block() && !block_->reads_alone) ||
      peek_frame(in, frame) != FrameStatus::Header || frame.total_bytes() > in.size()) {
    return not_lone(RouteReason::NotALoneRead);
  }
  if (frame.total_bytes() > std::min(kMostBytes, context_->inspect_max)) {
    return not_lone(RouteReason::NotALoneRead);
  }
  if (frame.type != frontend::kQuery) {
    return lone_batch(in);
  }
  const auto text = decode_query(in.substr(kFrameHeaderBytes, frame.body_bytes()));
  if (!text) {
    return not_lone(RouteReason::NotALoneRead);
  }
  LoneRead read{.bytes = frame.total_bytes()};
  read.reason = read_route(facts_of(*text), read);
  return read;
}

LoneRead ClientSession::lone_batch(std::string_view in) {
  struct Parsed {
    std::string_view name;
    sql::FactsPtr facts;
  };
  std::array<Parsed, kMostParses> parsed;
  size_t parses = 0;
  bool bound = false;
  bool leaves_portal = false;  // its rows may be asked for behind the Sync, if that ends no transaction
  LoneRead read;
  Frame frame{};
  while (read.bytes <= kMostBytes) {
    const std::string_view rest = in.substr(read.bytes);
    if (peek_frame(rest, frame) != FrameStatus::Header || frame.total_bytes() > rest.size() ||
        frame.total_bytes() > context_->inspect_max) {
      break;
    }
    const std::string_view body = rest.substr(kFrameHeaderBytes, frame.body_bytes());
    read.bytes += frame.total_bytes();
    switch (frame.type) {
      case frontend::kParse: {
        const auto parse = decode_parse(body);
        const bool taken = parse && !parse->name.empty() && names_ && names_->find(parse->name);
        if (!parse || taken || passes_name(parse->name) || parses == kMostParses) {
          return not_lone(RouteReason::NotALoneRead);
        }
        parsed[parses++] = {parse->name, facts_of(parse->query)};
        if (const RouteReason reason = text_route(*parsed[parses - 1].facts);
            reason != RouteReason::Replica) {
          return not_lone(reason);
        }
        break;
      }
      case frontend::kBind: {
        const auto prefix = decode_bind_prefix(body);
        if (!prefix || passes_name(prefix->statement)) {
          return not_lone(RouteReason::NotALoneRead);
        }
        sql::FactsPtr facts;
        for (size_t i = 0; i < parses; i++) {
          facts = parsed[i].name == prefix->statement ? parsed[i].facts : facts;
        }
        if (facts == nullptr) {
          const StatementRef known = names_ ? names_->find(prefix->statement) : nullptr;
          if (known == nullptr || known->opaque) {
            return not_lone(RouteReason::NotALoneRead);
          }
          facts = known->facts;
        }
        if (const RouteReason reason = read_route(facts, read); reason != RouteReason::Replica) {
          return not_lone(reason);
        }
        if (has_deferred_block() && !prefix->portal.empty()) {
          return not_lone(RouteReason::NotALoneRead);
        }
        bound = leaves_portal = true;
        break;
      }
      case frontend::kDescribe:
        break;
      case frontend::kExecute: {
        const auto execute = decode_execute(body);
        leaves_portal = !execute || execute->max_rows != 0;
        break;
      }
      case frontend::kClose:
        // Names that change within the batch are not worth following.
        if (!body.starts_with('P')) {
          return not_lone(RouteReason::NotALoneRead);
        }
        break;
      case frontend::kSync:
        read.reason = bound && !(leaves_portal && has_deferred_block()) ? RouteReason::Replica
                                                                        : RouteReason::NotALoneRead;
        return read;
      default:
        return not_lone(RouteReason::NotALoneRead);
    }
  }
  return not_lone(RouteReason::NotALoneRead);
}

// Nothing of the answer is with the client yet, and another server may be asked instead.
bool ClientSession::may_run_elsewhere() const {
  const Replay& replay = link_->replay;
  return replay.usable && (for_lone_read_ || (replay.complete && replay.only_reads &&
                                              link_->status == TransactionStatus::Idle));
}

bool ClientSession::flee() { return for_lone_read_ && keep_answer(); }

bool ClientSession::keep_answer() {
  Replay& replay = link_->replay;
  if (!replay.usable || !replay.complete || link_->status != TransactionStatus::Idle ||
      replay.runs >= Replay::kMostRuns) {
    return false;
  }
  // All that is still to come is ours; it will be asked for again, with what hangs on it.
  for (size_t i = 0; i < link_->owed.size();) {
    OwedAnswer& owed = link_->owed[i];
    if (owed.delivery == Delivery::Invent) {
      link_->owed.erase(i);
      continue;
    }
    owed.delivery = Delivery::Swallow;
    owed.then = {};
    owed.name_changes = 0;
    i++;
  }
  replay.fleeing = true;
  return true;
}

// "terminating connection due to …", or because another process has crashed.
void ClientSession::note_leaving(const ErrorFields& fields) {
  link_->replay.server_leaves = link_->replay.server_leaves || fields.sqlstate == sqlstate::kAdminShutdown ||
                                fields.sqlstate == sqlstate::kCrashShutdown;
}

// What is said in front of a lone read's first row waits for that, and all of a small answer for its end, so
// that a lost link, a server that goes down, or an error of a replica finds nothing of the answer with the
// client. False: `in` holds no more than that.
bool ClientSession::foresee(std::string_view in) {
  const bool is_small = in.size() <= kServerBuffer;
  size_t ours = 0;  // answers to settings of ours, up to their ReadyForQuery
  while (ours < link_->owed.size() && link_->owed[ours].request == Request::Query &&
         link_->owed[ours].delivery == Delivery::Swallow) {
    ours++;
  }
  if (link_->replay.fleeing || asks_shape_) {
    return true;
  }
  Frame frame{};
  FrameStatus status = FrameStatus::NeedMore;
  while ((status = peek_frame(in, frame)) == FrameStatus::Header) {
    const bool is_whole = frame.total_bytes() <= in.size();
    switch (frame.type) {
      case backend::kErrorResponse:
        if (ours == 0 && is_whole) {
          const std::string_view body = in.substr(kFrameHeaderBytes, frame.body_bytes());
          const bool readable = !body.empty() && body.back() == '\0';
          const ErrorFields fields = readable ? decode_error_fields(body) : ErrorFields();
          note_leaving(fields);
          if (readable && (for_lone_read_ ? !was_asked_for(fields) : fields.is_fatal())) {
            keep_answer();
          }
        }
        return is_whole || frame.length > kMostHeldError;
      case backend::kReadyForQuery:
        if (ours == 0) {
          return true;
        }
        ours--;
        break;
      case backend::kParseComplete:
      case backend::kBindComplete:
      case backend::kCloseComplete:
      case backend::kRowDescription:
      case backend::kNoData:
      case backend::kParameterDescription:
        break;
      case backend::kParameterStatus:
        if (is_whole && !decode_parameter_status(in.substr(kFrameHeaderBytes, frame.body_bytes()))) {
          return true;
        }
        break;
      case backend::kNoticeResponse:
        if (const std::string_view body = in.substr(kFrameHeaderBytes);
            is_whole && in[frame.total_bytes() - 1] == '\0') {
          note_leaving(decode_error_fields(body.substr(0, frame.body_bytes())));
        }
        break;
      case backend::kCommandComplete:
        if (is_whole && in[frame.total_bytes() - 1] != '\0') {
          return true;
        }
        [[fallthrough]];
      case backend::kDataRow:
        if (ours == 0 && !is_small) {
          return true;
        }
        break;
      default:
        if (ours == 0) {
          return true;
        }
        break;
    }
    if (!is_whole) {
      return frame.length > kMostHeldError;
    }
    in.remove_prefix(frame.total_bytes());
  }
  return status == FrameStatus::Malformed;
}

// Whatever a replica says against a read, the primary is to say: it may lack a function, have a conflict with
// its replay, be read-only, or go down. But not what its own client or a timeout has asked for.
bool ClientSession::flee_error(const ErrorFields& fields) {
  if (!link_->replay.fleeing && (was_asked_for(fields) || !flee())) {
    return false;
  }
  if (fields.sqlstate == sqlstate::kReadOnlySqlTransaction) {
    fled_read_only_ = true;
  }
  if (link_->owed.front().request != Request::Query) {
    link_->statements.make_uncertain();
    link_->unnamed_id = 0;
    while (link_->owed.front().request != Request::Sync) {
      link_->owed.pop_front();
    }
  }
  return true;
}

}  // namespace sportello::proxy
