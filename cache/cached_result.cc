#include "cache/cached_result.h"

#include <algorithm>
#include <cstddef>
#include <new>
#include <type_traits>

#include "cache/heap_bytes.h"
#include "cache/row_description.h"
#include "protocol/invariant.h"

namespace sportello::cache {

CachedResultRef CachedResult::make(std::string_view messages, size_t description_bytes,
                                   std::string_view parameter_description, uint64_t rows) {
  static_assert(std::is_trivially_destructible_v<CachedResult>, "nobody calls its destructor");
  static_assert(alignof(CachedResult) <= alignof(std::max_align_t));
  invariant(description_bytes <= messages.size(), "the description is part of the messages");
  const size_t size = parameter_description.size() + messages.size();
  const auto block = std::make_shared_for_overwrite<std::byte[]>(sizeof(CachedResult) + size);
  auto* const result = new (block.get()) CachedResult;
  result->size_ = size;
  result->parameter_bytes_ = parameter_description.size();
  result->description_bytes_ = description_bytes;
  result->rows_ = rows;
  std::byte* const bytes = block.get() + sizeof(CachedResult);
  std::copy_n(reinterpret_cast<const std::byte*>(parameter_description.data()), parameter_description.size(),
              bytes);
  std::copy_n(reinterpret_cast<const std::byte*>(messages.data()), messages.size(),
              bytes + parameter_description.size());
  return {block, result};
}

void CachedResult::append_statement_description(std::string& out) const {
  const size_t at = out.size();
  out.append(description());
  const bool is_good = set_formats(std::string_view(out).substr(at), {}, out.data() + at);
  invariant(is_good, "a description that is kept was understood when it came");
}

size_t CachedResult::memory_bytes() const {
  constexpr size_t kControlBlock = 32;  // counts, and how many bytes there are
  return heap_bytes(kControlBlock + sizeof(CachedResult) + size_);
}

}  // namespace sportello::cache
