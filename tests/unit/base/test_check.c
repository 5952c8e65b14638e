/* must(), and allocations that fail. */
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "tests/lib/tap.h"

/* Runs body in a child; its stderr goes to text. Returns its wait status. */
static int run_child(void (*body)(void), char *text, size_t size)
{
    int ends[2], status;
    if (pipe(ends) < 0)
        abort();
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        body();
        _exit(0);
    }
    close(ends[1]);
    size_t length = 0;
    ssize_t n;
    while ((n = read(ends[0], text + length, size - 1 - length)) > 0)
        length += (size_t)n;
    text[length] = '\0';
    close(ends[0]);
    waitpid(child, &status, 0);
    return status;
}

static void break_a_promise(void)
{
    must(1 + 1 == 3);
}

static void want_too_much(void)
{
    free(check_alloc(SIZE_MAX / 2));
}

static void lack_memory(void)
{
    check_made(1 + 1 == 3);
}

static void keep_a_promise(void)
{
    must(1 + 1 == 2);
}

int main(void)
{
    char text[1024];
    int status = run_child(break_a_promise, text, sizeof text);
    ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "a broken must() aborts");
    ok(strstr(text, "1 + 1 == 3") && strstr(text, "test_check.c:"), "and says what and where");
    status = run_child(keep_a_promise, text, sizeof text);
    ok(WIFEXITED(status) && WEXITSTATUS(status) == 0 && !text[0], "a kept one says nothing");

    status = run_child(want_too_much, text, sizeof text);
    if (TAP_SANITIZED)
        tap_skip("no memory", "the sanitizer's allocator ends the process itself");
    else
        ok(WIFEXITED(status) && WEXITSTATUS(status) == 1 && strstr(text, "out of memory (") &&
               strstr(text, "lower streams.max"),
           "no memory: a sentence and exit code 1");
    status = run_child(lack_memory, text, sizeof text);
    ok(WIFEXITED(status) && WEXITSTATUS(status) == 1 && strstr(text, "out of memory: it ends"),
       "the same where a library lacks it");

    unsigned char *memory = check_alloc(64);
    bool zero = true;
    for (int i = 0; i < 64; i++)
        zero = zero && memory[i] == 0;
    ok(zero, "check_alloc gives zeroed memory");
    memory[63] = 7;
    memory = check_resize(memory, 4096);
    ok(memory[63] == 7, "check_resize keeps what was there");
    free(memory);

    char *copy = check_strdup("hawser");
    ok(strcmp(copy, "hawser") == 0, "check_strdup copies");
    free(copy);
    ok(check_strdup(NULL) == NULL, "and gives NULL for NULL");

    struct outer {
        int before, member;
    } outer;
    int *member = &outer.member;
    ok(container_of(member, struct outer, member) == &outer, "container_of finds the owner");
    return tap_done();
}
