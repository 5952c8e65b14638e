/* The log lines of an outage, each one once a minute. */
#include "proxy/tunnel/outage.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include "base/log.h"

/* The same line is written again after this time. */
#define TELL_AGAIN_US 60000000

/* FNV-1a. */
static uint64_t hash_of(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325ull;
    for (; *text; text++)
        hash = (hash ^ (uint8_t)*text) * 0x100000001b3ull;
    return hash;
}

static struct outage_line *find_line(struct outage *self, uint64_t hash)
{
    struct outage_line *oldest = &self->lines[0];
    for (size_t i = 0; i < OUTAGE_LINES; i++) {
        struct outage_line *line = &self->lines[i];
        if (line->told_us && line->hash == hash)
            return line;
        if (line->told_us < oldest->told_us)
            oldest = line;
    }
    *oldest = (struct outage_line){.hash = hash};
    return oldest;
}

void outage_tell(struct outage *self, uint64_t now_us, const struct log_about *about,
                 const char *format, ...)
{
    char text[512], more[64] = "";
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    snprintf(self->why, sizeof self->why, "%.*s", (int)sizeof self->why - 1, text);
    uint64_t hash = hash_of(text) ^ 31 * hash_of(about->address ? about->address : "");
    struct outage_line *line = find_line(self, hash);
    if (line->told_us && now_us < line->told_us + TELL_AGAIN_US) {
        line->left_out++;
        return;
    }
    if (line->left_out)
        snprintf(more, sizeof more, " (%u repeats left out)", line->left_out);
    line->told_us = now_us;
    line->left_out = 0;
    log_write(LOG_WARNING, about, "%s; retrying%s", text, more);
}
