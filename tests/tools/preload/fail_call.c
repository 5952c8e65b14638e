/* tests/tools/preload/fail_call.c: with LD_PRELOAD: call number FAIL_NUMBER of the function
 * FAIL_CALL, from 1 on, or each one where that is "all", fails with the error FAIL_ERROR (a
 * number), as it does where a limit is reached or a sandbox forbids it. Then the file FAIL_TOLD is
 * made. Of calloc only the calls of the program itself count: what libraries make of it is theirs.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define ALL (-1)

static const char *failing = "";
static long fails_at;
static int error = EMFILE;
static atomic_long calls;
static _Thread_local int inside;

static __attribute__((constructor)) void begin(void)
{
    const char *name = getenv("FAIL_CALL"), *number = getenv("FAIL_NUMBER"),
               *code = getenv("FAIL_ERROR");
    fails_at = !number ? 0 : strcmp(number, "all") == 0 ? ALL : atol(number);
    error = code ? atoi(code) : error;
    failing = name ? name : failing;
}

static int fails(const char *name)
{
    if (strcmp(name, failing) != 0 ||
        (fails_at != ALL && atomic_fetch_add(&calls, 1) + 1 != fails_at))
        return 0;
    const char *told = getenv("FAIL_TOLD");
    int fd = told ? open(told, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (fd >= 0)
        close(fd);
    errno = error;
    return 1;
}

static void *real(const char *name)
{
    void *function = dlsym(RTLD_NEXT, name);
    if (!function)
        abort();
    return function;
}

/* Stands for a function: its own parameters, and -1 as its failure. */
#define FAILS(name, parameters, arguments)                                                         \
    int name parameters                                                                            \
    {                                                                                              \
        static int(*next) parameters;                                                              \
        if (!next)                                                                                 \
            *(void **)&next = real(#name);                                                         \
        return fails(#name) ? -1 : next arguments;                                                 \
    }

FAILS(epoll_create1, (int flags), (flags))
FAILS(epoll_ctl, (int set, int operation, int fd, struct epoll_event *event),
      (set, operation, fd, event))
FAILS(timerfd_create, (clockid_t clock, int flags), (clock, flags))
FAILS(eventfd, (unsigned count, int flags), (count, flags))
FAILS(signalfd, (int fd, const sigset_t *mask, int flags), (fd, mask, flags))
FAILS(inotify_init1, (int flags), (flags))
FAILS(socket, (int family, int type, int protocol), (family, type, protocol))
FAILS(listen, (int fd, int backlog), (fd, backlog))
FAILS(getsockname, (int fd, struct sockaddr *address, socklen_t *length), (fd, address, length))

int bind(int fd, const struct sockaddr *address, socklen_t length)
{
    static int (*next)(int, const struct sockaddr *, socklen_t);
    if (!next)
        *(void **)&next = real("bind");
    return fails("bind") ? -1 : next(fd, address, length);
}

ssize_t getrandom(void *bytes, size_t size, unsigned flags)
{
    static ssize_t (*next)(void *, size_t, unsigned);
    if (!next)
        *(void **)&next = real("getrandom");
    return fails("getrandom") ? -1 : next(bytes, size, flags);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *argument)
{
    static int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (!next)
        *(void **)&next = real("pthread_create");
    return fails("pthread_create") ? error : next(thread, attributes, run, argument);
}

static int is_of_program(const void *caller)
{
    Dl_info info, own;
    static char *name;
    if (!name && dladdr((void *)(uintptr_t)getauxval(AT_ENTRY), &own))
        name = (char *)(uintptr_t)own.dli_fname;
    return name && dladdr(caller, &info) && strcmp(info.dli_fname, name) == 0;
}

void *calloc(size_t count, size_t size)
{
    static void *(*next)(size_t, size_t);
    if (inside)
        return NULL; /* of dlsym's words, which nobody reads */
    inside = 1;
    if (!next)
        *(void **)&next = real("calloc");
    int now = fails_at && is_of_program(__builtin_return_address(0)) && fails("calloc");
    inside = 0;
    return now ? NULL : next(count, size);
}
