#include "cache/cached_result.h"

#include <array>

#include "cache/heap_bytes.h"
#include "cache/row_description.h"
#include "protocol/invariant.h"

namespace sportello::cache {

CachedResult::CachedResult(std::string_view messages, size_t description_bytes,
                           std::string_view parameter_description, uint64_t rows)
    : parameter_bytes_(parameter_description.size()), description_bytes_(description_bytes), rows_(rows) {
  invariant(description_bytes <= messages.size(), "the description is part of the messages");
  bytes_.reserve(parameter_description.size() + messages.size());
  bytes_.append(parameter_description).append(messages);
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
  const size_t text = bytes_.capacity() <= kInPlace ? 0 : heap_bytes(bytes_.capacity() + 1);
  return heap_bytes(sizeof(CachedResult) + kControlBlock) + text;
}

}  // namespace sportello::cache
