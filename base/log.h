/* base/log.h: log lines to stderr as text or JSON (one object a line).
 *
 * A worker never waits for the reader of stderr: lines go through a bounded queue to a log
 * thread; when it is full, lines are dropped and their number is logged once there is room.
 * The process must ignore SIGPIPE; a reader of stderr that has gone is then no concern here. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_TEXT, LOG_JSON };

/* The subject of a line. Unset members (NULL, 0) are left out.
 * Use LOG_ABOUT to fill only some of them. */
struct log_about {
    const char *tunnel;   /* configured name */
    const char *service;  /* configured name, or one that a peer asks for */
    const char *peer;     /* the identity that the far endpoint has proved */
    uint64_t association; /* the first half of its id, the same at both ends; 0: none yet */
    const char *address;  /* of a far endpoint that has proved nothing yet */
    const char *client;   /* address of a local client, as our kernel says */
    const char *claims;   /* the same by the word of the far endpoint alone; quoted */
    int stream;           /* SCTP stream id, 0: none */
    uint64_t connection;  /* id on the wire, which its opener has chosen; 0: none */
};
#define LOG_ABOUT(...)    (&(const struct log_about){__VA_ARGS__})
#define LOG_ABOUT_NOTHING LOG_ABOUT(.tunnel = NULL)

/* A further named value of a line: in JSON a member of its own, in text "name=value". */
struct log_field {
    const char *name;
    const char *text; /* NULL: it is a number */
    uint64_t number;
};

/* Starts the log thread. Before it, lines are written directly (start-up, tests).
 * Thread: main, once. */
void log_start(enum log_level level, enum log_format format);

/* Writes what is queued, stops the thread; later lines are written directly again. Gives up on a
 * reader that takes nothing for a second. Thread: main. */
void log_stop(void);

/* Changes the level. Thread: any. */
void log_set_level(enum log_level level);

/* True: lines of this level are written. Guards costly arguments. Thread: any. */
bool log_enabled(enum log_level level);

/* Writes one line with further fields; no newline in format. Quotes and control characters are
 * escaped, so that nothing a peer sends can forge a line. Thread: any. */
void log_write_fields(enum log_level level, const struct log_about *about,
                      const struct log_field *fields, size_t count, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* The same without further fields: log_write(level, about, format, ...). */
#define log_write(level, about, ...) log_write_fields((level), (about), NULL, 0, __VA_ARGS__)
