/* HEARTBEAT and its answer (RFC 9260 sections 8.1 to 8.3). */
#include "sctp/heartbeat.h"

#include "tests/unit/sctp/pair.h"

#define SECOND   1000000u
#define INTERVAL (30 * SECOND)

/* ---- the peer's ---- */

static void ask(struct pair *pair, unsigned count, size_t length)
{
    uint8_t value[1500];
    struct pair_forged forged;
    pair_forge(pair, false, pair->a.association->own_tag, &forged);
    memset(value, 0x5a, sizeof value);
    for (unsigned i = 0; i < count; i++)
        sctp_wire_put_chunk(&forged.writer, SCTP_CHUNK_HEARTBEAT, 0, value, length);
    pair_inject(pair, false, &forged);
}

static bool keep_answer(struct pair *pair, struct pair_packet *packet)
{
    if (pair_has(packet, SCTP_CHUNK_HEARTBEAT_ACK))
        pair_keep(pair, packet);
    return true;
}

/* Section 8.3: from COOKIE_ECHOED on (who sent INIT), until SHUTDOWN or SHUTDOWN ACK is out. */
static void test_states(void)
{
    static const bool answers[] = {[SCTP_COOKIE_WAIT] = false,      [SCTP_COOKIE_ECHOED] = true,
                                   [SCTP_ESTABLISHED] = true,       [SCTP_SHUTDOWN_PENDING] = true,
                                   [SCTP_SHUTDOWN_SENT] = false,    [SCTP_SHUTDOWN_RECEIVED] = true,
                                   [SCTP_SHUTDOWN_ACK_SENT] = false};
    for (enum sctp_state state = SCTP_COOKIE_WAIT; state < SCTP_ENDED; state++) {
        struct pair pair;
        pair_prepare(&pair, 1, state);
        ask(&pair, 1, 20);
        ok(pair_sent(&pair, answers[state] ? "A HB_ACK" : ""), "state %d: %s", state,
           answers[state] ? "answered" : "not answered");
        pair_fini(&pair);
    }
}

static void test_echo(void)
{
    struct pair pair;
    struct sctp_chunk chunk = {0};
    uint8_t value[41];
    pair_prepare(&pair, 1, SCTP_ESTABLISHED);
    pair.filter = keep_answer;
    for (unsigned i = 0; i < sizeof value; i++)
        value[i] = (uint8_t)i;
    pair_inject_chunk(&pair, false, SCTP_CHUNK_HEARTBEAT, 0xff, value, sizeof value);
    ok(pair.kept && pair_find(pair.kept, SCTP_CHUNK_HEARTBEAT_ACK, &chunk) && !chunk.flags &&
           chunk.length == sizeof value && !memcmp(chunk.value, value, sizeof value),
       "the info goes back as it came, whatever it is");
    ok(!pair.a.association->heartbeat.echo_count, "nothing is kept");
    pair_clear(&pair);
    pair_inject_chunk(&pair, false, SCTP_CHUNK_HEARTBEAT, 0, NULL, 0);
    ok(pair_sent(&pair, "A HB_ACK"), "an empty one, too");
    pair_fini(&pair);
}

static void test_bounds(void)
{
    struct pair pair;
    pair_prepare(&pair, 1, SCTP_ESTABLISHED);
    ask(&pair, 10, 100);
    ok(pair_sent(&pair, "A HB_ACK+HB_ACK+HB_ACK+HB_ACK"), "at most %d of one batch are answered",
       SCTP_HEARTBEAT_ECHOES);
    pair_clear(&pair);
    ask(&pair, 1, 1452 - 12 - 4 - 3 - 40);
    ok(pair_sent(&pair, "A HB_ACK"), "the longest one that fits a packet");
    pair_clear(&pair);
    ask(&pair, 1, 1452 - 12 - 4 - 2 - 40);
    ok(pair_sent(&pair, "") && pair.a.association->counters.rejected == 7,
       "a longer one is dropped, and counted");
    pair_clear(&pair);
    ask(&pair, 2, 900);
    ok(pair_sent(&pair, "A HB_ACK, A HB_ACK"), "two that do not fit one packet go in two");
    pair_fini(&pair);
}

/* By the net on which it was asked; and what is owed there does not hold up anything. */
static void test_nets(void)
{
    struct pair pair;
    struct sctp_wants wants;
    uint8_t room[1500];
    pair_prepare(&pair, 1, SCTP_ESTABLISHED);
    struct sctp_association *a = pair.a.association;
    struct sctp_chunk chunk = {.value = (const uint8_t *)"abcdefg", .length = 7};
    sctp_heartbeat_asked(a, 3, &chunk);
    sctp_heartbeat_asked(a, 0, &chunk);
    ok(sctp_association_wants(a, pair.now_us, &wants) && wants.net == 3 && !wants.full,
       "the first answer goes by net 3");
    ok(sctp_association_output(a, pair.now_us, &wants, room) == 12 + 12, "it alone");
    ok(sctp_association_wants(a, pair.now_us, &wants) && wants.net == 0, "the next by net 0");
    ok(sctp_association_output(a, pair.now_us, &wants, room) == 12 + 12, "it alone");
    ok(!sctp_association_wants(a, pair.now_us, &wants), "no more");

    sctp_heartbeat_asked(a, 3, &chunk);
    uint32_t oversized;
    sctp_association_net_mtu(a, 3, 600, &oversized);
    ok(!sctp_association_wants(a, pair.now_us, &wants),
       "a path whose MTU shrinks has no answers under way that may not fit");
    ok(a->nets[3]->mtu == 600 && oversized == 0, "its MTU is known");
    pair_fini(&pair);
}

/* ---- our own ---- */

static void open_with(struct pair *pair, uint64_t seed)
{
    pair_init(pair, seed);
    pair->options[0].heartbeat_us = INTERVAL;
    pair_up(pair);
    pair_clear(pair);
}

static void test_own(uint64_t seed)
{
    struct pair pair;
    open_with(&pair, seed);
    struct sctp_association *a = pair.a.association;
    uint64_t rto = sctp_net_rto(a->nets[0], &a->options), begun = pair.now_us - SECOND;
    pair.delay_us = 50000;
    pair_run(&pair, INTERVAL + 2 * SECOND);
    ok(pair_sent(&pair, "A HB, B HB_ACK"), "one on an idle path, and its answer");
    ok(!a->heartbeat.asked_us && a->nets[0]->srtt_us == 20000 + 80000 / 8,
       "which is a round trip: SRTT is %llu us", (unsigned long long)a->nets[0]->srtt_us);
    ok(a->recovery.errors == 0 && a->nets[0]->errors == 0, "no error");
    uint64_t due = a->heartbeat.next_us - begun;
    ok(due >= 2 * INTERVAL && due <= 2 * (INTERVAL + 2 * rto), "the next after HB.interval + RTO");
    pair_fini(&pair);
}

static void test_jitter(void)
{
    uint64_t least = SCTP_NEVER, most = 0;
    for (unsigned i = 0; i < 200; i++) {
        struct pair pair;
        pair_init(&pair, i);
        struct sctp_association *a = sctp_association_new(&pair.options[0], 0);
        a->options.heartbeat_us = INTERVAL;
        sctp_heartbeat_init(a, 5);
        uint64_t after = a->heartbeat.next_us - 5 - INTERVAL;
        least = after < least ? after : least;
        most = after > most ? after : most;
        sctp_association_free(a);
        pair_fini(&pair);
    }
    ok(least >= SECOND / 2 && least < SECOND * 6 / 10 && most <= SECOND * 3 / 2 &&
           most > SECOND * 14 / 10,
       "RTO of 1 s plus or minus half of it: %llu to %llu us", (unsigned long long)least,
       (unsigned long long)most);
}

static void test_busy(uint64_t seed)
{
    struct pair pair;
    open_with(&pair, seed);
    for (unsigned i = 0; i < 100; i++) {
        pair_say(&pair, false, 1, 50);
        pair_run(&pair, SECOND);
    }
    ok(!strstr(pair.log, "HB"), "none on a path that data tells of");
    pair_fini(&pair);

    open_with(&pair, seed);
    sctp_association_shutdown(pair.a.association, pair.now_us);
    pair.is_cut = true;
    pair_run(&pair, 200 * SECOND);
    ok(!strstr(pair.log, "HB"), "none once SHUTDOWN is out");
    pair_fini(&pair);

    pair_init(&pair, seed);
    pair_up(&pair);
    pair_clear(&pair);
    pair_run(&pair, 10000 * (uint64_t)SECOND);
    ok(pair_sent(&pair, ""), "none at all without an interval");
    pair_fini(&pair);
}

static void test_dead(uint64_t seed)
{
    struct pair pair;
    open_with(&pair, seed);
    pair.is_cut = true;
    pair.a.association->options.retransmissions = 3;
    pair_run(&pair, 200 * SECOND + INTERVAL);
    ok(pair.a.association->nets[0]->errors > 0, "unanswered ones count (8.3)");
    pair_run(&pair, 10 * (INTERVAL + 60 * SECOND));
    ok(pair_is_down(&pair.a, ERR_TRANSPORT_LOST), "more than Association.Max.Retrans: lost (8.1)");
    unsigned sent = 0;
    for (const char *at = pair.log; (at = strstr(at, "HB")); at++)
        sent++;
    ok(sent == 4, "%u were sent", sent);
    pair_fini(&pair);
}

static void test_recovers(uint64_t seed)
{
    struct pair pair;
    open_with(&pair, seed);
    struct sctp_association *a = pair.a.association;
    pair.is_cut = true;
    pair_run(&pair, 100 * SECOND);
    ok(a->recovery.errors == 2 && a->heartbeat.unanswered == 2, "two without an answer");
    pair.is_cut = false;
    pair_run(&pair, 60 * SECOND);
    ok(!a->recovery.errors && !a->heartbeat.unanswered && !a->nets[0]->errors,
       "one answer clears the counters");
    pair_fini(&pair);
}

static bool keep_own(struct pair *pair, struct pair_packet *packet)
{
    if (pair_has(packet, SCTP_CHUNK_HEARTBEAT))
        pair_keep(pair, packet);
    return false;
}

/* By the net in use, whose round trip it is; one without an answer counts once. */
static void test_net_in_use(uint64_t seed)
{
    struct pair pair;
    open_with(&pair, seed);
    struct sctp_association *a = pair.a.association;
    sctp_association_net_use(a, pair.now_us, 3);
    pair_run(&pair, 2 * INTERVAL + 5 * SECOND);
    ok(a->heartbeat.net == 3 && a->nets[3]->srtt_us == 20000, "by net 3");
    uint64_t nonce = a->heartbeat.nonce;
    pair.is_cut = true;
    pair_run(&pair, INTERVAL);
    ok(a->heartbeat.asked_us && a->heartbeat.nonce != nonce, "each has a nonce of its own");
    while (a->heartbeat.unanswered == 0)
        must(pair_step(&pair, pair.now_us + 100 * SECOND));
    pair.is_cut = false;
    for (unsigned i = 0; i < 100; i++) {
        pair_say(&pair, false, 1, 50);
        pair_run(&pair, SECOND);
    }
    ok(a->heartbeat.unanswered <= 2, "one that got no answer is counted once");
    pair_fini(&pair);
}

static void test_forged(uint64_t seed)
{
    struct pair pair;
    struct sctp_chunk chunk = {0};
    open_with(&pair, seed);
    struct sctp_association *a = pair.a.association;
    pair.filter = keep_own;
    pair_run(&pair, INTERVAL + 2 * SECOND);
    must(pair.kept && pair_find(pair.kept, SCTP_CHUNK_HEARTBEAT, &chunk));
    uint8_t info[64];
    must(chunk.length == 16);
    memcpy(info, chunk.value, chunk.length);
    uint64_t srtt = a->nets[0]->srtt_us;
    for (unsigned i = 0; i < chunk.length; i++) {
        info[i] ^= 1;
        pair_inject_chunk(&pair, false, SCTP_CHUNK_HEARTBEAT_ACK, 0, info, chunk.length);
        info[i] ^= 1;
    }
    for (unsigned i = 0; i < chunk.length; i++)
        pair_inject_chunk(&pair, false, SCTP_CHUNK_HEARTBEAT_ACK, 0, info, i);
    ok(a->heartbeat.asked_us && a->nets[0]->srtt_us == srtt && a->counters.rejected == 32,
       "an answer with any other bit or length is not one");
    pair_inject_chunk(&pair, false, SCTP_CHUNK_HEARTBEAT_ACK, 0, info, chunk.length);
    ok(!a->heartbeat.asked_us, "the right one is");
    srtt = a->nets[0]->srtt_us;
    pair.now_us += 5 * SECOND;
    pair_inject_chunk(&pair, false, SCTP_CHUNK_HEARTBEAT_ACK, 0, info, chunk.length);
    ok(a->nets[0]->srtt_us == srtt, "once");
    pair_fini(&pair);
}

int main(void)
{
    test_states();
    test_echo();
    test_bounds();
    test_nets();
    test_jitter();
    for (uint64_t seed = 1; seed <= 3; seed++) {
        test_own(seed);
        test_busy(seed);
        test_dead(seed);
        test_recovers(seed);
        test_net_in_use(seed);
        test_forged(seed);
    }
    return tap_done();
}
