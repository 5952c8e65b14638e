/* Packets in where RFC 4895 was agreed on (section 6.3): what must be behind a good AUTH chunk, and
 * what becomes of it where there is none. */
#include "sctp/receiving.h"
#include "tests/unit/sctp/pair.h"

#define SECOND 1000000u

static void open_pair(struct pair *pair)
{
    pair_init(pair, 5);
    pair->options[0].auth = pair->options[1].auth = true;
    pair_up(pair);
    pair->is_cut = true;
    pair_clear(pair);
}

/* As B would sign it, from `from` on. */
static void sign(struct pair *pair, struct pair_forged *forged, uint8_t *chunk)
{
    sctp_auth_sign(pair->b.association->auth, chunk, forged->writer.at);
}

static uint8_t *begin(struct pair *pair, struct pair_forged *forged)
{
    return sctp_auth_begin(pair->b.association->auth, &forged->writer);
}

static bool is_up(const struct pair *pair)
{
    return pair->a.association->state == SCTP_ESTABLISHED;
}

static void put_data(struct pair *pair, struct pair_forged *forged)
{
    uint8_t value[13];
    struct wire_writer writer = wire_writer(value, sizeof value);
    wire_put_u32(&writer, pair->a.association->receiving.map.cumulative + 1);
    wire_put_u32(&writer, 0);
    wire_put_u32(&writer, 0x48575301u);
    wire_put_u8(&writer, 7);
    sctp_wire_put_chunk(&forged->writer, SCTP_CHUNK_DATA, 3, value, sizeof value);
}

/* ---- without ---- */

/* Each type that is in our list, by itself. */
static void test_missing(void)
{
    static const uint8_t value[16] = {0};
    unsigned required = 0;
    for (unsigned type = 0; type < 256; type++) {
        struct pair pair;
        open_pair(&pair);
        struct sctp_association *a = pair.a.association;
        bool must_be = sctp_auth_must_come((uint8_t)type);
        if (must_be) {
            uint64_t rejected = a->counters.rejected;
            uint32_t tsn = a->receiving.map.cumulative;
            pair_inject_chunk(&pair, false, (uint8_t)type, 0, value,
                              type == SCTP_CHUNK_SHUTDOWN ? 4
                              : type == SCTP_CHUNK_ABORT  ? 0
                                                          : 13);
            ok(is_up(&pair) && a->counters.rejected == rejected + 1 && pair_sent(&pair, "") &&
                   a->receiving.map.cumulative == tsn,
               "chunk %u without AUTH: dropped silently", type);
            required++;
        }
        pair_fini(&pair);
    }
    ok(required >= 5, "%u types must be authenticated", required);
}

static void test_never(void)
{
    struct pair pair;
    open_pair(&pair);
    const struct sctp_auth *auth = pair.a.association->auth;
    static const uint8_t never[] = {SCTP_CHUNK_INIT, SCTP_CHUNK_INIT_ACK,
                                    SCTP_CHUNK_SHUTDOWN_COMPLETE, SCTP_CHUNK_AUTH};
    bool any = false;
    for (unsigned i = 0; i < sizeof never; i++)
        any |= sctp_auth_must_come(never[i]) || sctp_auth_must_send(auth, never[i]);
    ok(!any, "INIT, INIT ACK, SHUTDOWN COMPLETE and AUTH never are (3.2)");
    pair_inject_chunk(&pair, false, SCTP_CHUNK_HEARTBEAT, 0, "abcd", 4);
    ok(pair_sent(&pair, "A HB_ACK"), "HEARTBEAT need not be");
    ok(!sctp_association_was_authentic(pair.a.association), "and the packet was not");
    pair_fini(&pair);
}

/* ---- with ---- */

static void test_good(void)
{
    struct pair pair;
    struct pair_forged forged;
    open_pair(&pair);
    pair_forge(&pair, false, pair.a.association->own_tag, &forged);
    uint8_t *chunk = begin(&pair, &forged);
    put_data(&pair, &forged);
    sign(&pair, &forged, chunk);
    pair_inject(&pair, false, &forged);
    ok(pair.a.messages.count == 1, "DATA behind a good AUTH is taken");
    ok(sctp_association_was_authentic(pair.a.association), "the packet was authentic");
    pair_inject_chunk(&pair, false, SCTP_CHUNK_HEARTBEAT, 0, "abcd", 4);
    ok(!sctp_association_was_authentic(pair.a.association), "the next one was not");
    pair_fini(&pair);

    open_pair(&pair);
    pair_forge(&pair, false, pair.a.association->own_tag, &forged);
    sctp_wire_put_chunk(&forged.writer, SCTP_CHUNK_HEARTBEAT, 0, "abcd", 4);
    put_data(&pair, &forged);
    chunk = begin(&pair, &forged);
    sctp_wire_put_chunk(&forged.writer, SCTP_CHUNK_HEARTBEAT, 0, "efgh", 4);
    sign(&pair, &forged, chunk);
    pair_inject(&pair, false, &forged);
    ok(pair_sent(&pair, "A HB_ACK+HB_ACK") && !pair.a.messages.count,
       "what is before AUTH is not covered: DATA is dropped, HEARTBEAT is not");
    ok(!sctp_association_was_authentic(pair.a.association),
       "nor was the packet authentic from its first chunk on");
    pair_fini(&pair);
}

/* One bit of the MAC, of the key's number, of a covered chunk. */
static void test_wrong(void)
{
    struct pair pair;
    struct pair_forged forged;
    unsigned taken = 0, errors = 0;
    open_pair(&pair);
    pair_forge(&pair, false, pair.a.association->own_tag, &forged);
    uint8_t *chunk = begin(&pair, &forged);
    sctp_wire_put_chunk(&forged.writer, SCTP_CHUNK_HEARTBEAT, 0, "abcd", 4);
    put_data(&pair, &forged);
    sign(&pair, &forged, chunk);
    size_t length = (size_t)(forged.writer.at - forged.bytes);
    for (size_t i = 16; i < length; i++) {
        if (i == 28 + 2 + 16 || i == 28 + 3 + 16)
            continue;
        uint8_t *at = forged.bytes + i;
        *at ^= 1;
        struct sctp_header header;
        sctp_wire_seal(forged.bytes, length);
        pair_clear(&pair);
        if (sctp_wire_check(forged.bytes, length, &header))
            pair_inject(&pair, false, &forged);
        *at ^= 1;
        taken += pair.a.messages.count != 0 || strstr(pair.log, "HB");
        errors += strstr(pair.log, "ERROR") != NULL;
    }
    ok(!taken && is_up(&pair) && pair.a.association->counters.rejected > length / 2,
       "with any bit changed nothing behind AUTH is taken");
    ok(errors == 2, "an ERROR only for the HMAC's number (4.1): %u", errors);
    pair_fini(&pair);
}

static void test_twice(void)
{
    struct pair pair;
    struct pair_forged forged;
    open_pair(&pair);
    pair_forge(&pair, false, pair.a.association->own_tag, &forged);
    uint8_t *first = begin(&pair, &forged);
    sctp_wire_put_chunk(&forged.writer, SCTP_CHUNK_HEARTBEAT, 0, "abcd", 4);
    uint8_t *second = begin(&pair, &forged);
    put_data(&pair, &forged);
    sign(&pair, &forged, second);
    sign(&pair, &forged, first);
    pair_inject(&pair, false, &forged);
    ok(pair_sent(&pair, "A HB_ACK") && !pair.a.messages.count,
       "AUTH is not there twice (5.1): what is behind the second is dropped");
    pair_fini(&pair);
}

/* A packet of A's own comes back: it is not B's. */
static bool keep(struct pair *pair, struct pair_packet *packet)
{
    if (packet->to_b)
        pair_keep(pair, packet);
    return true;
}

static void test_reflected(void)
{
    struct pair pair;
    open_pair(&pair);
    pair.filter = keep;
    pair_say(&pair, false, 1, 100);
    struct pair_packet *packet = pair.kept;
    uint32_t tag = pair.a.association->own_tag;
    packet->to_b = false;
    memcpy(packet->bytes, "\0\24\0\12", 4);
    for (unsigned i = 0; i < 4; i++)
        packet->bytes[4 + i] = (uint8_t)(tag >> (24 - 8 * i));
    sctp_wire_seal(packet->bytes, packet->length);
    uint64_t rejected = pair.a.association->counters.rejected;
    pair_deliver(&pair, packet);
    ok(pair.a.association->counters.rejected > rejected && !pair.a.messages.count,
       "our own packet with our tag is not the peer's");
    pair_fini(&pair);
}

/* ---- by the peer's tag ---- */

static void test_stray(void)
{
    struct pair pair;
    struct pair_forged forged;
    open_pair(&pair);
    pair_forge(&pair, false, pair.a.association->peer_tag, &forged);
    sctp_wire_put_chunk(&forged.writer, SCTP_CHUNK_ABORT, SCTP_FLAG_REFLECTED, NULL, 0);
    pair_inject(&pair, false, &forged);
    ok(is_up(&pair), "an ABORT of who does not know the association proves nothing: dropped");
    pair_forge(&pair, false, pair.a.association->peer_tag, &forged);
    uint8_t *chunk = begin(&pair, &forged);
    sctp_wire_put_chunk(&forged.writer, SCTP_CHUNK_ABORT, SCTP_FLAG_REFLECTED, NULL, 0);
    sign(&pair, &forged, chunk);
    pair_inject(&pair, false, &forged);
    ok(pair_is_down(&pair.a, ERR_TRANSPORT_ABORTED), "a signed one is taken");
    pair_fini(&pair);
}

int main(void)
{
    test_missing();
    test_never();
    test_good();
    test_wrong();
    test_twice();
    test_reflected();
    test_stray();
    return tap_done();
}
