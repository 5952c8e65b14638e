/* base/resolver.h: host names to addresses without blocking a loop. Threads call getaddrinfo, which
 * honours nsswitch.conf (/etc/hosts, mdns, systemd-resolved, SSS); the answer comes by mailbox.
 *
 * Equal questions share one look-up. Its answer is cached for RESOLVER_CACHE_US, a failure for
 * RESOLVER_CACHE_FAILURE_US. A name that nobody answers holds one thread, however many ask for it;
 * and names that were slow the last time get at most half of the threads, after all others
 * (docs/decisions/028-slow-names.md). */
#pragma once

#include <stdbool.h>
#include <sys/queue.h>

#include "base/address.h"
#include "base/mailbox.h"

struct addrinfo;
struct resolver;
struct resolver_name;

/* A name with more gives the first of each family by turns (RFC 8305 section 4). */
#define RESOLVER_MAX_ADDRESSES 16

#define RESOLVER_CACHE_US         5000000
#define RESOLVER_CACHE_FAILURE_US 1000000

/* Threads come with the work and end after some idle seconds. */
#define RESOLVER_MAX_THREADS 256

struct resolver_answer {
    struct address addresses[RESOLVER_MAX_ADDRESSES]; /* by turns of the families */
    int count;                                        /* 0: failed */
    bool temporary;                                   /* failed, and another time it may not */
    char why[128];                                    /* when count is 0 */
};

/* Embedded in the asker's struct, or allocated; must stay until on_answer or a resolver_cancel that
 * gives true. */
struct resolver_query {
    void (*on_answer)(struct resolver_query *self); /* on the loop of reply_to */
    struct mailbox *reply_to;
    const char *host; /* must stay valid until the answer */
    uint16_t port;
    bool fresh; /* no cached answer will do: one has led astray, or must not */

    struct resolver_answer answer;
    bool cached; /* the answer was there already */

    struct mail mail; /* private from here on */
    struct resolver_name *name;
    TAILQ_ENTRY(resolver_query) others;
    bool waits;
};

/* For tests; NULL or a member NULL: the system's. */
struct resolver_options {
    int (*look_up)(const char *host, struct addrinfo **found); /* as getaddrinfo; freeaddrinfo */
    uint64_t (*now_us)(void);
};

/* Thread: main. */
struct resolver *resolver_new(const struct resolver_options *options);
/* Answers what is not answered yet with count 0, and does not wait for look-ups under way: their
 * threads end by themselves. Afterwards no mailbox is touched. NULL is fine. Thread: main, when
 * nobody asks any more. */
void resolver_free(struct resolver *resolver);
/* Thread: any. on_answer is called exactly once, never inside this call, unless the query is taken
 * back. A system that has no thread left for us is a failed look-up. */
void resolver_ask(struct resolver *resolver, struct resolver_query *query);
/* Takes it back, so that queries nobody needs do not pile up behind a silent name server. False:
 * the answer is on its way already; the query must stay. Thread: that of reply_to. */
bool resolver_cancel(struct resolver *resolver, struct resolver_query *query);
