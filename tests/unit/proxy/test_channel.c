/* The child session of a channel: in time or given up, begun anew, ended in every state. */
#include "proxy/channel/channel.h"

#include "tests/unit/proxy/bed.h"

static bool both_have(const struct bed *bed, uint32_t ready)
{
    return side_count(&bed->client, children_ready) == ready &&
           side_count(&bed->server, children_ready) == ready && side_is_settled(&bed->client) &&
           side_is_settled(&bed->server);
}

static bool has_master(struct side *side)
{
    return side_link(side) && side_link(side)->masters.first.session;
}

/* For handshakes that begin from now on; returns what it was. */
static uint64_t set_timeout(struct bed *bed, uint64_t timeout_us)
{
    uint64_t before = bed->client.config.tls.handshake_timeout_us;
    bed->client.config.tls.handshake_timeout_us = timeout_us;
    bed->server.config.tls.handshake_timeout_us = timeout_us;
    return before;
}

/* Only children have so little time: on a busy machine the master takes longer. One side stands
 * still at a random moment of the children's handshakes, for longer than they may take: the other
 * gives them up. When it goes on, both find together again. */
static void peer_stands_still(bool server, unsigned moment)
{
    struct bed bed;
    bed_init(&bed, 1 + moment % 3, 1 + moment % 2, false);
    bed.random += moment;
    bed_start(&bed);
    bed_arm(&bed, BED_PATIENCE_US);
    while (!(has_master(&bed.client) && has_master(&bed.server)) &&
           loop_now(bed.loop) < bed.deadline_us)
        bed_step(&bed);
    uint64_t patience = set_timeout(&bed, 8000);
    struct side *frozen = server ? &bed.server : &bed.client;
    struct side *other = server ? &bed.client : &bed.server;
    bed_reach(&bed, side_count(other, children_started));
    for (unsigned i = 0; i < moment; i++)
        bed_step(&bed);
    uint64_t given_up = side_count(other, children_failed);
    frozen->frozen = true;
    bed_pause(&bed, 20000);
    if (other == &bed.client)
        bed_reach(&bed, side_count(other, children_ready) == 4 ||
                            side_count(other, children_failed) != given_up);
    frozen->frozen = false;
    set_timeout(&bed, patience);
    if (other == &bed.client && side_count(other, children_ready) < 4 &&
        side_count(other, children_failed) == given_up)
        ok(false, "moment %u: a child without an answer is not given up", moment);
    bed_reach(&bed, both_have(&bed, 4));
    if (!both_have(&bed, 4) || side_count(&bed.client, associations_total) != 1)
        ok(false, "moment %u: both find together again", moment);
    bed_fini(&bed);
}

/* The master is renewed under each of these, so that children of two generations meet. */
static void restarts(void)
{
    struct bed bed;
    bed_init(&bed, 2, 3, false);
    bed_start(&bed);
    bed_up(&bed);
    for (unsigned round = 0; round < 40; round++) {
        /* 64 failures end the association, but one is forgiven each second. */
        side_hurt_child(round % 2 ? &bed.client : &bed.server, (uint16_t)(1 + round % 4));
        if (round % 10 == 5)
            loop_timer_set(bed.client.workers[0].loop, &side_link(&bed.client)->masters.renew_timer,
                           0);
        bed_connect(&bed, end_sends(3000), end_sends(3000));
        for (uint64_t turns = bed_random(&bed, 8); turns; turns--)
            bed_turn(&bed);
    }
    bed_expect(&bed,
               ends_all(&bed.ends, pair_is_over) &&
                   both_have(&bed, (uint32_t)side_count(&bed.client, children_ready)),
               "sessions begin anew forty times");
    ok(side_count(&bed.client, associations_total) == 1 &&
           side_count(&bed.client, children_full) == 0,
       "in one association, all resumed");
    ok(ends_all(&bed.ends, pair_is_honest), "no connection looks complete that is not");
    bed_fini(&bed);
}

/* The epoch of a session is one byte. */
static void epochs_wrap(void)
{
    struct bed bed;
    bed_init(&bed, 2, 2, false);
    bed.client.config.streams.max = bed.client.config.streams.initial = 1;
    bed.server.config.streams.initial = 1;
    bed_start(&bed);
    bed_up(&bed);
    for (unsigned round = 0; round < 300; round++) {
        side_link(&bed.client)->children.failures = side_link(&bed.server)->children.failures = 0;
        side_hurt_child(&bed.client, 1);
        bed_reach(&bed,
                  side_count(&bed.client, children_failed) == round + 1 && both_have(&bed, 1));
    }
    ok(both_have(&bed, 1) && side_link(&bed.client)->streams.list[1].epoch == 300 % 256,
       "300 sessions on one stream");
    struct pair *pair = bed_connect(&bed, end_sends(100), end_sends(100));
    bed_expect(&bed, pair_is_complete(pair), "the last one is good");
    bed_fini(&bed);
}

/* A peer whose sessions fail all the time is given up. */
static void too_many_failures(bool at_client)
{
    struct bed bed;
    bed_init(&bed, 2, 2, false);
    bed_start(&bed);
    bed_up(&bed);
    struct side *side = at_client ? &bed.client : &bed.server;
    for (unsigned i = 0; i < 100 && side_count(side, associations_total) == 1; i++) {
        if (side_link(side) && side_link(side)->state == LINK_READY &&
            side_link(side)->streams.list[1].child == CHILD_READY)
            side_hurt_child(side, 1);
        uint64_t failed = side_count(side, children_failed);
        bed_arm(&bed, 200000);
        while (side_count(side, children_failed) == failed && bed_turn(&bed))
            ;
        bed_reach(&bed, !side_link(side) || side_link(side)->state != LINK_READY ||
                            side_link(side)->streams.list[1].child == CHILD_READY);
    }
    ok(side_count(side, children_failed) >= 60 && side_count(side, associations_lost) == 1,
       "after %llu failures at the %s the association is given up",
       (unsigned long long)side_count(side, children_failed), at_client ? "client" : "server");
    bed_expect(&bed, side_is_up(&bed.client) && side_is_up(&bed.server), "another one follows");
    bed_fini(&bed);
}

int main(void)
{
    bed_main_begin();
    for (unsigned moment = 0; moment < 50; moment += 2) {
        peer_stands_still(true, moment);
        peer_stands_still(false, moment);
    }
    restarts();
    epochs_wrap();
    too_many_failures(true);
    too_many_failures(false);
    message_cache_clear();
    return tap_done();
}
