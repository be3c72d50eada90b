#include "cache/cached_result.h"

#include <algorithm>
#include <utility>

#include "cache/heap_bytes.h"
#include "cache/result_memory.h"
#include "cache/row_description.h"
#include "protocol/invariant.h"

namespace sportello::cache {
namespace {

// Gives `extra` bytes more, behind the one object that is asked for.
template <typename T>
class RoomBehind {
 public:
  using value_type = T;

  explicit RoomBehind(size_t extra) : extra_(extra) {}
  template <typename Other>
  explicit RoomBehind(const RoomBehind<Other>& other) : extra_(other.extra()) {}

  T* allocate(size_t n) { return static_cast<T*>(allocate_result(n * sizeof(T) + extra_)); }
  void deallocate(T* memory, size_t n) noexcept { free_result(memory, n * sizeof(T) + extra_); }
  size_t extra() const { return extra_; }

 private:
  size_t extra_;
};

size_t bytes_behind(const CachedResult::Answer& answer, const KeyView& key) {
  return key.bytes.size() + answer.parameter_description.size() + answer.messages.size();
}

// No message is longer than its length word can say.
uint32_t small(size_t bytes) { return static_cast<uint32_t>(bytes); }

}  // namespace

CachedResult::CachedResult(Token /*token*/, const Answer& answer, const KeyView& key, Filling filling)
    : hash_(key.hash),
      bytes_(bytes_behind(answer, key)),
      filling_(std::move(filling)),
      key_bytes_(small(key.bytes.size())),
      parameter_bytes_(small(answer.parameter_description.size())),
      description_bytes_(small(answer.description_bytes)),
      rows_(answer.rows) {
  char* at = reinterpret_cast<char*>(this + 1);
  for (const std::string_view part : {key.bytes, answer.parameter_description, answer.messages}) {
    at = std::copy(part.begin(), part.end(), at);
  }
}

CachedResultRef CachedResult::make(const Answer& answer, const KeyView& key, Filling filling) {
  invariant(answer.description_bytes <= answer.messages.size(), "the description is part of the messages");
  const RoomBehind<CachedResult> room(bytes_behind(answer, key));
  return std::allocate_shared<CachedResult>(room, Token(), answer, key, std::move(filling));
}

void CachedResult::append_statement_description(std::string& out) const {
  const size_t at = out.size();
  out.append(description());
  const bool is_good = set_formats(std::span(out).subspan(at), {});
  invariant(is_good, "a description that is kept was understood when it came");
}

size_t CachedResult::memory_bytes() const {
  constexpr size_t kControlBlock = 24;  // its counts, and how much room there is
  return heap_bytes(kControlBlock + sizeof(CachedResult) + bytes_) + filling_.snapshot.heap_bytes();
}

}  // namespace sportello::cache
