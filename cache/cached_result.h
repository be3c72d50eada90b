// The answer to one read, as the very messages that the server sent: RowDescription, DataRows,
// CommandComplete, in one piece; with the key that it is kept under and what it is valid for. Shared by
// threads as CachedResultRef; made by result_recorder.h. Immutable but for its place in the store, which
// ResultShard guards.
//
// What goes around it is the session's own: ParseComplete, BindComplete, ReadyForQuery.
//
//   Query                        description + rows_and_end
//   Parse Bind Execute           rows_and_end
//   Parse Bind Describe Execute  description + rows_and_end (of the portal)
//   Describe of the statement    parameter_description + append_statement_description()
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "cache/cache_key.h"
#include "cache/filling.h"
#include "cache/session_floor.h"

namespace sportello::cache {

class CachedResult;
using CachedResultRef = std::shared_ptr<const CachedResult>;

class CachedResult {
  class Token {  // only make() has one, which gives the memory behind the object
    friend class CachedResult;
    Token() = default;
  };

 public:
  // The messages in their order: a RowDescription of `description_bytes` (zero: none was sent), DataRows,
  // CommandComplete.
  struct Answer {
    std::string_view messages;
    size_t description_bytes = 0;
    std::string_view parameter_description;  // the whole message; empty: none was sent
    uint64_t rows = 0;
  };
  // One allocation with all that is given. Throws std::bad_alloc.
  static CachedResultRef make(const Answer& answer, const KeyView& key = {}, Filling filling = {});
  CachedResult(Token token, const Answer& answer, const KeyView& key, Filling filling);
  CachedResult(const CachedResult&) = delete;
  CachedResult& operator=(const CachedResult&) = delete;

  std::string_view description() const { return messages().substr(0, description_bytes_); }
  std::string_view rows_and_end() const { return messages().substr(description_bytes_); }
  // All of the above, as Query wants it.
  std::string_view messages() const { return bytes().substr(key_bytes_ + parameter_bytes_); }
  // The ParameterDescription message; empty: none was sent.
  std::string_view parameter_description() const { return bytes().substr(key_bytes_, parameter_bytes_); }
  // The RowDescription that Describe of a statement gives, where formats are not known yet and so zero.
  void append_statement_description(std::string& out) const;

  AnswerForm form() const { return {description_bytes_ != 0, parameter_bytes_ != 0}; }
  uint64_t rows() const { return rows_; }
  KeyView key() const { return {bytes().substr(0, key_bytes_), hash_}; }
  const Filling& filling() const { return filling_; }
  // All that it makes the process hold, its place in a table apart.
  size_t memory_bytes() const;

 private:
  friend class ResultShard;

  // Where a shard has it. What is moved about when results come and go lies together.
  struct Place {
    const CachedResult* newer = nullptr;
    const CachedResult* older = nullptr;
    CachedResultRef kept;                 // the shard's own: the result itself, while it is there
    std::atomic<bool> is_visited{false};  // found since the hand came by
  };

  // Key, parameter_description(), messages(): they lie right behind it, in the same allocation.
  std::string_view bytes() const { return {reinterpret_cast<const char*>(this + 1), bytes_}; }

  const uint64_t hash_;
  mutable Place place_;
  const size_t bytes_;
  const Filling filling_;
  const uint32_t key_bytes_;
  const uint32_t parameter_bytes_;
  const uint32_t description_bytes_;
  const uint64_t rows_;
};

}  // namespace sportello::cache
