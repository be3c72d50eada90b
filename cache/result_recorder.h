// Watches what a server sends for one read, in any pieces, and gives a CachedResult at its end, or the reason
// why there is none. It holds no more than the limit: what is larger is refused as soon as a length word says
// so.
//
// It is fed what belongs to the request alone: answers to messages of ours (a settings difference, a Parse on
// the way) are the caller's to leave out, though a ParseComplete does no harm. Once it refused, it looks at
// nothing more.
//
// protocol-flow.html. One thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cache/cached_result.h"
#include "protocol/frame_decoder.h"

namespace sportello::cache {

// Why an answer is not kept.
enum class Refusal : uint8_t {
  None,
  Unfinished,      // no ReadyForQuery yet, or the link was lost
  Error,           // ErrorResponse
  Notice,          // NoticeResponse: each client is to see it
  SettingChanged,  // ParameterStatus
  TooLarge,        // beyond the limit
  Suspended,       // PortalSuspended: there are more rows
  Copy,            // COPY in any direction
  NotRows,         // CommandComplete of something else than SELECT, EmptyQueryResponse, NoData
  SeveralResults,  // more than one CommandComplete, or none
  InTransaction,   // ReadyForQuery is not 'I', nor 'T' where that is fit
  Malformed,       // not what the protocol allows
};
std::string_view to_string(Refusal refusal);

class ResultRecorder {
 public:
  // `result_formats`: of the Bind; none for Query.
  ResultRecorder(uint64_t limit_bytes, std::span<const int16_t> result_formats);
  // For another answer; its buffers, unless they have grown large, are used again.
  void begin(uint64_t limit_bytes, std::span<const int16_t> result_formats);

  // The read may stand in a transaction block: one that sees what is committed, and has only read (C10).
  void allow_block() { allows_block_ = true; }
  void feed(std::string_view bytes);
  // ReadyForQuery came, or it refused before.
  bool is_done() const { return ready_ || refusal_ != Refusal::None; }
  // None only if result() gives something.
  Refusal refusal() const { return is_done() ? refusal_ : Refusal::Unfinished; }
  // To be kept under `key`. nullptr: see refusal().
  CachedResultRef result(const KeyView& key = {}, const Filling& filling = {}) const;

 private:
  size_t feed_whole(std::string_view bytes);
  size_t feed_piece(std::string_view bytes);
  bool judge(const Frame& frame);
  void end_pieces();
  void end_message(char type, std::string_view message);
  void end_row_description();
  void end_command(std::string_view body);
  void end_answer(std::string_view body);
  void refuse(Refusal why);

  uint64_t limit_bytes_ = 0;
  std::vector<int16_t> result_formats_;
  std::string header_;    // of a message that is not whole yet; then, of small messages, the body too
  uint64_t missing_ = 0;  // of the message at hand
  char type_ = 0;         // 0: between messages
  size_t begun_at_ = 0;   // where the message at hand begins in what holds it
  std::string messages_;
  size_t description_bytes_ = 0;
  std::string parameters_;
  uint64_t rows_ = 0;
  int commands_ = 0;
  bool allows_block_ = false;
  bool ready_ = false;
  Refusal refusal_ = Refusal::None;
};

}  // namespace sportello::cache
