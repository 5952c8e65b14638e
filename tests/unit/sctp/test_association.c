/* An association from outside: its user's calls, events in their order, time-outs, nets, status. */
#include "tests/unit/sctp/pair.h"

#include "sctp/congestion.h"
#include "sctp/handshake.h"
#include "sctp/receiving.h"
#include "sctp/replies.h"

#define SECOND 1000000u

static void test_defaults(void)
{
    struct sctp_options options;
    sctp_association_defaults(&options);
    ok(options.sack_delay_us <= 500000, "a SACK waits at most 500 ms (6.2)");
    ok(options.rto_initial_us == SECOND && options.rto_max_us == 60 * (uint64_t)SECOND &&
           options.retransmissions == 10 && options.init_retransmissions == 8,
       "RFC 9260 section 16");
    ok(options.rto_min_us <= options.rto_initial_us && options.buffer >= 1500, "they fit together");
    ok(options.congestion != NULL, "congestion control");
}

/* ---- send ---- */

static enum err try(struct pair *pair, uint16_t stream, size_t length)
{
    struct message *message = pair_message(stream, length, 1);
    enum err e = sctp_association_send(pair->a.association, pair->now_us, message);
    if (e != ERR_OK)
        message_free(message);
    return e;
}

static void test_send(void)
{
    static const enum err answers[] = {ERR_AGAIN,
                                       ERR_AGAIN,
                                       ERR_OK,
                                       ERR_TRANSPORT_CLOSED,
                                       ERR_TRANSPORT_CLOSED,
                                       ERR_TRANSPORT_CLOSED,
                                       ERR_TRANSPORT_CLOSED,
                                       ERR_TRANSPORT_CLOSED};
    for (enum sctp_state state = SCTP_COOKIE_WAIT; state <= SCTP_ENDED; state++) {
        struct pair pair;
        pair_prepare(&pair, 1, state);
        ok(try(&pair, 0, 10) == answers[state], "state %d: %s", state, err_name(answers[state]));
        pair_fini(&pair);
    }
    struct pair pair;
    pair_prepare(&pair, 1, SCTP_ESTABLISHED);
    ok(try(&pair, 15, 1) == ERR_OK && try(&pair, 16, 1) == ERR_TRANSPORT_STREAM &&
           try(&pair, 65535, MESSAGE_MAX) == ERR_TRANSPORT_STREAM,
       "streams are those that were granted (5.1.1)");
    pair_fini(&pair);
}

/* Between ANSWERED and the next output, once, on stream 0, at most 1000 bytes. */
static void test_early(void)
{
    struct pair pair;
    struct sctp_event event;
    pair_prepare(&pair, 1, SCTP_COOKIE_WAIT);
    struct sctp_association *a = pair.a.association;
    static const uint8_t init_ack[] = "\1\2\3\4\0\1\0\0\0\1\0\1\0\0\0\1\0\7\0\10cook";
    struct sctp_chunk chunk = {.value = init_ack, .length = 24};
    sctp_handshake_init_ack(a, pair.now_us, 0, &chunk);
    must(a->state == SCTP_COOKIE_ECHOED);
    ok(try(&pair, 0, 10) == ERR_AGAIN, "not before ANSWERED is pulled");
    ok(sctp_association_event(a, &event) && event.kind == SCTP_EVENT_ANSWERED, "ANSWERED");
    ok(!sctp_association_event(a, &event), "once");
    ok(try(&pair, 1, 10) == ERR_AGAIN && try(&pair, 0, 1001) == ERR_AGAIN,
       "not on another stream, not more than 1000 bytes");
    ok(try(&pair, 0, 1000) == ERR_OK, "1000 bytes on stream 0");
    ok(try(&pair, 0, 1) == ERR_AGAIN, "one message");
    pair_pump(&pair, false);
    ok(pair_sent(&pair, "A COOKIE+DATA"), "it goes with COOKIE ECHO");
    pair_inject_chunk(&pair, false, SCTP_CHUNK_COOKIE_ACK, 0, NULL, 0);
    ok(pair_told(&pair.a, SCTP_EVENT_UP) && pair_told(&pair.a, SCTP_EVENT_WRITABLE),
       "who was told ERR_AGAIN is told when it is up");
    pair_fini(&pair);

    pair_prepare(&pair, 1, SCTP_COOKIE_WAIT);
    sctp_handshake_init_ack(pair.a.association, pair.now_us, 0, &chunk);
    pair_pump(&pair, false);
    ok(try(&pair, 0, 10) == ERR_AGAIN, "not after COOKIE ECHO");
    pair_fini(&pair);
}

static void test_writable(uint64_t seed)
{
    struct pair pair;
    pair_init(&pair, seed);
    pair_up(&pair);
    unsigned count = 0;
    while (pair_say(&pair, false, 1, 10000) == ERR_OK)
        must(++count < 100);
    ok(!pair_told(&pair.a, SCTP_EVENT_WRITABLE), "the queue is short: %u messages", count);
    pair_run(&pair, SECOND);
    ok(pair_told(&pair.a, SCTP_EVENT_WRITABLE), "WRITABLE follows ERR_AGAIN");
    unsigned events = pair.a.event_count;
    pair_run(&pair, SECOND);
    ok(pair.a.event_count == events && pair.b.messages.count == count, "once");
    pair_fini(&pair);
}

/* ---- events ---- */

/* Everything in one batch: what it was, before how it ended. */
static void test_events(void)
{
    struct pair pair;
    struct sctp_event event;
    pair_prepare(&pair, 1, SCTP_COOKIE_ECHOED);
    struct sctp_association *a = pair.a.association;
    struct pair_forged forged;
    uint8_t value[16] = {0};
    struct wire_writer writer = wire_writer(value, sizeof value);
    wire_put_u32(&writer, a->receiving.map.cumulative + 1);
    wire_put_u32(&writer, 0);
    wire_put_u32(&writer, 0x48575301u);
    pair_forge(&pair, false, a->own_tag, &forged);
    sctp_wire_put_chunk(&forged.writer, SCTP_CHUNK_COOKIE_ACK, 0, NULL, 0);
    sctp_wire_put_chunk(&forged.writer, SCTP_CHUNK_DATA, 3, value, sizeof value);
    writer = wire_writer(value, sizeof value);
    wire_put_u32(&writer, a->flight.una - 1);
    sctp_wire_put_chunk(&forged.writer, SCTP_CHUNK_SHUTDOWN, 0, value, 4);
    sctp_wire_put_chunk(&forged.writer, SCTP_CHUNK_ABORT, 0, "\0\14\0\6ab", 6);
    size_t length = (size_t)(forged.writer.at - forged.bytes);
    sctp_association_input(a, pair.now_us, 0, forged.bytes, length);
    sctp_association_input_end(a, pair.now_us);
    static const enum sctp_event_kind kinds[] = {SCTP_EVENT_UP, SCTP_EVENT_MESSAGE,
                                                 SCTP_EVENT_PEER_CLOSING, SCTP_EVENT_DOWN};
    for (unsigned i = 0; i < 4; i++) {
        ok(sctp_association_event(a, &event) && event.kind == kinds[i], "event %d is %u", kinds[i],
           i);
        if (event.kind == SCTP_EVENT_MESSAGE)
            message_free(event.message);
    }
    ok(event.reason == ERR_TRANSPORT_ABORTED && event.text_length == 2 &&
           !memcmp(event.text, "ab", 2),
       "the last one says why");
    ok(!sctp_association_event(a, &event), "nothing follows DOWN");
    pair_fini(&pair);
}

/* An end that aborts hears no message any more. */
static void test_muted(void)
{
    struct pair pair;
    struct sctp_event event;
    pair_init(&pair, 1);
    pair_up(&pair);
    must(sctp_association_send(pair.b.association, pair.now_us, pair_message(1, 10, 1)) == ERR_OK);
    struct sctp_wants wants;
    uint8_t room[2000];
    must(sctp_association_wants(pair.b.association, pair.now_us, &wants));
    size_t length = sctp_association_output(pair.b.association, pair.now_us, &wants, room);
    sctp_association_input(pair.a.association, pair.now_us, 0, room, length);
    sctp_association_input_end(pair.a.association, pair.now_us);
    sctp_association_abort(pair.a.association, NULL);
    ok(sctp_association_event(pair.a.association, &event) && event.kind == SCTP_EVENT_DOWN &&
           event.reason == ERR_LOCAL_SHUTDOWN && !event.text_length,
       "DOWN, and no message before it");
    pair_fini(&pair);
}

/* Fragments without an end: more than MESSAGE_MAX bytes of them. */
static void test_too_long(void)
{
    struct pair pair;
    pair_prepare(&pair, 1, SCTP_ESTABLISHED);
    struct sctp_association *a = pair.a.association;
    uint8_t value[12 + 1400] = {0};
    for (unsigned i = 0; i * 1400 <= MESSAGE_MAX && a->state == SCTP_ESTABLISHED; i++) {
        struct wire_writer writer = wire_writer(value, sizeof value);
        wire_put_u32(&writer, a->receiving.map.cumulative + 1);
        wire_put_u32(&writer, 0);
        wire_put_u32(&writer, 0x48575301u);
        pair_clear(&pair);
        pair_inject_chunk(&pair, false, SCTP_CHUNK_DATA, i ? 0 : SCTP_FLAG_BEGIN, value,
                          sizeof value);
    }
    ok(pair_is_down(&pair.a, ERR_CONTROL_PROTOCOL) && pair_sent(&pair, "A ABORT") &&
           pair.a.down.text_length == 16 && !memcmp(pair.a.text, "message too long", 16),
       "a message that is too long: ABORT, and the user is told");
    pair_fini(&pair);
}

/* ---- silence ---- */

static void test_silence(uint64_t seed, bool wraps)
{
    struct pair pair;
    pair_init(&pair, seed);
    pair.wraps = wraps;
    pair.options[0].retransmissions = 4;
    pair_up(&pair);
    pair_say(&pair, false, 1, 100);
    pair_run(&pair, SECOND);
    pair.is_cut = true;
    uint64_t begun = pair.now_us;
    pair_say(&pair, false, 1, 100);
    while (pair.a.down.kind != SCTP_EVENT_DOWN && pair_step(&pair, begun + 1000 * SECOND))
        ;
    const struct sctp_association *a = pair.a.association;
    ok(pair_is_down(&pair.a, ERR_TRANSPORT_LOST) && !pair.a.down.text_length,
       "no answer to data: lost (8.1), after %llu ms",
       (unsigned long long)(pair.now_us - begun) / 1000);
    ok(a->counters.timeouts == 4 || a->counters.timeouts == 5, "after %llu time-outs",
       (unsigned long long)a->counters.timeouts);
    ok(sctp_association_deadline(a) == SCTP_NEVER, "no timer is left");
    pair_fini(&pair);

    /* A packet in between resets the count. */
    pair_init(&pair, seed);
    pair.wraps = wraps;
    pair.options[0].retransmissions = 4;
    pair_up(&pair);
    for (unsigned i = 0; i < 10; i++) {
        pair.is_cut = true;
        pair_say(&pair, false, 1, 100);
        pair_run(&pair, SECOND);
        pair.is_cut = false;
        pair_run(&pair, 10 * SECOND);
    }
    ok(pair.b.messages.count == 10 && pair.a.association->recovery.errors == 0,
       "an acknowledgement clears the counter");
    pair_fini(&pair);
}

static void test_nobody(void)
{
    struct pair pair;
    pair_prepare(&pair, 1, SCTP_COOKIE_WAIT);
    pair_run(&pair, 1000 * SECOND);
    ok(pair_is_down(&pair.a, ERR_TRANSPORT_TIMEOUT), "INIT without an answer");
    ok(pair.a.sent == 1 + pair.options[0].init_retransmissions, "%u INITs", pair.a.sent);
    pair_fini(&pair);
    pair_prepare(&pair, 1, SCTP_COOKIE_ECHOED);
    pair_run(&pair, 1000 * SECOND);
    ok(pair_is_down(&pair.a, ERR_TRANSPORT_TIMEOUT), "COOKIE ECHO without an answer");
    ok(pair.a.sent == 2 + pair.options[0].init_retransmissions, "%u packets", pair.a.sent);
    pair_fini(&pair);
}

/* ---- nets ---- */

static bool is_dead(struct pair *pair, struct pair_packet *packet)
{
    const unsigned *dead = pair->context;
    return packet->net != *dead;
}

static void test_nets(uint64_t seed)
{
    struct pair pair;
    struct sctp_net_status status;
    unsigned dead = 0;
    pair_init(&pair, seed);
    pair_up(&pair);
    struct sctp_association *a = pair.a.association;
    ok(sctp_association_net_status(a, 0, &status) && status.srtt_us == 20000 &&
           status.min_rtt_us == 20000 && status.mtu == 1452 && !strcmp(status.congestion, "bbr"),
       "net 0: a round trip of %u us", status.srtt_us);
    ok(!sctp_association_net_status(a, 1, &status) && !sctp_association_net_status(a, 99, &status),
       "others were never used");
    pair.filter = is_dead;
    pair.context = &dead;
    pair_say(&pair, false, 1, 5000);
    ok(a->nets[0]->in_flight > 5000, "on its way by net 0, which is dead");
    sctp_association_net_use(a, pair.now_us, 2);
    sctp_association_net_use(pair.b.association, pair.now_us, 2);
    sctp_association_net_fail(a, pair.now_us, 0);
    pair_pump(&pair, false);
    ok(a->nets[0]->in_flight == 0 && a->nets[2]->in_flight > 5000, "all goes by net 2 at once");
    pair_run(&pair, 100000);
    ok(pair.b.messages.count == 1 && a->flight.una == a->flight.next_tsn, "and arrives");
    ok(sctp_association_net_status(a, 2, &status) && status.in_flight == 0, "net 2 has a status");

    a->nets[2]->srtt_us = 77;
    sctp_association_net_reset(a, pair.now_us, 2);
    ok(a->nets[2]->srtt_us == 0, "a path that is another one: nothing is known of it");
    sctp_association_net_reset(a, pair.now_us, 5);
    sctp_association_net_fail(a, pair.now_us, 5);
    ok(!a->nets[5], "one that was never used stays so");
    pair_fini(&pair);
}

/* A net keeps what it knows for ten seconds. */
static void test_stale_net(void)
{
    struct pair pair;
    pair_init(&pair, 1);
    pair_up(&pair);
    struct sctp_association *a = pair.a.association;
    pair_say(&pair, false, 1, 100);
    pair_run(&pair, SECOND);
    uint64_t srtt = a->nets[0]->srtt_us;
    sctp_association_net_use(a, pair.now_us, 1);
    pair.now_us += 8 * SECOND;
    sctp_association_net_use(a, pair.now_us, 0);
    ok(srtt && a->nets[0]->srtt_us == srtt, "back after 9 s: as it was");
    sctp_association_net_use(a, pair.now_us, 1);
    pair.now_us += 11 * SECOND;
    sctp_association_net_use(a, pair.now_us, 0);
    ok(a->nets[0]->srtt_us == 0, "after 20 s: afresh");
    pair_fini(&pair);
}

static void test_mtu(void)
{
    struct pair pair;
    pair_init(&pair, 1);
    pair_up(&pair);
    struct sctp_association *a = pair.a.association;
    pair.is_cut = true;
    pair_say(&pair, false, 1, 5000);
    sctp_association_net_mtu(a, pair.now_us, 0, 1000);
    ok(a->nets[0]->mtu == 1000 && a->nets[0]->congestion->mss == 1000,
       "congestion control counts in packets of the new size");
    sctp_association_net_mtu(a, pair.now_us, 4, 1300);
    ok(a->nets[4] && a->nets[4]->mtu == 1300, "also of a net that is not used yet");
    pair_fini(&pair);
}

/* ---- status ---- */

static void test_buffer(void)
{
    struct pair pair;
    pair_init(&pair, 1);
    pair.options[1].buffer = 20000;
    pair_up(&pair);
    struct sctp_association *a = pair.a.association, *b = pair.b.association;
    ok(sctp_association_own_tag(a) == sctp_association_peer_tag(b) &&
           sctp_association_own_tag(b) == sctp_association_peer_tag(a),
       "each knows the other's tag");
    ok(a->sending.peer_window == 20000, "a small buffer");
    sctp_association_set_buffer(b, 1000000);
    pair_pump(&pair, true);
    pair_run(&pair, SECOND);
    ok(a->sending.peer_window == 1000000, "a larger one is told at once");
    ok(sctp_association_pace(a) == a->nets[0]->congestion->pace / 500, "what leaves in 2 ms");
    pair_fini(&pair);
}

static void test_status(void)
{
    struct pair pair;
    struct sctp_status status;
    pair_init(&pair, 1);
    pair_connect(&pair);
    sctp_association_status(pair.a.association, &status);
    ok(!status.is_up && status.packets_out == 1 && !status.packets_in, "one INIT");
    pair_run(&pair, SECOND);
    for (unsigned i = 0; i < 3; i++)
        pair_say(&pair, false, 1, 100);
    pair_run(&pair, SECOND);
    sctp_association_status(pair.a.association, &status);
    ok(status.is_up && status.is_hawser && status.streams == 16 && status.messages_out == 3 &&
           status.packets_in == 2 + pair.b.sent - 2 && status.packets_out == pair.a.sent,
       "as it was");
    ok(!status.queued && !status.held && status.memory < 8000, "idle: %zu bytes", status.memory);
    sctp_association_status(pair.b.association, &status);
    ok(status.messages_in == 3, "three at the other");
    sctp_association_abort(pair.a.association, NULL);
    sctp_association_status(pair.a.association, &status);
    ok(!status.is_up, "over");
    pair_fini(&pair);
    sctp_association_free(NULL);
}

/* ---- keys ---- */

static void test_keys(void)
{
    struct pair pair;
    static const uint8_t key[SCTP_KEY_MAX] = "a key";
    pair_init(&pair, 1);
    pair_up(&pair);
    struct sctp_association *a = pair.a.association;
    ok(sctp_association_auth_add(a, 1, key, sizeof key) == ERR_TRANSPORT_AUTH &&
           sctp_association_auth_use(a, 1) == ERR_TRANSPORT_AUTH &&
           sctp_association_auth_drop(a, 1) == ERR_TRANSPORT_AUTH,
       "no keys without RFC 4895");
    pair_fini(&pair);

    pair_init(&pair, 1);
    pair.options[0].auth = pair.options[1].auth = true;
    pair_up(&pair);
    a = pair.a.association;
    for (unsigned i = 0; i < 2; i++) {
        struct sctp_association *one = i ? pair.b.association : a;
        must(sctp_association_auth_add(one, 1, key, sizeof key) == ERR_OK);
    }
    pair_say(&pair, false, 1, 3000);
    ok(sctp_association_auth_use(a, 1) == ERR_OK, "a new key");
    pair_pump(&pair, false);
    ok(!pair_told(&pair.a, SCTP_EVENT_AUTH_SETTLED), "what is in flight has the old one");
    pair_run(&pair, SECOND);
    ok(pair_told(&pair.a, SCTP_EVENT_AUTH_SETTLED) && pair.a.key == 1, "AUTH_SETTLED, once it has "
                                                                       "arrived");
    ok(sctp_association_auth_drop(pair.b.association, 0) != ERR_OK, "B sends with the old one");
    pair_say(&pair, false, 1, 3000);
    pair_run(&pair, SECOND);
    ok(pair.b.messages.count == 2 && sctp_association_was_authentic(pair.b.association),
       "the new one is good");
    pair_fini(&pair);
}

int main(void)
{
    test_defaults();
    test_send();
    test_early();
    for (uint64_t seed = 1; seed <= 3; seed++) {
        test_writable(seed);
        test_silence(seed, false);
        test_silence(seed, true);
        test_nets(seed);
    }
    test_events();
    test_muted();
    test_too_long();
    test_nobody();
    test_buffer();
    test_stale_net();
    test_mtu();
    test_status();
    test_keys();
    return tap_done();
}
