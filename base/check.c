/* Ends the process: on a broken assertion, or without memory. */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Noreturn void check_failed(const char *condition, const char *file, int line)
{
    /* Not through the log: its thread or its lock may be what has failed. */
    dprintf(STDERR_FILENO, "hawser: %s:%d: must hold: %s\n", file, line, condition);
    abort();
}

/* Other threads go on until the end, so nothing is taken down: no exit(). */
_Noreturn void check_no_memory(size_t bytes)
{
    char wanted[48] = "";
    if (bytes)
        snprintf(wanted, sizeof wanted, " (%zu bytes were wanted)", bytes);
    dprintf(STDERR_FILENO,
            "hawser: out of memory%s: it ends; give it more, or lower streams.max, window.max and "
            "memory_limit\n",
            wanted);
    _exit(1);
}

void *check_alloc(size_t size)
{
    void *memory = calloc(1, size ? size : 1);
    if (!memory)
        check_no_memory(size);
    return memory;
}

void *check_resize(void *memory, size_t size)
{
    void *resized = realloc(memory, size ? size : 1);
    if (!resized)
        check_no_memory(size);
    return resized;
}

char *check_strdup(const char *text)
{
    if (!text)
        return NULL;
    char *copy = strdup(text);
    if (!copy)
        check_no_memory(strlen(text) + 1);
    return copy;
}
