/* INIT is sent by the caller, who may send it by several paths: what the engine learns from it. */
#include "tests/unit/sctp/pair.h"

static unsigned cookies;

static bool lose_first_cookie(struct pair *pair, struct pair_packet *packet)
{
    (void)pair;
    return !pair_has(packet, SCTP_CHUNK_COOKIE_ECHO) || ++cookies > 1;
}

static void begin(struct pair *pair)
{
    pair_init(pair, tap_seed());
    pair->options[0].init_by_caller = true;
    pair->filter = lose_first_cookie;
    cookies = 0;
    pair_connect(pair);
    must(!pair->a.sent);
}

static void send_init(struct pair *pair)
{
    uint8_t bytes[512];
    size_t length = sctp_association_init_packet(pair->a.association, bytes, sizeof bytes);
    must(length);
    sctp_association_init_sent(pair->a.association, pair->now_us);
    pair_send(pair, pair_new(true, 0, bytes, length));
}

/* The round trip is 20 ms. */
static void measured(void)
{
    struct pair pair;
    begin(&pair);
    send_init(&pair);
    pair_run(&pair, 25000);
    ok(pair.a.association->nets[0]->srtt_us == 20000, "INIT and its answer are a round trip");
    ok(cookies == 1 && !pair_told(&pair.a, SCTP_EVENT_UP), "the cookie is lost");
    pair_run(&pair, 250000);
    ok(cookies == 2 && pair_told(&pair.a, SCTP_EVENT_UP),
       "and repeated after RTO.Min, not RTO.Initial");
    pair_fini(&pair);
}

/* Karn's rule. */
static void repeated(void)
{
    struct pair pair;
    begin(&pair);
    send_init(&pair);
    pair_run(&pair, 15000);
    send_init(&pair);
    pair_run(&pair, 6000);
    ok(!pair.a.association->nets[0]->srtt_us, "an INIT that was repeated measures nothing");
    pair_fini(&pair);
}

int main(void)
{
    measured();
    repeated();
    return tap_done();
}
