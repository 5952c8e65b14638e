/* tests/lib/allocated.h: bytes that are allocated now, as the allocator counts them, not the
 * system: jemalloc (what this thread has allocated, less what it has freed), the sanitizers', or
 * the C library's. A header with code, because each test program is one source file. */
#pragma once

#include <malloc.h>
#include <stddef.h>
#include <stdint.h>

__attribute__((weak)) int mallctl(const char *name, void *old, size_t *old_size, void *new,
                                  size_t new_size);
__attribute__((weak)) size_t __sanitizer_get_current_allocated_bytes(void);

static inline size_t allocated_bytes(void)
{
    uint64_t in = 0, out = 0;
    size_t size = sizeof in;
    if (mallctl && !mallctl("thread.allocated", &in, &size, NULL, 0) &&
        !mallctl("thread.deallocated", &out, &size, NULL, 0))
        return (size_t)(in - out);
    if (__sanitizer_get_current_allocated_bytes)
        return __sanitizer_get_current_allocated_bytes();
    return mallinfo2().uordblks;
}
