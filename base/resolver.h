/* base/resolver.h: host names to addresses without blocking a loop: one helper thread calls
 * getaddrinfo (which honours /etc/hosts and nsswitch.conf), the answer comes by mailbox. */
#pragma once

#include <stdbool.h>

#include "base/address.h"
#include "base/mailbox.h"

struct resolver;

#define RESOLVER_MAX_ADDRESSES 8

/* Embedded in the asker's struct, or allocated; must stay until on_answer. */
struct resolver_query {
    void (*on_answer)(struct resolver_query *self); /* on the loop of reply_to */
    struct mailbox *reply_to;
    const char *host; /* must stay valid until the answer */
    uint16_t port;
    struct address addresses[RESOLVER_MAX_ADDRESSES];
    int count;                           /* 0: failed */
    const char *why;                     /* static text when count is 0 */
    struct mail mail;                    /* private */
    struct resolver_query *next, **link; /* private; link NULL: not in the queue (any more) */
};

/* Starts the helper thread; NULL if it cannot. Thread: main. */
struct resolver *resolver_new(void);
/* Answers what is not answered yet with count 0, and does not wait for the look-up under way: its
 * thread ends by itself. Afterwards no mailbox is touched. NULL is fine. Thread: main, when nobody
 * asks any more. */
void resolver_free(struct resolver *resolver);
/* Thread: any. on_answer is called exactly once, unless the query is taken back. */
void resolver_ask(struct resolver *resolver, struct resolver_query *query);
/* Takes back what waits behind others: while a name server is dead, those who gave up must not pile
 * up. False: it is begun, the answer comes; the query must stay. Thread: that of reply_to. */
bool resolver_cancel(struct resolver *resolver, struct resolver_query *query);
