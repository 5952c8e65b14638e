/* proxy/tunnel/outage.h: the lines of a client without an association: the same one once a minute.
 * Thread: the home worker. */
#pragma once

#include <stdint.h>

struct log_about;

#define OUTAGE_LINES 16

struct outage_line {
    uint64_t hash, told_us; /* told_us 0: unused */
    unsigned left_out;
};

/* All zero: nothing has been told. */
struct outage {
    struct outage_line lines[OUTAGE_LINES];
    char why[256]; /* of the last line, for connections that wait in vain */
};

/* A warning about an attempt; one that says the same is left out, and counted, for a minute. */
void outage_tell(struct outage *self, uint64_t now_us, const struct log_about *about,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));
