#include "proxy/pool/own_query.h"

#include "protocol/error_response.h"
#include "protocol/frame_decoder.h"
#include "protocol/frontend_messages.h"
#include "protocol/sqlstate.h"

namespace sportello::proxy {
namespace {

constexpr uint32_t kMaxAnswerBytes = 1U << 20;

}  // namespace

void OwnQuery::begin(LinkState& link, std::string_view sql, std::string& out) {
  error_.reset();
  link.unnamed_id = 0;
  append_query(out, sql);
}

OwnQuery::Step OwnQuery::on_server_bytes(LinkState& link, std::string_view in) {
  Step step;
  while (!step.done && !step.broken) {
    WholeFrame frame;
    const FrameStatus status = take_whole_frame(in.substr(step.taken), kMaxAnswerBytes, frame);
    if (status == FrameStatus::NeedMore) {
      break;
    }
    if (status == FrameStatus::Malformed) {
      step.broken = true;
      error_ = Error{sqlstate::kProtocolViolation, "the server sent a message with an invalid length"};
      break;
    }
    step.taken += frame.total_bytes;
    switch (frame.type) {
      case backend::kErrorResponse: {
        const ErrorFields fields = decode_error_fields(frame.body);
        if (!error_) {
          sqlstate_ = fields.sqlstate;
          error_ = Error{sqlstate_, std::string(fields.message), std::string(fields.detail),
                         std::string(fields.hint)};
        }
        step.broken = fields.is_fatal();
        break;
      }
      case backend::kParameterStatus: {
        const auto parameter = decode_parameter_status(frame.body);
        const auto tracked = parameter ? find_tracked(parameter->name) : std::nullopt;
        if (tracked) {
          link.settings = with_tracked(link.settings, *tracked, parameter->value);
        }
        break;
      }
      case backend::kReadyForQuery: {
        const auto ready = decode_ready_for_query(frame.body);
        step.done = ready.has_value();
        step.broken = !ready.has_value();
        link.status = ready.value_or(TransactionStatus::Idle);
        break;
      }
      case backend::kCopyInResponse:
      case backend::kCopyBothResponse:
        step.broken = true;
        error_ = Error{sqlstate::kProtocolViolation, "a query of the configuration must not be a COPY"};
        break;
      default:
        break;
    }
  }
  return step;
}

void note_reset_settings(LinkState& link) {
  if (!link.settings->startup.empty()) {
    SettingsValues values = *link.settings;
    values.startup.clear();
    link.settings = intern_settings(std::move(values));
  }
}

void note_reset(LinkState& link, std::string_view query) {
  const bool discards_all =
      same_setting_name(query, "DISCARD ALL") || same_setting_name(query, "DISCARD ALL;");
  if (discards_all) {
    link.statements.clear();
  } else {
    link.statements.make_uncertain();
  }
  link.unnamed_id = 0;
  link.tainted = false;
  note_reset_settings(link);
}

}  // namespace sportello::proxy
