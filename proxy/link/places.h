/* proxy/link/places.h: the places of a server's associations. Each identity has a limited number,
 * and the tunnel too, over all of its parts, which live on several workers. An association that
 * comes when no place is free may get the place of an older one that is only a ghost: its client
 * went without a word and is back before that was noticed. So those that have places are asked
 * while the new one waits; one that answers keeps its place.
 *
 * Thread: any; all is behind one leaf lock. Links get their orders by mail. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/log_limit.h"
#include "base/mailbox.h"
#include "config/config.h"
#include "proxy/local/quota.h"

struct link;
struct worker;

struct places {
    pthread_mutex_t lock;
    const struct config_tunnel *config;
    struct mux_budget *budget; /* of the process */
    struct quota *quotas;      /* of the identities that are here */
    struct place *list;        /* that are taken or awaited, newest first */
    uint32_t taken;
    struct log_minute told;
};

/* A link's, from its verification to its end. */
struct place {
    struct places *places;
    struct place *next, *previous;
    struct quota *quota;
    struct worker *worker; /* the link's */
    struct link *link;     /* NULL: it has gone. Only on the link's thread. */
    enum { PLACE_NONE, PLACE_AWAITED, PLACE_TAKEN } state;
    bool is_leaving;     /* its client drains */
    uint32_t streams;    /* taken of the identity's */
    uint64_t since_us;   /* AWAITED */
    uint64_t asked_us;   /* for a sign of life; 0: never */
    bool answers;        /* since then */
    atomic_bool has_way; /* the transport sees a path to it */
    bool is_to_be_asked, is_to_end, is_posted;
    struct mail mail;
    unsigned references; /* the link's, and that of the mail under way */
};

enum places_result {
    PLACES_GRANTED,
    PLACES_WAIT,     /* others are being asked: look again after PLACES_LOOK_EVERY_US */
    PLACES_REPLACED, /* granted, and a ghost has lost its own */
    PLACES_REFUSED,
};
#define PLACES_LOOK_EVERY_US 100000

/* config and budget outlive it. */
void places_init(struct places *places, const struct config_tunnel *config,
                 struct mux_budget *budget);
/* No link has one any more. */
void places_fini(struct places *places);

/* A link of this identity, which is verified. on_mail is delivered to its worker: it calls
 * places_orders. Owns: caller, places_leave. */
struct place *places_enter(struct places *places, struct link *link, struct worker *worker,
                           const struct tls_identity *identity, void (*on_mail)(struct mail *));
/* Takes a place, or waits for one; again while it waits. */
enum places_result places_take(struct place *place, uint64_t now_us);
/* The limit that is reached, for a line that may be written now. */
struct places_limit {
    const char *name;
    uint32_t value;
    bool may_log;
    uint64_t left_out;
};
void places_limit(struct place *place, uint64_t now_us, struct places_limit *limit);

/* The orders in a link's mail; link NULL: it has gone, and so may the place be. */
struct places_orders {
    struct link *link;
    bool ask; /* its client for a sign of life: then places_asked */
    bool end; /* another has its place */
};
struct places_orders places_orders(struct mail *mail);
void places_asked(struct place *place, uint64_t now_us);
/* It has answered the question of that time. */
void places_answered(struct place *place, uint64_t asked_us);
/* Its client drains: a newer association of it may be beside this one. */
void places_drains(struct place *place);
/* The number of streams that it gets of those that it wants; once. */
uint32_t places_streams(struct place *place, uint32_t wanted);
/* Gives back all but the place itself; any number of times. */
void places_give_back(struct place *place);
/* The link goes; NULL is fine. */
void places_leave(struct place *place);

/* Calls of each identity that is here, under the lock: visit calls nothing of this file. */
void places_each_identity(struct places *places, void (*visit)(void *context, struct quota *quota),
                          void *context);
