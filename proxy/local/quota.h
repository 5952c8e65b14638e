/* proxy/local/quota.h: the share of a server tunnel that one verified client (tls_identity_key)
 * takes, over all of its associations, and its limits.
 *
 * The tunnel has a list of them (proxy/link/places.h); one goes when nothing refers to it any more.
 * Thread: under the lock of the places, but for quota_connection_*, quota_ref and quota_unref: any.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/log_limit.h"
#include "config/config.h"
#include "mux/budget.h"
#include "tls/identity.h"

struct quota {
    struct quota *next;
    atomic_uint references;
    const struct config_identity *limits;
    char key[TLS_IDENTITY_KEY_SIZE];
    char label[TLS_NAME_MAX];
    uint32_t associations;        /* that have their place */
    uint32_t leaving;             /* of these, whose client drains */
    uint32_t streams;             /* of all of these */
    _Atomic uint32_t connections; /* open now */
    struct mux_budget budget;     /* of what waits for its connections */
    struct log_minute associations_told, streams_told, connections_told;
};

/* The quota of the identity, a new one if it has none. whole and limits outlive it. Frees those
 * that nothing refers to. Owns: caller has a reference. */
struct quota *quota_find(struct quota **list, const struct tls_identity *identity,
                         const struct config_identity *limits, struct mux_budget *whole);
struct quota *quota_ref(struct quota *quota);
/* NULL is fine. It stays in its list. */
void quota_unref(struct quota *quota);
/* Frees all of them; nothing may refer to one. */
void quota_clear(struct quota **list);

/* Takes streams for a new association, and returns how many: all that both ends want while twice as
 * many are left, then half of the rest, and a few in any case. */
uint32_t quota_take_streams(struct quota *quota, uint32_t wanted);
void quota_give_streams(struct quota *quota, uint32_t streams);

/* One more connection. False: there are as many as there may be (nothing is counted), unless
 * forced. */
bool quota_connection_begin(struct quota *quota, bool forced);
void quota_connection_end(struct quota *quota);
