/* base/check.h: assertions that stay on in production, and allocation that cannot fail.
 *
 * must() is for programming errors only, never for what a peer, a user or the system can cause.
 *
 * Memory: every allocation here is small or bounded by configuration (credit, stream and queue
 * limits), so running out means that the machine, or a limit, is too small: the process ends
 * with a line and exit code 1 instead of carrying an untestable error path through every function.
 */
#pragma once

#include <stddef.h>

#define must(condition) ((condition) ? (void)0 : check_failed(#condition, __FILE__, __LINE__))

/* For a call into a library that can fail only because there is no memory: ends as check_alloc. */
#define check_made(condition) ((condition) ? (void)0 : check_no_memory(0))

/* Prints a line to stderr, then ends the process with exit code 1, without a core: there is no
 * fault to look for in it. bytes: that were wanted, 0: not known. Thread: any. */
_Noreturn void check_no_memory(size_t bytes);

/* Prints the condition and the place to stderr, then aborts. Thread: any. */
_Noreturn void check_failed(const char *condition, const char *file, int line);

/* calloc that never returns NULL. Owns: caller frees with free(). Thread: any. */
void *check_alloc(size_t size);

/* realloc that never returns NULL; what is added is not zeroed. Owns: caller frees with free(). */
void *check_resize(void *memory, size_t size);

/* strdup that never returns NULL; NULL in gives NULL out. Owns: caller frees with free(). */
char *check_strdup(const char *text);

/* The object of `type` whose `member` is at `pointer`. */
#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))
