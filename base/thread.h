/* base/thread.h: named threads that block all signals (main alone takes them). */
#pragma once

#include <pthread.h>

/* Starts run(argument) on a new thread named name (at most 15 characters).
 * Returns 0 or an errno value. Owns: caller joins with thread_join. */
int thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *argument);
void thread_join(pthread_t thread);
