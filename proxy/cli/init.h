/* proxy/cli/init.h: `hawser init`: a CA and two endpoint certificates, or two raw keys, and a
 * working pair of configurations in a new directory. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

struct init_options {
    const char *directory; /* made if missing; files that exist are never overwritten */
    bool raw;              /* raw public keys (RFC 7250) instead of certificates */
    const char *host;      /* name or address of the server for its clients; NULL: localhost */
};

/* Returns 0, or 1 after a line on err says what is in the way; then nothing is left behind but an
 * empty directory. Prints what to do next on out. Thread: main. */
int init_write(const struct init_options *options, FILE *out, FILE *err);
