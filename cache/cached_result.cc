#include "cache/cached_result.h"

#include <array>

#include "cache/heap_bytes.h"
#include "cache/row_description.h"
#include "protocol/invariant.h"

namespace sportello::cache {

CachedResult::CachedResult(std::string_view messages, size_t description_bytes,
                           std::string_view parameter_description, uint64_t rows)
    : messages_(messages),
      description_bytes_(description_bytes),
      parameter_description_(parameter_description),
      rows_(rows) {
  invariant(description_bytes <= messages.size(), "the description is part of the messages");
}

void CachedResult::append_statement_description(std::string& out) const {
  const size_t at = out.size();
  out.append(description());
  const bool is_good = set_formats(std::string_view(out).substr(at), {}, out.data() + at);
  invariant(is_good, "a description that is kept was understood when it came");
}

size_t CachedResult::memory_bytes() const {
  constexpr size_t kControlBlock = 16;
  constexpr size_t kInPlace = 15;  // a short std::string is not on the heap
  const auto text = [](const std::string& s) {
    return s.capacity() <= kInPlace ? 0 : heap_bytes(s.capacity() + 1);
  };
  return heap_bytes(sizeof(CachedResult) + kControlBlock) + text(messages_) + text(parameter_description_);
}

}  // namespace sportello::cache
