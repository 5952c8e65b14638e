/* base/log_line.h: the bytes of one log line, text or JSON. Private to base/log.c and its tests.
 *
 * The result is one line of printable UTF-8, and in JSON one object (RFC 8259), whatever the values
 * hold; a line that would be too long loses its end, never its closing quote and brace. */
#pragma once

#include <stddef.h>
#include <time.h>

#include "base/log.h"

/* At most PIPE_BUF (4096), so that a line written directly to a pipe is not mixed with another. */
#define LOG_LINE_MAX 2048

struct log_line {
    enum log_format format;
    char bytes[LOG_LINE_MAX];
    size_t length; /* with the newline */
    bool full;     /* something was left out */
};

struct log_record {
    struct timespec time; /* CLOCK_REALTIME */
    enum log_level level;
    const struct log_about *about;
    const struct log_field *fields;
    size_t field_count;
    const char *message;
};

/* Thread: any. */
void log_line_make(struct log_line *line, enum log_format format, const struct log_record *record);
