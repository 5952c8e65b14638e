/* Counts what one client takes, over all of its associations. */
#include "proxy/local/quota.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/number.h"

/* An association with none could do nothing at all. */
#define STREAMS_LEAST 16

static void forget(struct quota **list, bool all)
{
    for (struct quota **at = list; *at;) {
        struct quota *quota = *at;
        if (atomic_load_explicit(&quota->references, memory_order_acquire)) {
            must(!all);
            at = &quota->next;
            continue;
        }
        must(!quota->associations && !quota->streams && !atomic_load(&quota->connections) &&
             !atomic_load(&quota->budget.used));
        *at = quota->next;
        free(quota);
    }
}

struct quota *quota_find(struct quota **list, const struct tls_identity *identity,
                         const struct config_identity *limits, struct mux_budget *whole)
{
    char key[TLS_IDENTITY_KEY_SIZE];
    tls_identity_key(identity, key);
    forget(list, false);
    for (struct quota *quota = *list; quota; quota = quota->next)
        if (strcmp(quota->key, key) == 0)
            return quota_ref(quota);
    struct quota *quota = check_alloc(sizeof *quota);
    atomic_init(&quota->references, 1);
    quota->limits = limits;
    quota->budget.limit = limits->memory;
    quota->budget.whole = whole;
    snprintf(quota->key, sizeof quota->key, "%s", key);
    snprintf(quota->label, sizeof quota->label, "%s", identity->label);
    quota->next = *list;
    *list = quota;
    return quota;
}

struct quota *quota_ref(struct quota *quota)
{
    atomic_fetch_add_explicit(&quota->references, 1, memory_order_relaxed);
    return quota;
}

void quota_unref(struct quota *quota)
{
    if (quota)
        atomic_fetch_sub_explicit(&quota->references, 1, memory_order_release);
}

void quota_clear(struct quota **list)
{
    forget(list, true);
}

uint32_t quota_take_streams(struct quota *quota, uint32_t wanted)
{
    uint32_t max = quota->limits->max_streams;
    uint32_t half = quota->streams < max ? (max - quota->streams) / 2 : 0;
    uint32_t least = (uint32_t)number_least(wanted, STREAMS_LEAST);
    uint32_t streams = (uint32_t)number_between(half, least, wanted);
    quota->streams += streams;
    return streams;
}

void quota_give_streams(struct quota *quota, uint32_t streams)
{
    quota->streams -= streams;
}

bool quota_connection_begin(struct quota *quota, bool forced)
{
    uint32_t before = atomic_fetch_add(&quota->connections, 1);
    if (before < quota->limits->max_connections || forced)
        return true;
    atomic_fetch_sub(&quota->connections, 1);
    return false;
}

void quota_connection_end(struct quota *quota)
{
    atomic_fetch_sub(&quota->connections, 1);
}
