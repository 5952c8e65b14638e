/* Starts threads with a small stack, a name and blocked signals. */
#include "base/thread.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/check.h"
#include "base/message.h"

/* jemalloc maps 2 MB and a little for a new thread (measured). */
#define ARENA ((size_t)5 << 19)

/* The C library's default, 8 MB, counts against a limit of data (ulimit -d) as a whole: four
 * threads alone would need half of 64 MB. The largest frames of ours are 64 KB. */
#define STACK ((size_t)2 << 20)

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

int thread_find_room(unsigned count)
{
    size_t size = count * (STACK + ARENA) + ARENA;
    void *room = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED)
        return errno;
    munmap(room, size);
    return 0;
}

int thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *argument)
{
    int error = thread_find_room(1);
    if (error)
        return error;
    struct start *start = check_alloc(sizeof *start);
    *start = (struct start){.run = run, .argument = argument};
    for (size_t i = 0; i < sizeof start->name - 1 && name[i]; i++)
        start->name[i] = name[i];

    pthread_attr_t attributes;
    error = pthread_attr_init(&attributes);
    if (error) {
        free(start);
        return error;
    }
    must(pthread_attr_setstacksize(&attributes, STACK) == 0);
    sigset_t blocked, before;
    blocked_signals(&blocked);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    error = pthread_create(thread, &attributes, entry, start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (error)
        free(start);
    return error;
}

void thread_join(pthread_t thread)
{
    must(pthread_join(thread, NULL) == 0);
}
