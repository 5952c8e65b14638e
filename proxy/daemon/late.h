/* proxy/daemon/late.h: a tunnel that cannot begin yet for a reason that time may mend: a file that
 * comes late, a clock that is behind, an address that is not there yet. It is tried again and
 * again; the log says for what it waits. Thread: main. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tls/credentials.h"

struct tunnel;

struct late {
    struct tunnel *tunnel;
    bool begun;
    char told[640];   /* the reason that is in the log */
    uint64_t next_us; /* when it is tried again; UINT64_MAX: when something has changed */
};

/* Tries to begin the tunnel, if it has not begun, with these credentials (NULL: it has its own, or
 * none). Owns: the tunnel takes a reference of its own. */
void late_begin(struct late *self, struct tls_credentials *credentials, uint64_t now_us);

/* Its credentials cannot be loaded yet. */
void late_tell(struct late *self, const char *why, uint64_t now_us);
