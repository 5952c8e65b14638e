/* base/thread.h: named threads that block all signals but those of their own faults (main alone
 * takes the others), and give their message cache back when they end. */
#pragma once

#include <pthread.h>

/* Starts run(argument) on a new thread named name (at most 15 characters).
 * Returns 0 or an errno value. Owns: caller joins with thread_join. */
int thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *argument);
void thread_join(pthread_t thread);

/* Returns 0 if the limits on memory (RLIMIT_AS, RLIMIT_DATA) leave room for count more threads and
 * for the allocator's part of each, else an errno value: jemalloc uses a NULL pointer when it gets
 * nothing for a new thread. Thread: any. */
int thread_find_room(unsigned count);
