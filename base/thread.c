#include "base/thread.h"

#include <signal.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/message.h"

struct start {
    void *(*run)(void *);
    void *argument;
    char name[16]; /* the kernel's limit */
};

static void *entry(void *argument)
{
    struct start start = *(struct start *)argument;
    free(argument);
    pthread_setname_np(pthread_self(), start.name);
    void *result = start.run(start.argument);
    message_cache_clear();
    return result;
}

/* All but those that a fault of the thread itself raises: blocked, they would kill the process
 * without the report of a sanitizer or of a crash handler. */
static void blocked_signals(sigset_t *set)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
    sigfillset(set);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        sigdelset(set, faults[i]);
}

int thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *argument)
{
    struct start *start = check_alloc(sizeof *start);
    *start = (struct start){.run = run, .argument = argument};
    for (size_t i = 0; i < sizeof start->name - 1 && name[i]; i++)
        start->name[i] = name[i];

    sigset_t blocked, before;
    blocked_signals(&blocked);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    int error = pthread_create(thread, NULL, entry, start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error)
        free(start);
    return error;
}

void thread_join(pthread_t thread)
{
    must(pthread_join(thread, NULL) == 0);
}
