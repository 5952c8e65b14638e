/* The log: levels, threads, and readers that are slow, stuck or gone. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/thread.h"
#include "tests/lib/tap.h"

/* stderr is a pipe while a test logs. */
static int saved_stderr, read_end;

static void capture(void)
{
    int ends[2];
    must(pipe(ends) == 0);
    saved_stderr = dup(STDERR_FILENO);
    must(dup2(ends[1], STDERR_FILENO) >= 0);
    close(ends[1]);
    read_end = ends[0];
}

static void restore(void)
{
    must(dup2(saved_stderr, STDERR_FILENO) >= 0);
    close(saved_stderr);
}

/* All that was written. Owns: caller. */
static char *captured(void)
{
    size_t length = 0, size = 1 << 16;
    char *text = check_alloc(size);
    ssize_t n;
    restore();
    while ((n = read(read_end, text + length, size - 1 - length)) > 0) {
        length += (size_t)n;
        if (length == size - 1)
            text = check_resize(text, size *= 2);
    }
    text[length] = '\0';
    close(read_end);
    return text;
}

static int count_of(const char *text, const char *what)
{
    int count = 0;
    for (; (text = strstr(text, what)); text++)
        count++;
    return count;
}

static void before_start(void)
{
    capture();
    log_write(LOG_INFO, LOG_ABOUT(.tunnel = "site"), "value %d", 42);
    log_write(LOG_DEBUG, LOG_ABOUT_NOTHING, "details");
    char *text = captured();
    ok(strstr(text, " info tunnel=site: value 42\n"),
       "before log_start a line is written directly");
    ok(!strstr(text, "details"), "debug lines are off");
    free(text);
}

static void levels(void)
{
    ok(log_enabled(LOG_ERROR) && log_enabled(LOG_INFO) && !log_enabled(LOG_DEBUG), "info is on");
    log_set_level(LOG_ERROR);
    ok(!log_enabled(LOG_WARNING) && log_enabled(LOG_ERROR), "the level can be lowered");
    log_set_level(LOG_INFO);
}

enum { WRITERS = 3, LINES = 500 };

static void *write_lines(void *argument)
{
    for (int i = 0; i < LINES; i++)
        log_write(LOG_INFO, LOG_ABOUT_NOTHING, "writer %d line %d.", *(int *)argument, i);
    return NULL;
}

/* Every line whole, those of one thread in order. */
static bool in_order(const char *text, int writer)
{
    char wanted[64];
    for (int i = 0; i < LINES; i++) {
        snprintf(wanted, sizeof wanted, " info: writer %d line %d.\n", writer, i);
        text = strstr(text, wanted);
        if (!text)
            return false;
    }
    return true;
}

struct reader {
    pthread_t thread;
    int fd;
    char *text;
};

static void *read_all(void *argument)
{
    struct reader *reader = argument;
    size_t length = 0, size = 4 << 20;
    ssize_t n;
    reader->text = check_alloc(size);
    while (length < size - 1 &&
           (n = read(reader->fd, reader->text + length, size - 1 - length)) > 0)
        length += (size_t)n;
    return NULL;
}

static void several_threads(void)
{
    pthread_t threads[WRITERS];
    int names[WRITERS];
    struct reader reader;
    capture();
    reader.fd = read_end;
    must(thread_start(&reader.thread, "reader", read_all, &reader) == 0);
    log_start(LOG_INFO, LOG_TEXT);
    for (int i = 0; i < WRITERS; i++) {
        names[i] = i;
        must(thread_start(&threads[i], "writer", write_lines, &names[i]) == 0);
    }
    for (int i = 0; i < WRITERS; i++)
        thread_join(threads[i]);
    log_stop();
    restore();
    thread_join(reader.thread);
    close(read_end);
    for (int i = 0; i < WRITERS; i++)
        ok(in_order(reader.text, i), "the lines of thread %d are there, whole and in order", i);
    ok(count_of(reader.text, "\n") == WRITERS * LINES, "and nothing else");
    free(reader.text);
}

static void json_fields(void)
{
    const struct log_field fields[] = {{.name = "n", .number = 3}};
    capture();
    log_start(LOG_DEBUG, LOG_JSON);
    log_write_fields(LOG_DEBUG, LOG_ABOUT(.stream = 1), fields, 1, "m%s", "");
    log_stop();
    log_write(LOG_ERROR, LOG_ABOUT_NOTHING, "afterwards");
    char *text = captured();
    ok(strstr(text, "\"level\":\"debug\",\"stream\":1,\"message\":\"m\",\"n\":3}\n"),
       "JSON has the fields as members");
    ok(strstr(text, "\"message\":\"afterwards\"}\n"), "after log_stop a line is written directly");
    free(text);
}

/* Sum over all notices. */
static int dropped_of(const char *text)
{
    static const char notice[] = "log lines dropped lines=";
    int sum = 0;
    while ((text = strstr(text, notice)))
        sum += atoi(text += strlen(notice));
    return sum;
}

/* A reader that does not read: 64 KB fit the pipe, 1 MB the queue, the rest is dropped. */
static void stuck_reader(void)
{
    char filler[900];
    memset(filler, 'f', sizeof filler - 1);
    filler[sizeof filler - 1] = '\0';
    capture();
    log_start(LOG_INFO, LOG_TEXT);
    const int written = 2500;
    for (int i = 0; i < written; i++)
        log_write(LOG_INFO, LOG_ABOUT_NOTHING, "%s", filler);
    tap_note("%d lines written without a reader", written);
    struct reader reader = {.fd = read_end};
    must(thread_start(&reader.thread, "reader", read_all, &reader) == 0);
    log_stop();
    restore();
    thread_join(reader.thread);
    close(read_end);
    int kept = count_of(reader.text, filler);
    ok(kept > 500 && kept < written, "without a reader nobody waits, %d lines are kept", kept);
    ok(kept + dropped_of(reader.text) == written, "and the others are counted");
    ok(count_of(reader.text, "lines dropped") < 50, "in a few notices");
    free(reader.text);
}

static void no_reader(void)
{
    capture();
    close(read_end);
    log_write(LOG_INFO, LOG_ABOUT_NOTHING, "directly to nobody");
    log_start(LOG_INFO, LOG_TEXT);
    for (int i = 0; i < 100; i++)
        log_write(LOG_INFO, LOG_ABOUT_NOTHING, "to nobody");
    log_stop();
    restore();
    capture();
    log_write(LOG_INFO, LOG_ABOUT_NOTHING, "to the next reader");
    char *text = captured();
    ok(strstr(text, "to the next reader\n"), "a reader of stderr that has gone does no harm");
    free(text);
}

static void nobody_reads_until_the_end(void)
{
    char filler[900];
    memset(filler, 'f', sizeof filler - 1);
    filler[sizeof filler - 1] = '\0';
    capture();
    log_start(LOG_INFO, LOG_TEXT);
    for (int i = 0; i < 200; i++)
        log_write(LOG_INFO, LOG_ABOUT_NOTHING, "%s", filler);
    log_stop();
    char *text = captured();
    ok(count_of(text, filler) < 200, "log_stop gives up on a reader that never reads");
    free(text);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    before_start();
    levels();
    several_threads();
    json_fields();
    log_set_level(LOG_INFO);
    stuck_reader();
    no_reader();
    nobody_reads_until_the_end();
    return tap_done();
}
