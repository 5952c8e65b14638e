/* Several nets: where answers go, and what is known of a net before data have gone there. */
#include "tests/unit/sctp/pair.h"

static unsigned sacks[2], datas;
static bool dead[2]; /* nothing arrives on that net */

static bool look(struct pair *pair, struct pair_packet *packet)
{
    (void)pair;
    if (!packet->to_b && pair_has(packet, SCTP_CHUNK_SACK))
        sacks[packet->net]++;
    datas += packet->to_b && pair_has(packet, SCTP_CHUNK_DATA);
    return !dead[packet->net];
}

static void begin(struct pair *pair)
{
    pair_init(pair, tap_seed());
    pair_up(pair);
    pair->filter = look;
    sacks[0] = sacks[1] = datas = 0;
    dead[0] = dead[1] = false;
}

/* RFC 9260 section 6.4. */
static void answers_by_the_same(bool with_data)
{
    struct pair pair;
    begin(&pair);
    dead[0] = true; /* A has noticed, B has not */
    sctp_association_net_use(pair.a.association, pair.now_us, 1);
    for (unsigned i = 0; i < 6; i++) {
        if (with_data)
            must(pair_say(&pair, true, 1, 50) == ERR_OK);
        must(pair_say(&pair, false, 1, 1000) == ERR_OK);
        pair_run(&pair, 40000);
    }
    struct sctp_status status;
    sctp_association_status(pair.a.association, &status);
    ok(sacks[1] >= 5 && !status.timeouts && !status.probes,
       "%s: SACKs go back by the net on which DATA came (%u)",
       with_data ? "with data of its own" : "alone", sacks[1]);
    ok(with_data || !sacks[0], "and by no other");
    pair_fini(&pair);
}

enum told { NEVER, FIRST, IN_USE, IN_FLIGHT }; /* when the net's round trip is */

static void tell(struct pair *pair, bool now)
{
    if (now)
        sctp_association_net_rtt(pair->a.association, pair->now_us, 1, 20000);
}

/* The first packet on a net is lost. Returns after how long it is sent again. */
static uint64_t repeated_after(enum told told)
{
    struct pair pair;
    begin(&pair);
    tell(&pair, told == FIRST);
    sctp_association_net_use(pair.a.association, pair.now_us, 1);
    tell(&pair, told == IN_USE);
    dead[1] = true;
    must(pair_say(&pair, false, 1, 1000) == ERR_OK);
    must(datas == 1);
    tell(&pair, told == IN_FLIGHT);
    ok(told == NEVER || pair.a.association->nets[1]->srtt_us == 20000, "the round trip is taken");
    uint64_t begun = pair.now_us;
    while (datas == 1 && pair.now_us < begun + 5000000)
        pair_run(&pair, 1000);
    uint64_t took = pair.now_us - begun;
    pair_fini(&pair);
    return took;
}

static void known_before(void)
{
    static const char *const when[] = {"", "before its use", "before data", "after data were sent"};
    uint64_t unknown = repeated_after(NEVER);
    ok(unknown >= 500000, "of a net of which nothing is known what is lost waits long (%.3f s)",
       (double)unknown / 1e6);
    for (enum told told = FIRST; told <= IN_FLIGHT; told++) {
        uint64_t known = repeated_after(told);
        /* A probe is set when data go: afterwards only the time-out hears of the round trip. */
        ok(known <= (told == IN_FLIGHT ? 200000 : 100000),
           "where its round trip is told %s, some of them (%.3f s)", when[told],
           (double)known / 1e6);
    }
    struct pair pair;
    begin(&pair);
    uint64_t before = pair.a.association->nets[0]->srtt_us;
    sctp_association_net_rtt(pair.a.association, pair.now_us, 0, 7);
    ok(before && pair.a.association->nets[0]->srtt_us == before, "data know better");
    pair_fini(&pair);
}

int main(void)
{
    answers_by_the_same(false);
    answers_by_the_same(true);
    known_before();
    return tap_done();
}
