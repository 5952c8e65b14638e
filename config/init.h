/* config/init.h: `hawser init`: a CA, two endpoint certificates and a working pair of
 * configurations in a new directory. */
#pragma once

#include <stdio.h>

#include "base/error.h"

struct init_options {
    const char *directory; /* made if missing; files that exist are never overwritten */
    const char *host;      /* name or address under which the client reaches the server */
};

/* Returns 0, or 1 after a line on err says what is in the way. Prints what to do next on out. */
int init_write(const struct init_options *options, FILE *out, FILE *err);
