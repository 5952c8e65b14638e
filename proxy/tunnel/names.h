/* proxy/tunnel/names.h: the addresses of a client's server: names are looked up at each attempt. A
 * name that is not answered, or not in time, has the addresses of its last answer: name service is
 * often away for as long as the network is. Thread: the home worker. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/loop.h"
#include "transport/transport.h"

struct names_lookup;
struct outage;
struct tunnel_base;

struct remotes {
    struct address list[TRANSPORT_ADDRESSES_MAX];
    size_t count;
};

struct names {
    /* names_begin has come to its end: remotes, of which there may be none. */
    void (*on_ready)(struct names *self);
    /* A late answer has changed remotes. */
    void (*on_change)(struct names *self);

    struct remotes remotes;      /* of the present attempt */
    struct names_lookup *lookup; /* NULL: none under way */
    struct tunnel_base *tunnel;  /* private from here on */
    struct outage *outage;
    struct loop_timer timer; /* of an attempt's patience */
    uint64_t asked_fresh_us;
    struct remotes known[TRANSPORT_ADDRESSES_MAX]; /* each name's last answer */
};

/* The events must be set. tunnel and outage outlive it. */
void names_init(struct names *self, struct tunnel_base *tunnel, struct outage *outage);
/* True: remotes are there. False: on_ready follows, later. */
bool names_begin(struct names *self);
/* Nothing is told from here on. */
void names_stop(struct names *self);
