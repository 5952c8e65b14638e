/* tests/conformance/auth_bed.h: a bed with one association whose two ends have keys for the
 * authentication of chunks (transport/transport.h, association_auth_add). */
#pragma once

#include "tests/conformance/transport_bed.h"

struct keyed_pair {
    struct bed bed;
    struct bed_user *user, *peer;
    uint16_t settled_here, settled_there;
};

static struct keyed_pair *keyed_pair; /* the one that there is: the events have no place for it */

static inline void keyed_on_settled(struct association_events *events, uint16_t number)
{
    bool here = events == &keyed_pair->user->events;
    *(here ? &keyed_pair->settled_here : &keyed_pair->settled_there) = number;
}

/* The bed is open. */
static inline void keyed_pair_connect(struct keyed_pair *self, const struct address *address)
{
    keyed_pair = self;
    self->settled_here = self->settled_there = 0;
    self->user = bed_user_new(&self->bed);
    must(association_connect(self->bed.client, address, 1, &self->user->events,
                             &self->user->association) == ERR_OK);
    bed_wait(&self->bed, bed_both_up, self->user, 5 * SECOND);
    self->peer = bed_latest(&self->bed);
    self->user->events.on_auth_settled = self->peer->events.on_auth_settled = keyed_on_settled;
}

static inline void keyed_pair_open(struct keyed_pair *self, const struct transport_ops *ops)
{
    self->bed = (struct bed){.ops = ops, .options = bed_default_options()};
    self->bed.options.auth = true;
    bed_open_at(&self->bed, "127.0.0.1:0", "127.0.0.1:0");
    keyed_pair_connect(self, transport_local(self->bed.server));
}

static inline void keyed_pair_close(struct keyed_pair *self)
{
    bed_close(&self->bed);
    free(self->user);
}

static inline enum err keyed_add(struct bed_user *user, uint16_t number, uint8_t seed)
{
    uint8_t key[TRANSPORT_AUTH_KEY];
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)(seed + i);
    return association_auth_add(user->association, number, key);
}

static inline bool keyed_both_settled(void *argument)
{
    const uint16_t *number = argument;
    return keyed_pair->settled_here == *number && keyed_pair->settled_there == *number;
}

/* As two ends do it that tell each other. */
static inline bool keyed_pair_change(struct keyed_pair *self, uint16_t old, uint16_t number)
{
    return keyed_add(self->user, number, (uint8_t)number) == ERR_OK &&
           keyed_add(self->peer, number, (uint8_t)number) == ERR_OK &&
           association_auth_use(self->user->association, number) == ERR_OK &&
           association_auth_use(self->peer->association, number) == ERR_OK &&
           bed_wait(&self->bed, keyed_both_settled, &number, 5 * SECOND) &&
           association_auth_drop(self->user->association, old) == ERR_OK &&
           association_auth_drop(self->peer->association, old) == ERR_OK;
}

static inline bool keyed_arrives(struct bed_user *from, struct bed_user *to, uint64_t within_us)
{
    uint64_t before = to->messages;
    bed_send(from, 1, (uint32_t)before, 5000, 0);
    return bed_wait_messages(to, before + 1, within_us);
}
