/* proxy/daemon/reload_apply.h: gives a running tunnel other credentials. */
#pragma once

#include <stddef.h>

#include "tls/credentials.h"

struct tunnel;

struct reload_result {
    size_t checked, ended; /* associations */
};

/* Masters from now on use them. They verify the peer of each association again; one that they do
 * not accept is aborted, with the reason for both ends. A client whose own certificate or rules are
 * new renews its masters at once. Owns: a reference of its own.
 *
 * The checks, up to 1 ms for each association, are made here and not on the tunnel's worker.
 * Thread: main. */
void reload_apply(struct tunnel *tunnel, struct tls_credentials *credentials,
                  struct reload_result *result);
