/* Threads: name, signals, stack. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/thread.h"
#include "tests/lib/tap.h"

struct seen {
    char name[16];
    sigset_t blocked;
};

static void *look(void *argument)
{
    struct seen *seen = argument;
    pthread_getname_np(pthread_self(), seen->name, sizeof seen->name);
    pthread_sigmask(SIG_BLOCK, NULL, &seen->blocked);
    return NULL;
}

int main(void)
{
    struct seen seen = {0};
    pthread_t thread;
    ok(thread_start(&thread, "a-name-longer-than-15", look, &seen) == 0, "a thread starts");
    thread_join(thread);
    ok(strcmp(seen.name, "a-name-longer-t") == 0, "it has the name, cut to 15 characters");
    ok(sigismember(&seen.blocked, SIGTERM) && sigismember(&seen.blocked, SIGHUP) &&
           sigismember(&seen.blocked, SIGPIPE),
       "it takes no signal meant for the process");
    ok(!sigismember(&seen.blocked, SIGSEGV), "but those of its own faults");

    sigset_t mine;
    pthread_sigmask(SIG_BLOCK, NULL, &mine);
    ok(!sigismember(&mine, SIGTERM), "the starter's signals are as before");

    ok(thread_find_room(4) == 0, "there is room for a few threads");
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = {256 << 20, 256 << 20};
        setrlimit(RLIMIT_DATA, &limit);
        _exit(thread_find_room(1) == 0 && thread_find_room(200) == ENOMEM ? 0 : 1);
    }
    int status = 1;
    waitpid(child, &status, 0);
    if (TAP_SANITIZED)
        tap_skip("where 256 MB are allowed", "a sanitizer's stacks are larger");
    else
        ok(WIFEXITED(status) && WEXITSTATUS(status) == 0,
           "where 256 MB are allowed for one, but not for 200");
    return tap_done();
}
