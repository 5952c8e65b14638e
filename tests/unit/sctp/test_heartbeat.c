/* The answer to HEARTBEAT (RFC 9260 section 8.3). */
#include "sctp/replies.h"

#include "tests/unit/sctp/pair.h"

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
    ok(!pair.a.association->replies.ack_count, "nothing is kept");
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
       SCTP_HEARTBEAT_ACKS);
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
    sctp_replies_heartbeat(a, 3, &chunk);
    sctp_replies_heartbeat(a, 0, &chunk);
    ok(sctp_association_wants(a, pair.now_us, &wants) && wants.net == 3 && !wants.full,
       "the first answer goes by net 3");
    ok(sctp_association_output(a, pair.now_us, &wants, room) == 12 + 12, "it alone");
    ok(sctp_association_wants(a, pair.now_us, &wants) && wants.net == 0, "the next by net 0");
    ok(sctp_association_output(a, pair.now_us, &wants, room) == 12 + 12, "it alone");
    ok(!sctp_association_wants(a, pair.now_us, &wants), "no more");

    sctp_replies_heartbeat(a, 3, &chunk);
    sctp_association_net_mtu(a, pair.now_us, 3, 600);
    ok(!sctp_association_wants(a, pair.now_us, &wants),
       "a path whose MTU shrinks has no answers under way that may not fit");
    ok(a->nets[3]->mtu == 600, "its MTU is known");
    pair_fini(&pair);
}

/* The engine asks nothing: an answer is one to a question of somebody else. */
static void test_answers(void)
{
    struct pair pair;
    pair_prepare(&pair, 1, SCTP_ESTABLISHED);
    pair_inject_chunk(&pair, false, SCTP_CHUNK_HEARTBEAT_ACK, 0, "abcd", 4);
    ok(pair_sent(&pair, "") && pair.a.association->counters.rejected == 1, "it is dropped");
    pair_run(&pair, 10000 * (uint64_t)1000000);
    ok(pair_sent(&pair, ""), "an idle association sends none");
    pair_fini(&pair);
}

int main(void)
{
    test_states();
    test_echo();
    test_bounds();
    test_nets();
    test_answers();
    return tap_done();
}
