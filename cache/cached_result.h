// The answer to one read, as the very messages that the server sent: RowDescription, DataRows,
// CommandComplete, in one piece. Immutable, shared by threads as CachedResultRef; made by result_recorder.h.
//
// What goes around it is the session's own: ParseComplete, BindComplete, ReadyForQuery.
//
//   Query                        description + rows_and_end
//   Parse Bind Execute           rows_and_end
//   Parse Bind Describe Execute  description + rows_and_end (of the portal)
//   Describe of the statement    parameter_description + append_statement_description()
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "cache/session_floor.h"

namespace sportello::cache {

class CachedResult;
using CachedResultRef = std::shared_ptr<const CachedResult>;

class CachedResult {
 public:
  // `messages`: a RowDescription of `description_bytes` (zero: none was sent), DataRows, CommandComplete.
  static CachedResultRef make(std::string_view messages, size_t description_bytes,
                              std::string_view parameter_description, uint64_t rows);
  CachedResult(const CachedResult&) = delete;
  CachedResult& operator=(const CachedResult&) = delete;

  std::string_view description() const { return messages().substr(0, description_bytes_); }
  std::string_view rows_and_end() const { return messages().substr(description_bytes_); }
  // All of the above, as Query wants it.
  std::string_view messages() const { return bytes().substr(parameter_bytes_); }
  // The ParameterDescription message; empty: none was sent.
  std::string_view parameter_description() const { return bytes().substr(0, parameter_bytes_); }
  // The RowDescription that Describe of a statement gives, where formats are not known yet and so zero.
  void append_statement_description(std::string& out) const;

  AnswerForm form() const { return {description_bytes_ != 0, parameter_bytes_ != 0}; }
  uint64_t rows() const { return rows_; }
  // All that it takes, on the heap, itself included.
  size_t memory_bytes() const;

 private:
  CachedResult() = default;
  // parameter_description(), then messages(): they lie right behind it, in the same allocation.
  std::string_view bytes() const { return {reinterpret_cast<const char*>(this + 1), size_}; }

  size_t size_ = 0;
  size_t parameter_bytes_ = 0;
  size_t description_bytes_ = 0;
  uint64_t rows_ = 0;
};

}  // namespace sportello::cache
