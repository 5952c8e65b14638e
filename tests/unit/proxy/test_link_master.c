/* The master session: who is accepted, resumption at the next association, renewal. */
#include "proxy/link/link_private.h"
#include "tests/unit/proxy/bed.h"
#include "tests/unit/tls/clock.h"

static bool is_up(const struct bed *bed)
{
    return side_is_up(&bed->client) && side_is_up(&bed->server);
}

/* The client's renewal timer fires now. */
static void renew_now(struct bed *bed)
{
    loop_timer_set(bed->client.workers[0].loop, &side_link(&bed->client)->masters.renew_timer, 0);
}

static void replace_children(struct bed *bed)
{
    for (uint16_t stream = 1; stream <= bed->client.config.streams.initial; stream++)
        if (side_link(&bed->client)->streams.list[stream].child == CHILD_READY)
            side_hurt_child(&bed->client, stream);
}

static bool both_are_settled(const struct bed *bed)
{
    return is_up(bed) && side_is_settled(&bed->client) && side_is_settled(&bed->server);
}

static void renewals(unsigned workers)
{
    struct bed bed;
    bed_init(&bed, workers, workers, false);
    bed_start(&bed);
    bed_up(&bed);
    for (uint64_t i = 1; i <= 5; i++) {
        bed_connect(&bed, end_sends(200000), end_sends(200000));
        renew_now(&bed);
        bed_expect(&bed,
                   side_count(&bed.client, masters_renewed) == i &&
                       side_count(&bed.server, masters_renewed) == i,
                   "master %llu takes the place of the one before", (unsigned long long)i);
        replace_children(&bed);
    }
    bed_expect(&bed, ends_all(&bed.ends, pair_is_over) && both_are_settled(&bed),
               "new children begin in between");
    ok(side_count(&bed.client, children_full) == 0 && side_count(&bed.server, children_full) == 0,
       "all of them resumed");
    ok(side_count(&bed.client, associations_total) == 1, "in one association");
    struct pair *pair = bed_connect(&bed, end_sends(1000), end_sends(1000));
    bed_expect(&bed, pair_is_complete(pair), "connections go on");
    bed_fini(&bed);
}

/* A second one begins while the first is under way, again and again. */
static void hasty_renewals(void)
{
    struct bed bed;
    bed_init(&bed, 1, 2, false);
    memory_set_faults(&(struct memory_faults){.seed = 1, .jitter_us = 300});
    bed_start(&bed);
    bed_up(&bed);
    for (int i = 0; i < 40; i++) {
        renew_now(&bed);
        for (uint64_t turns = bed_random(&bed, 12); turns; turns--)
            bed_turn(&bed);
        if (i % 8 == 0)
            replace_children(&bed);
    }
    renew_now(&bed);
    uint64_t before = side_count(&bed.client, masters_renewed);
    bed_expect(&bed,
               side_count(&bed.client, masters_renewed) > before && both_are_settled(&bed) &&
                   !side_link(&bed.client)->masters.early.count,
               "of many renewals the last one counts (%llu were finished)",
               (unsigned long long)before);
    ok(side_count(&bed.client, associations_total) == 1, "nothing was lost");
    bed_fini(&bed);
}

/* A renewal that fails ends nothing. */
static void renewal_fails(bool at_client)
{
    struct bed bed;
    bed_init(&bed, 2, 2, false);
    memory_set_faults(&(struct memory_faults){.delay_us = 2000});
    bed_start(&bed);
    bed_up(&bed);
    struct pair *pair = bed_connect(&bed, end_holds(10), end_holds(10));
    bed_reach(&bed, pair->target && pair->client.received == 10);
    renew_now(&bed);
    struct side *side = at_client ? &bed.client : &bed.server;
    bed_reach(&bed, side_link(side)->masters.renewal.session);
    side_hurt_child(side, side->config.streams.max + 1);
    ok(side_count(side, masters_failed) == 1, "a renewal fails at the %s",
       at_client ? "client" : "server");
    bed_pause(&bed, 10000);
    ok(is_up(&bed) && !pair->client.got_reset, "nothing ends by it");
    renew_now(&bed);
    bed_expect(&bed, side_count(&bed.client, masters_renewed) == 1, "the next one is good");
    bed_fini(&bed);
}

/* The shortest lifetime that there is: nothing but the clock renews. */
static void short_lifetime(void)
{
    struct bed bed;
    bed_init(&bed, 2, 2, false);
    bed.client.config.tls.resume.ticket_lifetime_us =
        bed.server.config.tls.resume.ticket_lifetime_us = 1000000;
    bed_start(&bed);
    bed_up(&bed);
    bed_expect(&bed, side_count(&bed.client, masters_renewed) == 1,
               "a master that lives 1 s is renewed");
    replace_children(&bed);
    bed_expect(&bed, both_are_settled(&bed), "and children resume from the new one");
    ok(side_count(&bed.client, children_full) == 0, "without a full handshake");
    bed_fini(&bed);
}

/* The wall clock jumps beyond the tickets' life; the timer that renews has not noticed. */
static void clock_jumps(void)
{
    struct bed bed;
    bed_init(&bed, 2, 2, false);
    bed_start(&bed);
    bed_up(&bed);
    bed_reach(&bed, both_are_settled(&bed));
    clock_shift = 5 * 3600;
    replace_children(&bed);
    bed_expect(&bed, side_count(&bed.client, children_failed) == 4 && both_are_settled(&bed),
               "there are new children after the clock has jumped");
    ok(side_count(&bed.client, masters_renewed) == 1 &&
           side_count(&bed.client, associations_total) == 1,
       "of a master that was renewed for them, in the same association");
    struct pair *pair = bed_connect(&bed, end_sends(1000), end_sends(1000));
    bed_expect(&bed, pair_is_complete(pair), "connections go on");
    bed_fini(&bed);
    clock_shift = 0;
}

static void next_association(void)
{
    struct bed bed;
    bed_init(&bed, 1, 1, false);
    bed_start(&bed);
    bed_up(&bed);
    for (uint64_t i = 1; i <= 3; i++) {
        link_close(side_link(&bed.client), ERR_INTERNAL, "test", i % 2);
        bed_expect(&bed, side_count(&bed.client, associations_total) == i + 1 && is_up(&bed),
                   "association %llu is up", (unsigned long long)i + 1);
        ok(side_count(&bed.client, masters_resumed) == i &&
               side_count(&bed.server, masters_resumed) == i,
           "with the ticket of the one before");
    }
    bed_fini(&bed);
}

/* Neither lets in whom it does not expect; both try on. */
static void wrong_peer(bool client_is_wrong)
{
    struct bed bed;
    bed_init(&bed, 2, 2, false);
    struct config_tls *tls = &bed.client.config.tls;
    if (client_is_wrong) {
        free(tls->cert);
        free(tls->key);
        tls->cert = certificates_path("other.pem");
        tls->key = certificates_path("other.key");
    } else {
        free(tls->peer);
        tls->peer = check_strdup("somebody.example");
    }
    bed.client.config.waiting.timeout_us = 50000;
    bed_start(&bed);
    struct pair *pair = bed_connect(&bed, end_sends(10), end_sends(10));
    bed_expect(&bed, side_count(client_is_wrong ? &bed.server : &bed.client, masters_failed) >= 3,
               "%s is refused again and again", client_is_wrong ? "a client" : "a server");
    bed_expect(&bed, pair->client.got_reset, "a connection waits in vain");
    ok(side_count(&bed.client, associations_total) == 0 &&
           side_count(&bed.client, children_started) == 0 &&
           side_count(&bed.server, children_started) == 0,
       "no association, no child");
    bed_fini(&bed);
}

static void too_slow(void)
{
    struct bed bed;
    bed_init(&bed, 2, 2, false);
    bed.client.config.tls.handshake_timeout_us = bed.server.config.tls.handshake_timeout_us = 20000;
    memory_set_faults(&(struct memory_faults){.delay_us = 30000});
    bed_start(&bed);
    bed_expect(&bed,
               side_count(&bed.client, masters_failed) >= 3 &&
                   side_count(&bed.server, masters_failed) >= 3,
               "a handshake that takes too long is given up, by both");
    ok(side_count(&bed.client, associations_total) == 0, "no association");
    bed_fini(&bed);
}

/* A client that asks for renewals without end gets eight at once and one each second, of which the
 * last one it asked for is the next. */
static void too_many_renewals(void)
{
    enum { ASKED = 100 };
    struct bed bed;
    bed_init(&bed, 1, 1, false);
    bed_start(&bed);
    bed_up(&bed);
    struct link *link = side_link(&bed.server);
    uint16_t stream = (uint16_t)(link->streams.max + 1);
    uint64_t begun = loop_now(bed.server.workers[0].loop);
    unsigned began = 0;
    for (uint8_t epoch = 1; epoch <= ASKED; epoch++) {
        link_renewal_asked(link, stream, epoch);
        began += link->masters.renewal.epoch == epoch;
        struct message *hello = message_new(100);
        hello->length = 100;
        hello->stream = stream;
        hello->epoch = epoch;
        if (link->masters.renewal.epoch != epoch)
            link->transport.events.on_message(&link->transport.events, hello);
        else
            message_free(hello);
    }
    ok(began == 8, "of %d renewals eight begin at once (%u)", ASKED, began);
    ok(link->masters.early.count == 1, "of the others one waits, with what came for it");
    bed_expect(&bed, link->masters.renewal.epoch == ASKED, "the last one has its time");
    ok(loop_now(bed.server.workers[0].loop) - begun > 900000, "a second later");
    ok(!loop_timer_is_set(&link->masters.next.timer) && !link->masters.early.count,
       "and no other waits");
    bed_fini(&bed);
}

int main(void)
{
    bed_main_begin();
    for (unsigned workers = 1; workers <= 3; workers++)
        renewals(workers);
    hasty_renewals();
    renewal_fails(true);
    renewal_fails(false);
    short_lifetime();
    clock_jumps();
    next_association();
    wrong_peer(true);
    wrong_peer(false);
    too_slow();
    too_many_renewals();
    message_cache_clear();
    return tap_done();
}
