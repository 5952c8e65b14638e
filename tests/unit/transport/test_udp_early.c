/* Messages that are sent before the association is up, when the peer has answered: they come with
 * COOKIE ECHO, a round trip early, once and whole, also when that packet is lost or has no room for
 * it. */
#include "transport/udp/udp.h"

#include "tests/conformance/transport_bed.h"
#include "tests/lib/tap.h"

static uint32_t early_length; /* 0: ends the association instead */
static unsigned answers;

static void on_answer(struct association_events *events)
{
    struct bed_user *user = container_of(events, struct bed_user, events);
    answers++;
    if (!early_length) {
        association_close(user->association, ASSOCIATION_ABORT, "changed its mind");
        return;
    }
    ok(!user->up && bed_send(user, 0, 0, early_length, 3), "taken before the association is up");
}

static struct bed_user *begin_in(struct bed *bed, uint32_t length)
{
    early_length = length;
    answers = 0;
    struct bed_user *user = bed_user_new(bed);
    user->events.on_answer = on_answer;
    must(association_connect(bed->client, transport_local(bed->server), 1, &user->events,
                             &user->association) == ERR_OK);
    return user;
}

static struct bed_user *begin(struct bed *bed, uint32_t length)
{
    bed_open(bed, &udp_ops);
    return begin_in(bed, length);
}

static bool has_answered(void *argument)
{
    (void)argument;
    return answers > 0;
}

static bool has_come(void *argument)
{
    struct bed *bed = argument;
    return bed->accepted_count && bed_latest(bed)->messages;
}

static void finish(struct bed *bed, struct bed_user *user)
{
    bed_close(bed);
    free(user);
}

static void with_the_cookie(void)
{
    struct bed bed;
    struct bed_user *user = begin(&bed, 1000);
    /* A turn of the loop handles what the server has sent only after it has been sent. */
    while (!has_come(&bed) && !user->up && !user->down)
        loop_turn(bed.loop, 20000);
    ok(has_come(&bed) && !user->up, "there before the client knows that it is up");
    ok(bed_latest(&bed)->last_epoch == 3 && !bed_latest(&bed)->damaged, "and whole");
    bed_run(&bed, 50000);
    ok(user->up && answers == 1, "the answer was told once, then it is up");
    ok(bed_send(user, 0, 1, 100, 3) && bed_wait_messages(bed_latest(&bed), 2, SECOND) &&
           !bed_latest(&bed)->disorders,
       "what follows on the same stream comes after it");
    finish(&bed, user);
}

/* Cookie and message alone are larger than the cut. */
static void lost(void)
{
    struct bed bed;
    struct bed_user *user = begin(&bed, 1000);
    udp_cut_above(bed.client, 0, 100);
    bed_run(&bed, 100000);
    ok(answers == 1 && !user->up && !has_come(&bed), "COOKIE ECHO is lost");
    udp_cut_above(bed.client, 0, 0);
    uint64_t start = loop_now(bed.loop);
    bool came = bed_wait(&bed, has_come, &bed, 5 * SECOND);
    ok(came && !bed_latest(&bed)->damaged, "it is sent again, and the message with it (%.2f s)",
       (double)(loop_now(bed.loop) - start) / SECOND);
    bed_run(&bed, 300000);
    ok(bed_latest(&bed)->messages == 1 && user->up, "once");
    finish(&bed, user);
}

/* As after an outage: by the time the network is back, SCTP must not have given its only path up,
 * or wait for what INIT's time-outs have become. */
static void after_many_inits(void)
{
    struct bed bed;
    bed = (struct bed){.ops = &udp_ops, .options = bed_default_options()};
    bed.options.rto_initial_us = 50000;
    bed.options.rto_min_us = 20000;
    bed.options.path_retransmissions = 1;
    bed_open_at(&bed, "127.0.0.1:0", "127.0.0.1:0");
    udp_cut(bed.client, true);
    struct bed_user *user = begin_in(&bed, 1000);
    bed_run(&bed, 500000); /* INITs at 0, 50, 150 and 350 ms */
    udp_cut(bed.client, false);
    ok(bed_wait(&bed, has_answered, &bed, 4 * SECOND), "the network is back");
    uint64_t start = loop_now(bed.loop);
    ok(bed_wait(&bed, has_come, &bed, 10 * SECOND), "so is the message");
    uint64_t took_us = loop_now(bed.loop) - start;
    ok(took_us < SECOND / 2, "at once, with COOKIE ECHO (%.2f s)", (double)took_us / SECOND);
    finish(&bed, user);
}

static void too_large(void)
{
    struct bed bed;
    struct bed_user *user = begin(&bed, 15000);
    ok(bed_wait(&bed, has_come, &bed, 5 * SECOND) && bed_latest(&bed)->last_length == 15000 &&
           !bed_latest(&bed)->damaged,
       "more than a packet takes comes all the same");
    finish(&bed, user);
}

static void ended(void)
{
    struct bed bed;
    struct bed_user *user = begin(&bed, 0);
    ok(bed_wait_down(user, SECOND) && user->reason == ERR_LOCAL_SHUTDOWN && !user->ups,
       "an association may be ended when the peer answers");
    finish(&bed, user);
}

int main(void)
{
    with_the_cookie();
    lost();
    after_many_inits();
    too_large();
    ended();
    message_cache_clear();
    return tap_done();
}
