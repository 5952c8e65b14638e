/* config/endpoints.h: addresses of the configuration: endpoint_parse, and checks for the use of an
 * address. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/address.h"

enum endpoints_use {
    ENDPOINTS_LOCAL,   /* bound by SCTP: numeric, no UNIX path, port 0 allowed */
    ENDPOINTS_REMOTE,  /* connected by SCTP: no UNIX path, no port 0 */
    ENDPOINTS_LISTEN,  /* bound: numeric or UNIX, port 0 allowed */
    ENDPOINTS_CONNECT, /* connected: no port 0 */
};

/* As endpoint_parse, but after an error endpoint is cleared; why also says what was meant. */
enum err endpoints_parse(struct endpoint *endpoint, const char *text, enum endpoints_use use,
                         const char *directory, char *why, size_t why_size);

/* True: binding both must fail, because they have the same family and port (not 0), and the same
 * host or one of them every host; or the same UNIX path. */
bool endpoints_collide(const struct address *a, const struct address *b);

/* True for 0.0.0.0 and [::], which stand for every host. */
bool endpoints_is_any(const struct address *address);
