/* Packets in: verification tags (RFC 9260 sections 8.5, 8.5.1), unknown chunks (3.2), ABORT and
 * ERROR, chunks in states that they are not for, and what must be authenticated (RFC 4895 6.3). */
#include "tests/unit/sctp/pair.h"

#include "sctp/receiving.h"
#include "sctp/replies.h"

static const char *const state_names[] = {"COOKIE_WAIT",       "COOKIE_ECHOED", "ESTABLISHED",
                                          "SHUTDOWN_PENDING",  "SHUTDOWN_SENT", "SHUTDOWN_RECEIVED",
                                          "SHUTDOWN_ACK_SENT", "ENDED"};

/* ---- verification tags ---- */

enum tag { TAG_OWN, TAG_PEER, TAG_NULL, TAG_OTHER, TAGS };

static uint32_t tag_of(const struct pair *pair, enum tag tag)
{
    const struct sctp_association *a = pair->a.association;
    uint32_t other = a->own_tag + 1 == a->peer_tag ? a->own_tag + 2 : a->own_tag + 1;
    switch (tag) {
    case TAG_OWN:
        return a->own_tag;
    case TAG_PEER:
        return a->peer_tag;
    case TAG_NULL:
        return 0;
    default:
        return other;
    }
}

static void inject(struct pair *pair, uint32_t tag, uint8_t type, uint8_t flags)
{
    struct pair_forged forged;
    pair_forge(pair, false, tag, &forged);
    sctp_wire_put_chunk(&forged.writer, type, flags, NULL, 0);
    pair_inject(pair, false, &forged);
}

/* Ends it in state `state`, or does not. */
static void check_tag(enum sctp_state state, uint8_t type, enum tag tag, bool t_bit, bool ends)
{
    struct pair pair;
    pair_prepare(&pair, 7, state);
    uint64_t rejected = pair.a.association->counters.rejected;
    inject(&pair, tag_of(&pair, tag), type, t_bit ? SCTP_FLAG_REFLECTED : 0);
    ok((pair.a.association->state == SCTP_ENDED) == ends &&
           (ends || pair.a.association->counters.rejected > rejected) && pair_sent(&pair, ""),
       "%s, chunk %u, tag %d, T bit %d: %s", state_names[state], type, tag, t_bit,
       ends ? "taken" : "dropped");
    pair_fini(&pair);
}

static void test_tags(void)
{
    for (enum tag tag = TAG_OWN; tag < TAGS; tag++)
        for (int t_bit = 0; t_bit < 2; t_bit++) {
            bool right = t_bit ? tag == TAG_PEER : tag == TAG_OWN;
            check_tag(SCTP_ESTABLISHED, SCTP_CHUNK_ABORT, tag, t_bit, right);
            check_tag(SCTP_SHUTDOWN_ACK_SENT, SCTP_CHUNK_SHUTDOWN_COMPLETE, tag, t_bit, right);
            check_tag(SCTP_COOKIE_ECHOED, SCTP_CHUNK_ABORT, tag, t_bit, right);
            bool in_wait = !t_bit && tag == TAG_OWN; /* the peer's is not known */
            check_tag(SCTP_COOKIE_WAIT, SCTP_CHUNK_ABORT, tag, t_bit, in_wait);
        }
    for (enum tag tag = TAG_OWN; tag < TAGS; tag++)
        check_tag(SCTP_SHUTDOWN_SENT, SCTP_CHUNK_SHUTDOWN_ACK, TAG_PEER + tag % 3, false, false);
}

/* Nothing else than what has the T bit is taken by the peer's tag. */
static void test_peer_tag(void)
{
    struct pair pair;
    struct pair_forged forged;
    pair_prepare(&pair, 7, SCTP_ESTABLISHED);
    pair_forge(&pair, false, pair.a.association->peer_tag, &forged);
    sctp_wire_put_chunk(&forged.writer, SCTP_CHUNK_HEARTBEAT, 0, "abcd", 4);
    sctp_wire_put_chunk(&forged.writer, SCTP_CHUNK_SHUTDOWN, 0, "abcd", 4);
    sctp_wire_put_chunk(&forged.writer, SCTP_CHUNK_SHUTDOWN_ACK, 0, NULL, 0);
    pair_inject(&pair, false, &forged);
    ok(pair.a.association->state == SCTP_ESTABLISHED && pair_sent(&pair, ""),
       "a packet with the peer's tag: its other chunks are dropped");
    sctp_wire_put_chunk(&forged.writer, SCTP_CHUNK_ABORT, SCTP_FLAG_REFLECTED, NULL, 0);
    pair_inject(&pair, false, &forged);
    ok(pair_is_down(&pair.a, ERR_TRANSPORT_ABORTED) && pair.a.down.unknown_there &&
           pair_sent(&pair, ""),
       "the ABORT behind them is taken, and not answered");
    pair_fini(&pair);
}

/* A SHUTDOWN ACK of an older association: section 8.5.1 E. */
static void test_stranger(void)
{
    for (enum tag tag = TAG_OWN; tag < TAGS; tag++)
        for (enum sctp_state state = SCTP_COOKIE_WAIT; state <= SCTP_COOKIE_ECHOED; state++) {
            struct pair pair;
            pair_prepare(&pair, 7, state);
            uint32_t bits = tag_of(&pair, tag);
            struct sctp_association *a = pair.a.association;
            struct pair_forged forged;
            struct sctp_wants wants;
            uint8_t room[1500];
            pair_forge(&pair, false, bits, &forged);
            sctp_wire_put_chunk(&forged.writer, SCTP_CHUNK_SHUTDOWN_ACK, 0, NULL, 0);
            size_t length = (size_t)(forged.writer.at - forged.bytes);
            sctp_association_input(a, pair.now_us, 0, forged.bytes, length);
            sctp_association_input_end(a, pair.now_us);
            bool any = sctp_association_wants(a, pair.now_us, &wants);
            if (any)
                length = sctp_association_output(a, pair.now_us, &wants, room);
            ok(any == (bits != 0), "%s, tag %d: SHUTDOWN ACK is %s", state_names[state], tag,
               bits ? "answered" : "dropped, since tag 0 is INIT's");
            ok(!any || (length == 16 && room[12] == SCTP_CHUNK_SHUTDOWN_COMPLETE &&
                        room[13] == SCTP_FLAG_REFLECTED && sctp_wire_u32(room + 4) == bits),
               "by SHUTDOWN COMPLETE alone, T bit, the same tag");
            ok(a->state == state && sctp_association_deadline(a) != SCTP_NEVER,
               "state and T1 stay");
            pair_fini(&pair);
        }
}

/* ---- unknown chunks ---- */

static bool keep_all(struct pair *pair, struct pair_packet *packet)
{
    if (!packet->to_b)
        return true;
    pair_keep(pair, packet);
    return true;
}

static void check_unknown(uint8_t type, bool goes_on, bool reports)
{
    struct pair pair;
    struct pair_forged forged;
    pair_prepare(&pair, 7, SCTP_ESTABLISHED);
    pair.filter = keep_all;
    pair_forge(&pair, false, pair.a.association->own_tag, &forged);
    sctp_wire_put_chunk(&forged.writer, type, 0x55, "abcde", 5);
    sctp_wire_put_chunk(&forged.writer, SCTP_CHUNK_HEARTBEAT, 0, "abcd", 4);
    pair_inject(&pair, false, &forged);
    const char *expected = goes_on   ? reports ? "A HB_ACK+ERROR" : "A HB_ACK"
                           : reports ? "A ERROR"
                                     : "";
    ok(pair_sent(&pair, expected), "chunk 0x%02x: \"%s\"", type, expected);
    struct sctp_chunk error;
    struct sctp_parameter cause = {0};
    if (reports && pair.kept && pair_find(pair.kept, SCTP_CHUNK_ERROR, &error)) {
        struct wire_reader causes = wire_reader(error.value, error.length);
        sctp_wire_next_parameter(&causes, &cause);
        ok(cause.type == SCTP_CAUSE_UNRECOGNIZED_CHUNK && cause.length == 9 &&
               !memcmp(cause.value, forged.bytes + SCTP_HEADER, 9),
           "ERROR has the whole chunk (3.3.10.6)");
    }
    pair_fini(&pair);
}

static void test_unknown(void)
{
    check_unknown(0x10, false, false);
    check_unknown(12, false, false); /* ECNE and CWR are reserved */
    check_unknown(13, false, false);
    check_unknown(SCTP_CHUNK_AUTH, false, false); /* RFC 4895 was not agreed on */
    check_unknown(0x3f, false, false);
    check_unknown(0x40, false, true); /* I-DATA */
    check_unknown(0x7f, false, true);
    check_unknown(0x80, true, false); /* ASCONF-ACK */
    check_unknown(SCTP_CHUNK_PAD, true, false);
    check_unknown(0xbf, true, false);
    check_unknown(0xc0, true, true); /* FORWARD-TSN */
    check_unknown(0xc1, true, true); /* ASCONF */
    check_unknown(0xff, true, true);
}

static void test_errors_bounded(void)
{
    struct pair pair;
    pair_prepare(&pair, 7, SCTP_ESTABLISHED);
    unsigned before = pair.a.sent;
    for (unsigned i = 0; i < 100; i++)
        pair_inject_chunk(&pair, false, 0xc7, 0, "abcd", 4);
    ok(pair.a.sent - before == SCTP_ERRORS_PER_SECOND, "of a hundred at once %u are reported",
       SCTP_ERRORS_PER_SECOND);
    pair_fini(&pair);
}

/* ---- ABORT ---- */

static void test_abort(void)
{
    static const enum err reasons[] = {
        ERR_TRANSPORT_REFUSED, ERR_TRANSPORT_REFUSED, ERR_TRANSPORT_ABORTED, ERR_TRANSPORT_ABORTED,
        ERR_TRANSPORT_ABORTED, ERR_TRANSPORT_ABORTED, ERR_TRANSPORT_ABORTED};
    static const uint8_t causes[] = {0, 4, 0, 4, 0, 12, 0, 9, 'h', 'e', 'l', 'l', 'o', 0, 0, 0};
    for (enum sctp_state state = SCTP_COOKIE_WAIT; state < SCTP_ENDED; state++) {
        struct pair pair;
        pair_prepare(&pair, 7, state);
        pair_inject_chunk(&pair, false, SCTP_CHUNK_ABORT, 0, causes, sizeof causes);
        ok(pair_is_down(&pair.a, reasons[state]) && pair_sent(&pair, ""),
           "%s: ABORT ends it, without an answer", state_names[state]);
        ok(pair.a.down.text_length == 5 && !memcmp(pair.a.text, "hello", 5) &&
               !pair.a.down.unknown_there,
           "the user's reason among its causes");
        ok(sctp_association_deadline(pair.a.association) == SCTP_NEVER, "no timer is left");
        pair_fini(&pair);
    }
}

static void test_abort_malformed(void)
{
    static const uint8_t bad[][8] = {
        {0, 12, 0, 9, 1, 2, 3, 4}, {0, 12, 0, 3, 1, 2, 3, 4}, {0, 12, 0, 6, 1, 2, 0, 0}};
    struct pair pair;
    pair_prepare(&pair, 7, SCTP_ESTABLISHED);
    pair_inject_chunk(&pair, false, SCTP_CHUNK_ABORT, 0, bad[0], 8);
    pair_inject_chunk(&pair, false, SCTP_CHUNK_ABORT, 0, bad[1], 8);
    pair_inject_chunk(&pair, false, SCTP_CHUNK_ABORT, 0, bad[0], 3);
    ok(pair.a.association->state == SCTP_ESTABLISHED && pair_sent(&pair, ""),
       "an ABORT with a format error is dropped (3.3.7)");
    pair_inject_chunk(&pair, false, SCTP_CHUNK_ABORT, 0, bad[2], 8);
    ok(pair_is_down(&pair.a, ERR_TRANSPORT_ABORTED) && pair.a.down.text_length == 2, "a good one");
    pair_fini(&pair);

    uint8_t longest[4 + 1000] = {0, 12, 1004 >> 8, 1004 & 255};
    memset(longest + 4, 'x', 1000);
    pair_prepare(&pair, 7, SCTP_ESTABLISHED);
    pair_inject_chunk(&pair, false, SCTP_CHUNK_ABORT, 0, longest, sizeof longest);
    ok(pair_is_down(&pair.a, ERR_TRANSPORT_ABORTED) && pair.a.down.text_length == SCTP_TEXT_MAX,
       "of a long text %d bytes are kept", SCTP_TEXT_MAX);
    pair_fini(&pair);
}

/* ---- chunks in states that they are not for ---- */

static void check_ignored(enum sctp_state state, uint8_t type, const void *value, size_t length)
{
    struct pair pair;
    pair_prepare(&pair, 7, state);
    const struct sctp_association *a = pair.a.association;
    uint32_t tag = a->peer_tag, una = a->flight.una, tsn = a->receiving.map.cumulative;
    uint64_t deadline = sctp_association_deadline(a);
    pair_inject_chunk(&pair, false, type, 0, value, length);
    ok(a->state == state && a->peer_tag == tag && a->flight.una == una && pair_sent(&pair, "") &&
           a->receiving.map.cumulative == tsn && !pair.a.messages.count &&
           sctp_association_deadline(a) == deadline,
       "%s: chunk %u of %zu bytes changes nothing", state_names[state], type, length);
    pair_fini(&pair);
}

/* The same, and it is counted. */
static void check_rejected(uint8_t type, const void *value, size_t length)
{
    struct pair pair;
    pair_prepare(&pair, 7, SCTP_ESTABLISHED);
    struct sctp_association *a = pair.a.association;
    pair_inject_chunk(&pair, false, type, 0, value, length);
    ok(a->counters.rejected == 1 && a->state == SCTP_ESTABLISHED && pair_sent(&pair, ""),
       "chunk %u of %zu bytes is counted as rejected", type, length);
    pair_fini(&pair);
}

static void test_rejected(void)
{
    check_rejected(SCTP_CHUNK_DATA, "\0\0\0\0\0\0\0\0\0\0\0", 11);
    check_rejected(SCTP_CHUNK_SACK, "\0\0\0\0\0\0\0\0\0\0\0", 11);
    check_rejected(SCTP_CHUNK_SACK, "\0\0\0\0\0\0\0\0\0\1\0\0", 12);
    check_rejected(SCTP_CHUNK_ABORT, "\0\1\0\7\0\0", 6);
    check_rejected(SCTP_CHUNK_INIT, "\0\0\0\1\0\1\0\0\0\1\0\1\0\0\0\1", 16);
}

static void test_ignored(void)
{
    static const uint8_t stale[8] = {0, 3, 0, 8, 0, 0, 1, 0};
    static const uint8_t init_ack[] = {1, 2, 3, 4, 0, 1, 0, 0, 0,   1,   0,   1,
                                       0, 0, 0, 1, 0, 7, 0, 8, 'c', 'o', 'o', 'k'};
    for (enum sctp_state state = SCTP_COOKIE_WAIT; state <= SCTP_ENDED; state++) {
        bool may_send = state == SCTP_ESTABLISHED || state == SCTP_SHUTDOWN_PENDING ||
                        state == SCTP_SHUTDOWN_RECEIVED;
        if (state == SCTP_ENDED)
            break;
        if (state != SCTP_COOKIE_WAIT)
            check_ignored(state, SCTP_CHUNK_INIT_ACK, init_ack, sizeof init_ack);
        if (state != SCTP_COOKIE_ECHOED) {
            check_ignored(state, SCTP_CHUNK_COOKIE_ACK, NULL, 0);
            if (state != SCTP_SHUTDOWN_SENT)
                check_ignored(state, SCTP_CHUNK_ERROR, stale, sizeof stale);
        }
        if (!may_send && state != SCTP_SHUTDOWN_SENT)
            check_ignored(state, SCTP_CHUNK_SACK, "\0\0\0\0\0\0\0\0\0\0\0\0", 12);
        check_ignored(state, SCTP_CHUNK_INIT, init_ack, 16);
        check_ignored(state, SCTP_CHUNK_COOKIE_ECHO, "cookie", 6);
    }
    check_ignored(SCTP_ESTABLISHED, SCTP_CHUNK_DATA, "\0\0\0\0\0\0\0\0\0\0\0", 11);
    check_ignored(SCTP_ESTABLISHED, SCTP_CHUNK_SACK, "\0\0\0\0\0\0\0\0\0\0\0", 11);
    check_ignored(SCTP_ESTABLISHED, SCTP_CHUNK_ERROR, "\0\0\0\1", 4);
    check_ignored(SCTP_ESTABLISHED, SCTP_CHUNK_ERROR, "\0\6\0\4", 4);
    check_ignored(SCTP_COOKIE_ECHOED, SCTP_CHUNK_ERROR, "\0\6\0\4", 4);
}

/* INIT, INIT ACK and what follows them: nothing of such a packet is read (section 3). */
static void test_bundled(void)
{
    struct pair pair;
    struct pair_forged forged;
    pair_prepare(&pair, 7, SCTP_ESTABLISHED);
    pair_forge(&pair, false, pair.a.association->own_tag, &forged);
    sctp_wire_put_chunk(&forged.writer, SCTP_CHUNK_INIT, 0, "\0\0\0\1\0\1\0\0\0\1\0\1\0\0\0\1", 16);
    sctp_wire_put_chunk(&forged.writer, SCTP_CHUNK_ABORT, 0, NULL, 0);
    pair_inject(&pair, false, &forged);
    ok(pair.a.association->state == SCTP_ESTABLISHED && pair_sent(&pair, ""),
       "INIT with company: the packet is dropped");
    pair_fini(&pair);

    pair_prepare(&pair, 7, SCTP_COOKIE_WAIT);
    pair_forge(&pair, false, pair.a.association->own_tag, &forged);
    sctp_wire_put_chunk(&forged.writer, SCTP_CHUNK_PAD, 0, NULL, 0);
    sctp_wire_put_chunk(&forged.writer, SCTP_CHUNK_INIT_ACK, 0,
                        "\1\2\3\4\0\1\0\0\0\1\0\1\0\0\0\1\0\7\0\10cook", 24);
    pair_inject(&pair, false, &forged);
    ok(pair.a.association->state == SCTP_COOKIE_WAIT && pair_sent(&pair, "") &&
           pair.a.association->counters.rejected == 1,
       "INIT ACK with company: the packet is dropped");
    pair_inject_chunk(&pair, false, SCTP_CHUNK_INIT_ACK, 0,
                      "\1\2\3\4\0\1\0\0\0\1\0\1\0\0\0\1\0\7\0\10cook", 24);
    ok(pair.a.association->state == SCTP_COOKIE_ECHOED && pair_sent(&pair, "A COOKIE"),
       "alone it is taken");
    pair_fini(&pair);
}

/* ---- DATA ---- */

static void put_data(struct pair *pair, struct pair_forged *forged, uint32_t ahead, uint16_t stream,
                     size_t length)
{
    uint8_t value[12 + 4];
    struct wire_writer writer = wire_writer(value, sizeof value);
    wire_put_u32(&writer, pair->a.association->receiving.map.cumulative + ahead);
    wire_put_u16(&writer, stream);
    wire_put_u16(&writer, 0);
    wire_put_u32(&writer, 0x48575301u);
    wire_put_u32(&writer, 0x61626364u);
    sctp_wire_put_chunk(&forged->writer, SCTP_CHUNK_DATA, SCTP_FLAG_BEGIN | SCTP_FLAG_END, value,
                        12 + length);
}

static void test_data(void)
{
    struct pair pair;
    struct pair_forged forged;
    struct sctp_chunk chunk;
    pair_prepare(&pair, 7, SCTP_ESTABLISHED);
    pair.filter = keep_all;
    pair_forge(&pair, false, pair.a.association->own_tag, &forged);
    put_data(&pair, &forged, 1, 0, 4);
    put_data(&pair, &forged, 2, 99, 4);
    put_data(&pair, &forged, 3, 1, 4);
    pair_inject(&pair, false, &forged);
    pair_run(&pair, 500000);
    ok(strstr(pair.log, "ERROR") && strstr(pair.log, "SACK") && pair.a.messages.count == 2,
       "DATA of a stream that there is not is acknowledged, reported and dropped (6.5): %s",
       pair.log);
    pair_fini(&pair);

    pair_prepare(&pair, 7, SCTP_ESTABLISHED);
    pair.filter = keep_all;
    uint32_t tsn = pair.a.association->receiving.map.cumulative + 1;
    pair_forge(&pair, false, pair.a.association->own_tag, &forged);
    put_data(&pair, &forged, 1, 0, 0);
    pair_inject(&pair, false, &forged);
    ok(pair_is_down(&pair.a, ERR_CONTROL_PROTOCOL) && pair_sent(&pair, "A ABORT") && pair.kept &&
           pair_find(pair.kept, SCTP_CHUNK_ABORT, &chunk) && chunk.length == 8 &&
           sctp_wire_u32(chunk.value) == 0x00090008 && sctp_wire_u32(chunk.value + 4) == tsn,
       "DATA without data: ABORT \"no user data\" with its TSN (6.2, 3.3.10.9)");
    pair_fini(&pair);
}

int main(void)
{
    test_tags();
    test_peer_tag();
    test_stranger();
    test_unknown();
    test_errors_bounded();
    test_abort();
    test_abort_malformed();
    test_ignored();
    test_rejected();
    test_bundled();
    test_data();
    return tap_done();
}
