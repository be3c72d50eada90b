#include "cache/result_recorder.h"

#include <algorithm>
#include <charconv>

#include "cache/row_description.h"
#include "protocol/backend_messages.h"
#include "protocol/frame_decoder.h"

namespace sportello::cache {
namespace {

// What is not kept is small, or is refused by its type.
constexpr uint32_t kMaxSmallLength = 64 * 1024;
constexpr size_t kMaxKeptBytes = 64 * 1024;  // a larger buffer is given back after use

bool is_kept(char type) {
  return type == backend::kRowDescription || type == backend::kDataRow || type == backend::kCommandComplete;
}

// "SELECT 5"; false: another command.
bool rows_of_select(std::string_view tag, uint64_t& rows) {
  constexpr std::string_view kSelect = "SELECT ";
  if (!tag.starts_with(kSelect)) return false;
  tag.remove_prefix(kSelect.size());
  const auto [end, problem] = std::from_chars(tag.data(), tag.data() + tag.size(), rows);
  return problem == std::errc() && end == tag.data() + tag.size();
}

// Types that say by themselves that nothing can be kept; None: not one of them.
Refusal refusal_of(char type) {
  switch (type) {
    case backend::kErrorResponse:
      return Refusal::Error;
    case backend::kNoticeResponse:
      return Refusal::Notice;
    case backend::kParameterStatus:
      return Refusal::SettingChanged;
    case backend::kPortalSuspended:
      return Refusal::Suspended;
    case backend::kCopyInResponse:
    case backend::kCopyOutResponse:
    case backend::kCopyBothResponse:
    case backend::kCopyData:
    case backend::kCopyDone:
      return Refusal::Copy;
    case backend::kEmptyQueryResponse:
    case backend::kNoData:
      return Refusal::NotRows;
    case backend::kParseComplete:
    case backend::kBindComplete:
    case backend::kCloseComplete:
    case backend::kParameterDescription:
    case backend::kRowDescription:
    case backend::kDataRow:
    case backend::kCommandComplete:
    case backend::kNotificationResponse:
    case backend::kReadyForQuery:
      return Refusal::None;
    default:
      return Refusal::Malformed;
  }
}

}  // namespace

std::string_view to_string(Refusal refusal) {
  switch (refusal) {
    case Refusal::None:
      return "kept";
    case Refusal::Unfinished:
      return "the answer did not end";
    case Refusal::Error:
      return "the answer was an error";
    case Refusal::Notice:
      return "a notice came with the answer";
    case Refusal::SettingChanged:
      return "a setting changed with the answer";
    case Refusal::TooLarge:
      return "the result is larger than max_result_size";
    case Refusal::Suspended:
      return "only a part of the rows was fetched";
    case Refusal::Copy:
      return "the answer was a COPY";
    case Refusal::NotRows:
      return "the answer was not that of a SELECT";
    case Refusal::SeveralResults:
      return "the answer was not exactly one result";
    case Refusal::InTransaction:
      return "the answer was given within a transaction";
    case Refusal::Malformed:
      return "the answer was not understood";
  }
  return "";
}

ResultRecorder::ResultRecorder(uint64_t limit_bytes, std::span<const int16_t> result_formats) {
  begin(limit_bytes, result_formats);
}

void ResultRecorder::begin(uint64_t limit_bytes, std::span<const int16_t> result_formats) {
  limit_bytes_ = limit_bytes;
  result_formats_.assign(result_formats.begin(), result_formats.end());
  if (messages_.capacity() > kMaxKeptBytes) std::string().swap(messages_);
  messages_.clear();
  header_.clear();
  parameters_.clear();
  missing_ = begun_at_ = description_bytes_ = rows_ = 0;
  type_ = 0;
  commands_ = 0;
  allows_block_ = ready_ = false;
  refusal_ = Refusal::None;
}

void ResultRecorder::feed(std::string_view bytes) {
  // Most answers come in one piece.
  if (messages_.empty()) messages_.reserve(std::min<uint64_t>(bytes.size(), limit_bytes_));
  while (!bytes.empty() && !is_done()) {
    size_t taken = type_ == 0 && header_.empty() ? feed_whole(bytes) : 0;
    if (taken == 0) taken = feed_piece(bytes);
    bytes.remove_prefix(taken);
  }
}

// The messages that are there as a whole: how many bytes they are.
size_t ResultRecorder::feed_whole(std::string_view bytes) {
  size_t taken = 0;
  size_t run = 0;  // what is kept lies side by side, mostly: from here to `taken` it is still to be copied
  Frame frame{};
  while (!is_done() && peek_frame(bytes.substr(taken), frame) == FrameStatus::Header &&
         frame.total_bytes() <= bytes.size() - taken) {
    const std::string_view message = bytes.substr(taken, frame.total_bytes());
    taken += message.size();
    if (!is_kept(frame.type)) {
      messages_.append(bytes.substr(run, taken - message.size() - run));
      if (judge(frame)) end_message(frame.type, message);
      run = taken;
    } else if (messages_.size() + (taken - run) > limit_bytes_) {
      refuse(Refusal::TooLarge);
    } else if (frame.type == backend::kRowDescription) {
      begun_at_ = messages_.size() + (taken - message.size() - run);
      messages_.append(bytes.substr(run, taken - run));
      end_message(frame.type, {});
      run = taken;
    } else {
      end_message(frame.type, message);
    }
  }
  if (refusal_ == Refusal::None) messages_.append(bytes.substr(run, taken - run));
  return taken;
}

// What there is of a message whose rest is still to come, or that has begun before.
size_t ResultRecorder::feed_piece(std::string_view bytes) {
  if (type_ == 0) {
    const size_t n = std::min(bytes.size(), kFrameHeaderBytes - header_.size());
    header_.append(bytes.substr(0, n));
    if (header_.size() < kFrameHeaderBytes) return n;
    Frame frame{};
    if (peek_frame(header_, frame) != FrameStatus::Header) {
      refuse(Refusal::Malformed);
      return n;
    }
    if (!judge(frame)) return n;
    type_ = frame.type;
    missing_ = frame.body_bytes();
    if (is_kept(type_)) {
      begun_at_ = messages_.size();
      messages_.append(header_);
      header_.clear();
    }
    if (missing_ == 0) end_pieces();
    return n;
  }
  const auto n = static_cast<size_t>(std::min<uint64_t>(bytes.size(), missing_));
  (is_kept(type_) ? messages_ : header_).append(bytes.substr(0, n));
  missing_ -= n;
  if (missing_ == 0) end_pieces();
  return n;
}

void ResultRecorder::end_pieces() {
  end_message(type_, is_kept(type_) ? std::string_view(messages_).substr(begun_at_) : header_);
  header_.clear();
  type_ = 0;
}

// Whether it may go on with a message that begins so.
bool ResultRecorder::judge(const Frame& frame) {
  if (const Refusal why = refusal_of(frame.type); why != Refusal::None) {
    refuse(why);
    return false;
  }
  if (is_kept(frame.type) ? messages_.size() + frame.total_bytes() > limit_bytes_
                          : frame.length > kMaxSmallLength) {
    refuse(Refusal::TooLarge);
    return false;
  }
  return true;
}

// Of a RowDescription nothing is given: it lies where it is kept.
void ResultRecorder::end_message(char type, std::string_view message) {
  switch (type) {
    case backend::kRowDescription:
      return end_row_description();
    case backend::kDataRow:
      ++rows_;
      if (commands_ != 0) refuse(Refusal::SeveralResults);
      return;
    case backend::kCommandComplete:
      return end_command(message.substr(kFrameHeaderBytes));
    case backend::kParameterDescription:
      parameters_ = message;
      return;
    case backend::kReadyForQuery:
      return end_answer(message.substr(kFrameHeaderBytes));
    default:
      return;
  }
}

// Describe of the statement and of the portal may both have been asked for; the formats of the two differ, so
// what is kept is always written as the portal's.
void ResultRecorder::end_row_description() {
  if (rows_ != 0 || commands_ != 0) return refuse(Refusal::SeveralResults);
  const std::span<char> message = std::span(messages_).subspan(begun_at_);
  if (!set_formats(message, result_formats_)) return refuse(Refusal::Malformed);
  if (begun_at_ != 0) messages_.erase(0, begun_at_);
  description_bytes_ = messages_.size();
}

void ResultRecorder::end_command(std::string_view body) {
  const auto tag = decode_command_complete(body);
  uint64_t told = 0;
  if (!tag) return refuse(Refusal::Malformed);
  if (!rows_of_select(*tag, told)) return refuse(Refusal::NotRows);
  if (++commands_ > 1) return refuse(Refusal::SeveralResults);
  if (told != rows_) return refuse(Refusal::Malformed);
}

void ResultRecorder::end_answer(std::string_view body) {
  const auto status = decode_ready_for_query(body);
  if (!status) return refuse(Refusal::Malformed);
  const bool in_block = *status == TransactionStatus::InBlock && allows_block_;
  if (*status != TransactionStatus::Idle && !in_block) return refuse(Refusal::InTransaction);
  if (commands_ != 1) return refuse(Refusal::SeveralResults);
  ready_ = true;
}

void ResultRecorder::refuse(Refusal why) {
  refusal_ = why;
  std::string().swap(messages_);
  std::string().swap(header_);
  std::string().swap(parameters_);
}

CachedResultRef ResultRecorder::result(const KeyView& key, const Filling& filling) const {
  if (refusal() != Refusal::None) return nullptr;
  return CachedResult::make({messages_, description_bytes_, parameters_, rows_}, key, filling);
}

}  // namespace sportello::cache
