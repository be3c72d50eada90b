// Takes memory for results from the system in larger pieces than glibc's malloc does for threads.
//
// A thread's heap grows by the pages that the allocation at hand lacks, with an mprotect() each time
// (arena.c, grow_heap(); M_TOP_PAD is for the first thread's heap alone). Results of 4 kB were such a system
// call each.
#pragma once

#include <cstddef>

namespace sportello::cache {

// This thread has taken so many bytes more, and will go on: now and then so many are asked for at once and
// freed, by which they become the end of its heap. Any thread.
void grow_heap_ahead(size_t taken);

}  // namespace sportello::cache
