/* base/thread.h: named threads that block all signals but those of their own faults (main alone
 * takes the others), and give their message cache back when they end. */
#pragma once

#include <pthread.h>

/* Starts run(argument) on a new thread named name (at most 15 characters).
 * Returns 0 or an errno value. Owns: caller joins with thread_join. */
int thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *argument);
void thread_join(pthread_t thread);

/* Whether the limits on memory (RLIMIT_AS, RLIMIT_DATA) leave room for so many more threads, with
 * what the allocator wants for each: jemalloc uses a NULL pointer where it gets nothing for a new
 * thread. Returns 0 or an errno value. Thread: any. */
int thread_find_room(unsigned count);
