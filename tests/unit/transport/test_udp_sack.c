/* What the udp transport sends again after a burst of losses: each of it once. */
#include "tests/conformance/transport_bed.h"
#include "tests/lib/tap.h"
#include "transport/udp.h"

#define PIECE 1200
#define LOST  120

static uint32_t number;

/* As many as the window takes, at most so many. */
static unsigned pump(struct bed_user *user, unsigned most)
{
    unsigned sent = 0;
    while (sent < most) {
        struct message *message = bed_message(1, number, PIECE, 0);
        if (association_send(user->association, message) != ERR_OK) {
            message_free(message);
            break;
        }
        number++;
        sent++;
    }
    return sent;
}

static void fill(struct bed *bed, struct bed_user *user, uint64_t for_us)
{
    loop_turn(bed->loop, 0);
    uint64_t until_us = loop_now(bed->loop) + for_us;
    while (loop_now(bed->loop) < until_us) {
        pump(user, LOST);
        loop_turn(bed->loop, 1000);
    }
}

static uint64_t resent(struct bed_user *user)
{
    struct association_status status;
    association_status(user->association, &status);
    return status.retransmissions;
}

/* Each SACK tells of one more packet that is there, while the others of the burst are on their way
 * for the second time. */
static void burst_of_losses(void)
{
    struct bed bed;
    bed = (struct bed){.ops = &udp_ops, .options = bed_default_options()};
    bed.options.mtu = 1500;
    bed_open_at(&bed, "127.0.0.1:0", "127.0.0.1:0");
    struct bed_user *user = bed_connect(&bed), *peer = bed_latest(&bed);
    fill(&bed, user, SECOND / 5);
    ok(bed_wait_messages(peer, number, SECOND), "the window has grown");
    uint64_t before = resent(user);
    udp_cut_local(bed.server, 0, true, false);
    unsigned lost = pump(user, LOST);
    loop_turn(bed.loop, 0);
    loop_turn(bed.loop, 0);
    udp_cut_local(bed.server, 0, false, false);
    ok(lost == LOST && peer->messages + lost == number, "%u messages are lost", lost);
    fill(&bed, user, SECOND / 20);
    ok(bed_wait_messages(peer, number, 5 * SECOND) && !peer->disorders && !peer->damaged,
       "all %u arrive", number);
    uint64_t again = resent(user) - before;
    ok(again >= lost && again < 2 * lost, "what was lost was sent again, %ju packets",
       (uintmax_t)again);
    bed_close(&bed);
    free(user);
}

int main(void)
{
    burst_of_losses();
    return tap_done();
}
