#include "tests/unit/proxy/support/wire_trace.h"

#include "protocol/backend_messages.h"
#include "protocol/error_response.h"
#include "protocol/frame_decoder.h"
#include "protocol/frontend_messages.h"
#include "proxy/session/statement.h"

namespace sportello::proxy {
namespace {

constexpr size_t kShownBytes = 100;

std::string shown(std::string_view text) {
  return text.size() <= kShownBytes
             ? std::string(text)
             : std::string(text.substr(0, 20)) + "...(" + std::to_string(text.size()) + ")";
}

std::string quoted(std::string_view text) { return "'" + shown(text) + "'"; }

std::string values(WireReader& reader) {
  std::string out = "(";
  const uint16_t count = reader.u16();
  for (uint16_t i = 0; i < count && reader.ok(); i++) {
    const uint32_t size = reader.u32();
    out += i == 0 ? "" : ", ";
    out += size == 0xffffffff ? "NULL" : shown(reader.bytes(size));
  }
  return out + ")";
}

template <typename Line>
Trace trace(std::string_view bytes, Line line) {
  Trace lines;
  while (!bytes.empty()) {
    Frame frame{};
    const FrameStatus status = peek_frame(bytes, frame);
    if (status != FrameStatus::Header) {
      lines.push_back(status == FrameStatus::NeedMore ? "... part of a header" : "... malformed");
      return lines;
    }
    const std::string_view front = bytes.substr(0, frame.total_bytes());
    lines.push_back(line(frame.type, front.substr(kFrameHeaderBytes)));
    if (front.size() < frame.total_bytes()) {
      lines.back() =
          std::string(1, frame.type) + " ... " + std::to_string(frame.total_bytes() - front.size()) + " more";
    }
    bytes.remove_prefix(front.size());
  }
  return lines;
}

}  // namespace

Trace WireTracer::frontend(std::string_view bytes) {
  return trace(bytes, [&](char type, std::string_view body) { return frontend_line(type, body); });
}

Trace WireTracer::backend(std::string_view bytes) {
  return trace(bytes, [&](char type, std::string_view body) { return backend_line(type, body); });
}

std::string WireTracer::name(std::string_view name) {
  const std::string_view prefix = kServerStatementPrefix;
  if (!name.starts_with(prefix) || name == "sportello_nothing") {
    return name.empty() ? "''" : std::string(name);
  }
  const auto [found, added] = numbered_.try_emplace(std::string(name));
  if (added) {
    found->second = std::string(prefix) + std::to_string(numbered_.size());
  }
  return found->second;
}

std::string WireTracer::frontend_line(char type, std::string_view body) {
  using namespace sportello::frontend;
  WireReader reader(body);
  const auto target = [&](std::string_view word) {
    const char kind = static_cast<char>(reader.u8());
    return std::string(word) + " " + kind + " " + name(reader.cstring());
  };
  switch (type) {
    case kQuery:
      return "Query " + quoted(reader.cstring());
    case kParse: {
      const std::string called = name(reader.cstring());
      return "Parse " + called + " " + quoted(reader.cstring());
    }
    case kBind: {
      const std::string portal = name(reader.cstring());
      std::string line = "Bind " + portal + " " + name(reader.cstring());
      const uint16_t formats = reader.u16();
      reader.bytes(formats * 2UL);
      const std::string list = values(reader);
      return list == "()" ? line : line + " " + list;
    }
    case kDescribe:
      return target("Describe");
    case kClose:
      return target("Close");
    case kExecute: {
      const std::string portal = name(reader.cstring());
      const uint32_t rows = reader.u32();
      return "Execute " + portal + (rows == 0 ? "" : " " + std::to_string(rows));
    }
    case kSync:
      return "Sync";
    case kFlush:
      return "Flush";
    case kCopyData:
      return "CopyData " + quoted(body);
    case kCopyDone:
      return "CopyDone";
    case kCopyFail:
      return "CopyFail " + quoted(reader.cstring());
    case kFunctionCall:
      return "FunctionCall " + std::to_string(reader.u32());
    case kTerminate:
      return "Terminate";
    default:
      return std::string("unknown message ") + type;
  }
}

std::string WireTracer::backend_line(char type, std::string_view body) {
  using namespace sportello::backend;
  WireReader reader(body);
  switch (type) {
    case kParseComplete:
      return "ParseComplete";
    case kBindComplete:
      return "BindComplete";
    case kCloseComplete:
      return "CloseComplete";
    case kCommandComplete:
      return "CommandComplete " + quoted(reader.cstring());
    case kDataRow:
      return "DataRow " + values(reader);
    case kRowDescription:
      return "RowDescription";
    case kParameterDescription:
      return "ParameterDescription";
    case kNoData:
      return "NoData";
    case kPortalSuspended:
      return "PortalSuspended";
    case kEmptyQueryResponse:
      return "EmptyQueryResponse";
    case kReadyForQuery:
      return "ReadyForQuery " + std::string(body);
    case kParameterStatus: {
      const std::string called(reader.cstring());
      return "ParameterStatus " + called + " " + quoted(reader.cstring());
    }
    case kErrorResponse: {
      const ErrorFields fields = decode_error_fields(body);
      return std::string(fields.severity) + " " + std::string(fields.sqlstate) + " " + quoted(fields.message);
    }
    case kNoticeResponse:
      return "Notice " + quoted(decode_error_fields(body).message);
    case kNotificationResponse: {
      reader.u32();
      const std::string channel(reader.cstring());
      return "Notification " + channel + " " + quoted(reader.cstring());
    }
    case kCopyInResponse:
      return "CopyInResponse";
    case kCopyOutResponse:
      return "CopyOutResponse";
    case kCopyData:
      return "CopyData " + quoted(body);
    case kCopyDone:
      return "CopyDone";
    case kFunctionCallResponse:
      return "FunctionCallResponse";
    default:
      return std::string("unknown message ") + type;
  }
}

}  // namespace sportello::proxy
