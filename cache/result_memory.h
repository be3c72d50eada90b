// Memory for results. As a full store gives one result away for each that comes, and many are of the same
// size, what was freed last is mostly what is wanted next: a few such blocks are kept, by each thread for
// itself. malloc keeps small ones likewise, but looks at the neighbours of larger ones, which nobody has
// touched for long.
#pragma once

#include <cstddef>

namespace sportello::cache {

// Any thread. Throws std::bad_alloc.
void* allocate_result(size_t bytes);
// Of any thread's. `bytes`: as many as were asked for.
void free_result(void* memory, size_t bytes) noexcept;

}  // namespace sportello::cache
