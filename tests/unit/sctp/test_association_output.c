/* Packets out: order and company of chunks (RFC 9260 sections 3, 5.1, 6.10), their size, what is
 * authenticated (RFC 4895 section 6.2), and what wants says of the packet that follows. */
#include "tests/unit/sctp/pair.h"

#include "sctp/handshake.h"
#include "sctp/receiving.h"
#include "sctp/replies.h"

#define SECOND 1000000u

/* ---- how it begins ---- */

static bool check_first(struct pair *pair, struct pair_packet *packet)
{
    struct pair_types types = pair_types(packet);
    struct sctp_association *a = pair->a.association, *b = pair->b.association;
    uint32_t tag = sctp_wire_u32(packet->bytes + 4);
    bool *wrong = pair->context;
    switch (types.type[0]) {
    case SCTP_CHUNK_INIT:
        *wrong |= tag != 0 || types.count != 1;
        break;
    case SCTP_CHUNK_INIT_ACK:
        *wrong |= tag != a->own_tag || types.count != 1;
        break;
    default:
        *wrong |= packet->to_b ? tag != a->peer_tag : !b || tag != b->peer_tag;
    }
    for (unsigned i = 1; i < types.count; i++)
        *wrong |= types.type[i] == SCTP_CHUNK_COOKIE_ECHO || types.type[i] == SCTP_CHUNK_COOKIE_ACK;
    return true;
}

static void test_begin(uint64_t seed, bool auth)
{
    struct pair pair;
    bool wrong = false;
    pair_init(&pair, seed);
    pair.options[0].auth = pair.options[1].auth = auth;
    pair.filter = check_first;
    pair.context = &wrong;
    pair.early = pair_message(0, 1000, 1);
    pair_up(&pair);
    ok(!wrong, "tags; INIT and INIT ACK alone, COOKIE ECHO and COOKIE ACK first");
    const char *expected = auth ? "A INIT, B INIT_ACK, A COOKIE+AUTH+DATA, B COOKIE_ACK+AUTH+SACK"
                                : "A INIT, B INIT_ACK, A COOKIE+DATA, B COOKIE_ACK+SACK";
    ok(pair_sent(&pair, expected), "four packets, and the early message has arrived");
    ok(pair.b.messages.count == 1 && pair.b.messages.first->length == 1000, "whole");
    ok(pair.a.events[0] == SCTP_EVENT_ANSWERED && pair.a.events[1] == SCTP_EVENT_UP &&
           pair.a.event_count == 2 && pair.a.up_streams == 16,
       "ANSWERED, then UP with the streams");
    ok(pair.b.events[0] == SCTP_EVENT_UP && pair.b.event_count == 1, "UP at the other");
    pair_fini(&pair);
}

/* Data that went with COOKIE ECHO go with it again, and nothing goes by itself meanwhile. */
static bool lose_two(struct pair *pair, struct pair_packet *packet)
{
    unsigned *left = pair->context;
    if (!*left || !pair_has(packet, SCTP_CHUNK_COOKIE_ECHO))
        return true;
    --*left;
    return false;
}

static void test_early_lost(uint64_t seed, bool wraps)
{
    struct pair pair;
    unsigned left = 2;
    pair_init(&pair, seed);
    pair.wraps = wraps;
    pair.filter = lose_two;
    pair.context = &left;
    pair.early = pair_message(0, 700, 1);
    pair_connect(&pair);
    pair_run(&pair, 10 * SECOND);
    ok(pair_sent(&pair, "A INIT, B INIT_ACK, A COOKIE+DATA, A COOKIE+DATA, A COOKIE+DATA, "
                        "B COOKIE_ACK+SACK"),
       "DATA goes with each COOKIE ECHO, and with nothing else");
    ok(pair.b.messages.count == 1, "it arrives once");
    ok(pair.a.association->counters.timeouts == 0, "T3 has not run");
    pair_fini(&pair);
}

/* ---- company ---- */

static void test_order(void)
{
    struct pair pair;
    pair_prepare(&pair, 3, SCTP_ESTABLISHED);
    struct sctp_association *a = pair.a.association;
    struct sctp_chunk chunk = {.value = (const uint8_t *)"abcd", .length = 4};
    a->owes_cookie_ack = true;
    sctp_replies_heartbeat(a, 0, &chunk);
    sctp_replies_add_cause(a, pair.now_us, SCTP_CAUSE_UNRECOGNIZED_CHUNK, "\301\0\0\4", 4);
    sctp_receiving_tell(a);
    for (unsigned i = 0; i < 3; i++)
        must(sctp_association_send(a, pair.now_us, pair_message(1, 100, 1)) == ERR_OK);
    pair_pump(&pair, false);
    ok(pair_sent(&pair, "A COOKIE_ACK+HB_ACK+ERROR+SACK+DATA+DATA+DATA"),
       "control chunks, SACK, DATA by TSN (6.10): one packet");
    pair_fini(&pair);
}

/* An ABORT goes alone, whatever else was owed. */
static void test_abort(void)
{
    for (enum sctp_state state = SCTP_COOKIE_ECHOED; state < SCTP_ENDED; state++) {
        struct pair pair;
        pair_prepare(&pair, 3, state);
        struct sctp_association *a = pair.a.association;
        struct sctp_chunk chunk = {.value = (const uint8_t *)"abcd", .length = 4};
        sctp_replies_heartbeat(a, 0, &chunk);
        sctp_association_abort(a, "enough");
        sctp_association_abort(a, "again");
        pair_pump(&pair, false);
        ok(pair_sent(&pair, "A ABORT") && pair_is_down(&pair.a, ERR_LOCAL_SHUTDOWN),
           "state %d: ABORT, alone, once", state);
        pair_fini(&pair);
    }
}

static bool keep(struct pair *pair, struct pair_packet *packet)
{
    pair_keep(pair, packet);
    return true;
}

static void test_abort_text(void)
{
    char longest[1000];
    struct pair pair;
    struct sctp_chunk chunk = {0};
    memset(longest, 'x', sizeof longest);
    longest[999] = '\0';
    pair_prepare(&pair, 3, SCTP_ESTABLISHED);
    pair.filter = keep;
    pair.is_cut = false;
    sctp_association_abort(pair.a.association, longest);
    pair_pump(&pair, false);
    ok(pair.kept && pair_find(pair.kept, SCTP_CHUNK_ABORT, &chunk) && !chunk.flags &&
           chunk.length == 4 + SCTP_TEXT_MAX && sctp_wire_u16(chunk.value) == 12 &&
           sctp_wire_u32(pair.kept->bytes + 4) == pair.a.association->peer_tag,
       "cause 12 with %d bytes of the text, the peer's tag, no T bit", SCTP_TEXT_MAX);
    pair_run(&pair, SECOND);
    ok(pair_is_down(&pair.b, ERR_TRANSPORT_ABORTED) && pair.b.down.text_length == SCTP_TEXT_MAX &&
           pair.b.text[SCTP_TEXT_MAX - 1] == 'x',
       "which the peer's user is told");
    ok(!pair.a.down.text_length, "ours knows it");
    pair_fini(&pair);
}

/* ---- sizes ---- */

static bool check_size(struct pair *pair, struct pair_packet *packet)
{
    size_t *largest = pair->context;
    if (packet->to_b && packet->length > *largest)
        *largest = packet->length;
    return true;
}

static void transfer(uint64_t seed, uint32_t mtu, bool auth, bool both)
{
    struct pair pair;
    size_t largest = 0, bytes = 0;
    unsigned sent = 0;
    pair_init(&pair, seed);
    pair.wraps = true;
    pair.options[0].mtu = pair.options[1].mtu = mtu;
    pair.options[0].auth = pair.options[1].auth = auth;
    pair.filter = check_size;
    pair.context = &largest;
    pair_up(&pair);
    while (sent < 120) {
        size_t length = 1 + (sent * 977) % MESSAGE_MAX;
        if (pair_say(&pair, false, (uint16_t)(sent % 16), length) == ERR_OK) {
            sent++;
            bytes += length;
        }
        if (both)
            pair_say(&pair, true, 3, 5000);
        pair_run(&pair, 2000);
    }
    pair_run(&pair, 60 * SECOND);
    ok(pair.b.messages.count == 120 && pair.b.messages.bytes == bytes && largest <= mtu &&
           (largest > mtu - 4 || mtu > MESSAGE_MAX),
       "mtu %u, auth %d, both %d: all arrives, no packet is larger than %zu", mtu, auth, both,
       largest);
    pair_fini(&pair);
}

/* ---- wants ---- */

static void test_wants(void)
{
    struct pair pair;
    struct sctp_wants wants;
    uint8_t room[2000];
    pair_prepare(&pair, 3, SCTP_ESTABLISHED);
    struct sctp_association *a = pair.a.association;
    ok(!sctp_association_wants(a, pair.now_us, &wants), "nothing to say");
    for (unsigned i = 0; i < 4; i++)
        must(sctp_association_send(a, pair.now_us, pair_message(1, 1000, 1)) == ERR_OK);
    ok(sctp_association_wants(a, pair.now_us, &wants) && wants.full && wants.size == 1452 &&
           wants.net == 0,
       "more than a packet: it will be full");
    ok(sctp_association_output(a, pair.now_us, &wants, room) == wants.size, "it is");
    sctp_receiving_tell(a);
    ok(sctp_association_wants(a, pair.now_us, &wants) && wants.full, "also behind a SACK");
    ok(sctp_association_output(a, pair.now_us, &wants, room) == wants.size &&
           room[12] == SCTP_CHUNK_SACK,
       "it is");
    ok(sctp_association_wants(a, pair.now_us, &wants) && !wants.full, "the rest is not");
    ok(sctp_association_output(a, pair.now_us, &wants, room) < wants.size, "it is shorter");
    ok(!sctp_association_wants(a, pair.now_us, &wants), "no more");
    sctp_receiving_tell(a);
    ok(sctp_association_wants(a, pair.now_us, &wants) && !wants.full, "a SACK by itself is short");
    ok(sctp_association_output(a, pair.now_us, &wants, room) == SCTP_HEADER + SCTP_SACK_HEADER,
       "28 bytes");
    pair_fini(&pair);
}

/* ---- what is authenticated ---- */

static bool check_auth(struct pair *pair, struct pair_packet *packet)
{
    struct pair_types types = pair_types(packet);
    bool covered = false, *wrong = pair->context;
    const struct sctp_auth *auth = pair->a.association ? pair->a.association->auth : NULL;
    unsigned count = 0;
    for (unsigned i = 0; auth && i < types.count; i++) {
        count += types.type[i] == SCTP_CHUNK_AUTH;
        covered |= types.type[i] == SCTP_CHUNK_AUTH;
        *wrong |= sctp_auth_must_send(auth, types.type[i]) && !covered;
    }
    *wrong |= count > 1 || types.type[types.count - 1] == SCTP_CHUNK_AUTH;
    return true;
}

static void test_auth(uint64_t seed)
{
    struct pair pair;
    bool wrong = false;
    pair_init(&pair, seed);
    pair.options[0].auth = pair.options[1].auth = true;
    pair.filter = check_auth;
    pair.context = &wrong;
    pair_up(&pair);
    for (unsigned i = 0; i < 30; i++) {
        pair_say(&pair, false, 1, 4000);
        pair_say(&pair, true, 1, 40);
        pair_inject_chunk(&pair, false, SCTP_CHUNK_HEARTBEAT, 0, "abcd", 4);
        pair_inject_chunk(&pair, true, 0xc1, 0, "abcd", 4);
        pair_run(&pair, 3000);
    }
    sctp_association_shutdown(pair.a.association, pair.now_us);
    pair_pump(&pair, false);
    pair_run(&pair, 5 * SECOND);
    ok(pair.b.messages.count == 30 && pair.a.messages.count == 30 &&
           pair_is_down(&pair.b, ERR_TRANSPORT_CLOSED),
       "messages and the end with RFC 4895");
    ok(!wrong,
       "what must be is behind AUTH, of which a packet has one at most, and never the last");
    pair_fini(&pair);

    wrong = false;
    pair_init(&pair, seed);
    pair.options[0].auth = pair.options[1].auth = true;
    pair_up(&pair);
    pair.filter = check_auth;
    pair.context = &wrong;
    pair_clear(&pair);
    sctp_association_abort(pair.a.association, "bye");
    pair_pump(&pair, false);
    pair_run(&pair, SECOND);
    ok(!wrong && pair_sent(&pair, "A AUTH+ABORT") && pair_is_down(&pair.b, ERR_TRANSPORT_ABORTED),
       "an authenticated ABORT");
    pair_fini(&pair);
}

/* A peer that also wants COOKIE ECHO and COOKIE ACK authenticated: then AUTH is the first chunk. */
static void test_auth_first(void)
{
    uint8_t own[SCTP_AUTH_PARAMETERS_MAX], peer[SCTP_AUTH_PARAMETERS_MAX];
    uint8_t random[SCTP_AUTH_RANDOM] = {1}, types[256];
    struct wire_writer writer = wire_writer(own, sizeof own);
    size_t own_length = sctp_auth_put_parameters(&writer, random), count = 0;
    struct wire_reader reader = wire_reader(own, own_length);
    struct sctp_parameter parameter;
    random[0] = 2;
    writer = wire_writer(peer, sizeof peer);
    while (sctp_wire_next_parameter(&reader, &parameter)) {
        memcpy(types, parameter.value, parameter.length);
        count = parameter.length;
        if (parameter.type == SCTP_PARAMETER_RANDOM)
            memcpy(types, random, sizeof random);
        if (parameter.type == SCTP_PARAMETER_CHUNKS) {
            types[count++] = SCTP_CHUNK_COOKIE_ECHO;
            types[count++] = SCTP_CHUNK_COOKIE_ACK;
        }
        sctp_wire_put_parameter(&writer, parameter.type, types, count);
    }
    struct pair pair;
    pair_prepare(&pair, 3, SCTP_COOKIE_ECHOED);
    struct sctp_association *a = pair.a.association;
    a->auth = sctp_auth_new(own, own_length, peer, (size_t)(writer.at - peer));
    must(a->auth);
    a->handshake->is_due = true;
    pair_pump(&pair, false);
    ok(pair_sent(&pair, "A AUTH+COOKIE"), "AUTH, then COOKIE ECHO (RFC 4895 section 6.3)");
    pair_fini(&pair);

    pair_prepare(&pair, 3, SCTP_ESTABLISHED);
    a = pair.a.association;
    a->auth = sctp_auth_new(own, own_length, peer, (size_t)(writer.at - peer));
    a->owes_cookie_ack = true;
    pair_pump(&pair, false);
    ok(pair_sent(&pair, "A AUTH+COOKIE_ACK"), "AUTH, then COOKIE ACK");
    pair_fini(&pair);
}

/* AUTH for DATA that then does not fit is taken back. */
static bool lose_data(struct pair *pair, struct pair_packet *packet)
{
    unsigned *left = pair->context;
    if (!*left || !packet->to_b || !pair_has(packet, SCTP_CHUNK_DATA))
        return true;
    --*left;
    return false;
}

static void test_auth_taken_back(void)
{
    struct pair pair;
    unsigned left = 1;
    uint8_t info[1200] = {0};
    pair_init(&pair, 3);
    pair.options[0].auth = pair.options[1].auth = true;
    pair_up(&pair);
    struct sctp_association *a = pair.a.association;
    pair.filter = lose_data;
    pair.context = &left;
    pair_say(&pair, false, 1, 1300);
    pair.now_us += 3000;
    while (!a->recovery.probe_due) {
        pair.now_us = sctp_association_deadline(a);
        sctp_association_timeout(a, pair.now_us);
    }
    struct sctp_chunk chunk = {.value = info, .length = sizeof info};
    sctp_replies_heartbeat(a, 0, &chunk);
    pair_clear(&pair);
    pair_pump(&pair, false);
    ok(pair_sent(&pair, "A HB_ACK, A AUTH+DATA"),
       "DATA that does not fit behind an answer goes by itself, and its AUTH with it");
    pair_fini(&pair);
}

int main(void)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        test_begin(seed, false);
        test_begin(seed, true);
        test_early_lost(seed, false);
        test_early_lost(seed, true);
        test_auth(seed);
        for (unsigned i = 0; i < 4; i++) {
            transfer(seed, 1452, i & 1, i & 2);
            transfer(seed, 576, i & 1, i & 2);
            transfer(seed, 9000, i & 1, i & 2);
            transfer(seed, 65000, i & 1, i & 2);
        }
    }
    test_order();
    test_abort();
    test_abort_text();
    test_wants();
    test_auth_first();
    test_auth_taken_back();
    return tap_done();
}
