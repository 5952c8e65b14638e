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

static _Noreturn void out_of_memory(size_t size)
{
    dprintf(STDERR_FILENO, "hawser: out of memory (%zu bytes wanted)\n", size);
    abort();
}

void *check_alloc(size_t size)
{
    void *memory = calloc(1, size ? size : 1);
    if (!memory)
        out_of_memory(size);
    return memory;
}

void *check_resize(void *memory, size_t size)
{
    void *resized = realloc(memory, size ? size : 1);
    if (!resized)
        out_of_memory(size);
    return resized;
}

char *check_strdup(const char *text)
{
    if (!text)
        return NULL;
    char *copy = strdup(text);
    if (!copy)
        out_of_memory(strlen(text) + 1);
    return copy;
}
