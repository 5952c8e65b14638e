/* The log of the process: a bounded queue that a thread of its own writes to stderr. */
#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log_line.h"
#include "base/thread.h"

/* About 6000 lines of ordinary length (170 bytes). */
#define QUEUE_BYTES (1 << 20)
/* log_stop waits no longer for a reader of stderr that does not read. */
#define STUCK_MS 1000

/* The log of the process: the one thing that every function of every thread may write to, so
 * passing it around would put it into every signature. */
static struct {
    _Atomic(int) level, format;
    pthread_mutex_t lock; /* of all below; held for a memcpy, never for a write */
    pthread_cond_t filled;
    bool running, stopping;
    char *ring;
    size_t first, used; /* bytes of ring; lines may wrap */
    uint64_t dropped;   /* lines not yet told of */
    pthread_t thread;
} logger = {.level = LOG_INFO,
            .format = LOG_TEXT,
            .lock = PTHREAD_MUTEX_INITIALIZER,
            .filled = PTHREAD_COND_INITIALIZER};

static void make_line(struct log_line *line, struct log_record *record)
{
    clock_gettime(CLOCK_REALTIME, &record->time);
    log_line_make(line, atomic_load_explicit(&logger.format, memory_order_relaxed), record);
}

/* Returns bytes written, 0 if the reader is stuck, or -1 if there is none any more. At most
 * PIPE_BUF bytes after POLLOUT do not block, even if stderr is a pipe in blocking mode. */
static ssize_t write_some(const char *bytes, size_t length)
{
    struct pollfd writable = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&writable, 1, STUCK_MS) == 0)
        return 0;
    ssize_t n = write(STDERR_FILENO, bytes, length < PIPE_BUF ? length : PIPE_BUF);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    return n;
}

static void write_directly(const char *bytes, size_t length)
{
    while (length) {
        ssize_t n = write_some(bytes, length);
        if (n <= 0)
            return;
        bytes += n;
        length -= (size_t)n;
    }
}

static bool append_locked(const char *bytes, size_t length)
{
    if (length > QUEUE_BYTES - logger.used)
        return false;
    size_t at = (logger.first + logger.used) % QUEUE_BYTES, to_end = QUEUE_BYTES - at;
    size_t part = length < to_end ? length : to_end;
    memcpy(logger.ring + at, bytes, part);
    memcpy(logger.ring, bytes + part, length - part);
    logger.used += length;
    return true;
}

/* One notice for all lines dropped so far; there is room for it. */
static void append_drop_notice_locked(void)
{
    struct log_field count = {.name = "lines", .number = logger.dropped};
    struct log_record record = {
        .level = LOG_WARNING, .message = "log lines dropped", .fields = &count, .field_count = 1};
    struct log_line notice;
    make_line(&notice, &record);
    must(append_locked(notice.bytes, notice.length));
    logger.dropped = 0;
}

/* The notice stands where the lines are missing: before the first that found room again. It and
 * the line go in together, else a queue that stays full would hold a notice for each line. */
static void append_or_drop_locked(const struct log_line *line)
{
    size_t notice = logger.dropped ? LOG_LINE_MAX : 0;
    if (QUEUE_BYTES - logger.used < notice + line->length) {
        logger.dropped++;
        return;
    }
    if (logger.dropped)
        append_drop_notice_locked();
    must(append_locked(line->bytes, line->length));
}

/* False when there is no log thread. */
static bool enqueue(const struct log_line *line)
{
    pthread_mutex_lock(&logger.lock);
    bool running = logger.running;
    if (running) {
        bool was_empty = logger.used == 0;
        append_or_drop_locked(line);
        if (was_empty)
            pthread_cond_signal(&logger.filled);
    }
    pthread_mutex_unlock(&logger.lock);
    return running;
}

/* Waits for bytes; returns how many stand in a row from *bytes on, 0 when all is written and the
 * log stops. */
static size_t next_bytes_locked(const char **bytes)
{
    while (logger.used == 0) {
        if (logger.dropped)
            append_drop_notice_locked();
        else if (logger.stopping)
            return 0;
        else
            pthread_cond_wait(&logger.filled, &logger.lock);
    }
    *bytes = logger.ring + logger.first;
    return logger.used < QUEUE_BYTES - logger.first ? logger.used : QUEUE_BYTES - logger.first;
}

static void *write_queue(void *argument)
{
    const char *bytes;
    size_t length;
    pthread_mutex_lock(&logger.lock);
    while ((length = next_bytes_locked(&bytes)) > 0) {
        pthread_mutex_unlock(&logger.lock);
        ssize_t n = write_some(bytes, length);
        pthread_mutex_lock(&logger.lock);
        if (n == 0 && logger.stopping)
            break;
        /* Nobody will ever read it: forget it, and do not spin. */
        size_t gone = n < 0 ? length : (size_t)n;
        logger.first = (logger.first + gone) % QUEUE_BYTES;
        logger.used -= gone;
    }
    pthread_mutex_unlock(&logger.lock);
    return argument;
}

void log_start(enum log_level level, enum log_format format)
{
    must(!logger.running);
    atomic_store(&logger.level, level);
    atomic_store(&logger.format, format);
    logger.ring = check_alloc(QUEUE_BYTES);
    logger.stopping = false;
    logger.first = logger.used = 0;
    if (thread_start(&logger.thread, "log", write_queue, NULL) != 0) {
        free(logger.ring);
        log_write(LOG_WARNING, LOG_ABOUT_NOTHING, "no thread for the log: it is written directly");
        return;
    }
    pthread_mutex_lock(&logger.lock);
    logger.running = true;
    pthread_mutex_unlock(&logger.lock);
}

void log_stop(void)
{
    pthread_mutex_lock(&logger.lock);
    bool was_running = logger.running;
    logger.running = false;
    logger.stopping = true;
    pthread_cond_signal(&logger.filled);
    pthread_mutex_unlock(&logger.lock);
    if (!was_running)
        return;
    thread_join(logger.thread);
    free(logger.ring);
    logger.ring = NULL;
}

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&logger.level, level, memory_order_relaxed);
}

bool log_enabled(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&logger.level, memory_order_relaxed);
}

void log_write_fields(enum log_level level, const struct log_about *about,
                      const struct log_field *fields, size_t count, const char *format, ...)
{
    if (!log_enabled(level))
        return;
    char message[LOG_LINE_MAX / 2];
    int saved_errno = errno;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    struct log_record record = {
        .level = level, .about = about, .fields = fields, .field_count = count, .message = message};
    struct log_line line;
    make_line(&line, &record);
    if (!enqueue(&line))
        write_directly(line.bytes, line.length);
    errno = saved_errno;
}
