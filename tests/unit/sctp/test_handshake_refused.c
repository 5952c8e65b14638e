/* INIT ACKs and ABORTs that A hears while it connects: what is refused, dropped, reported. */
#include "sctp/closing.h"
#include "sctp/handshake.h"
#include "tests/unit/sctp/pair.h"

#define SECOND UINT64_C(1000000)

static uint64_t seed;
static unsigned sent;

/* The first packet, A's INIT, is lost. */
static bool lose_first(struct pair *pair, struct pair_packet *packet)
{
    (void)pair;
    (void)packet;
    return sent++ > 0;
}

static void begin(struct pair *pair)
{
    pair_init(pair, seed);
    pair->filter = lose_first;
    sent = 0;
    pair_connect(pair);
}

/* ---- INIT ACKs ---- */

static const struct sctp_init good = {
    .tag = 0xdeadbeef, .window = 1500, .streams_out = 9, .streams_in = 4, .tsn = 0xffffffff};

static void put_cookie(struct wire_writer *writer)
{
    sctp_wire_put_parameter(writer, SCTP_PARAMETER_STATE_COOKIE, "cookie", 6);
}

/* A has sent INIT and hears that INIT ACK. */
static void begin_answered(struct pair *pair, const struct sctp_init *init,
                           void (*put)(struct wire_writer *))
{
    struct pair_forged forged;
    begin(pair);
    pair_forge(pair, false, pair->a.association->own_tag, &forged);
    uint8_t *chunk = sctp_handshake_begin_chunk(&forged.writer, SCTP_CHUNK_INIT_ACK, init);
    put(&forged.writer);
    sctp_wire_end(&forged.writer, chunk);
    pair_inject(pair, false, &forged);
}

/* The cause of the ABORT that A has sent, with that tag; 0: none. */
static uint16_t aborted(const struct pair *pair, uint32_t tag)
{
    const struct pair_packet *packet = pair->wire;
    struct sctp_chunk chunk;
    if (!packet || !pair_find(packet, SCTP_CHUNK_ABORT, &chunk) ||
        sctp_wire_u32(packet->bytes + 4) != tag ||
        chunk.flags != (tag == pair->a.association->own_tag ? SCTP_FLAG_REFLECTED : 0))
        return 0;
    return sctp_wire_u16(chunk.value);
}

static void put_nothing(struct wire_writer *writer)
{
    (void)writer;
}

static void put_host_name(struct wire_writer *writer)
{
    put_cookie(writer);
    sctp_wire_put_parameter(writer, SCTP_PARAMETER_HOST_NAME, "a.example", 10);
}

static void put_long_cookie(struct wire_writer *writer)
{
    static const uint8_t cookie[1452 - 15];
    sctp_wire_put_parameter(writer, SCTP_PARAMETER_STATE_COOKIE, cookie, sizeof cookie);
}

static void put_longest_cookie(struct wire_writer *writer)
{
    static const uint8_t cookie[1452 - 16];
    sctp_wire_put_parameter(writer, SCTP_PARAMETER_STATE_COOKIE, cookie, sizeof cookie);
}

static void put_empty_cookie(struct wire_writer *writer)
{
    sctp_wire_put_parameter(writer, SCTP_PARAMETER_STATE_COOKIE, NULL, 0);
}

static void put_hidden_cookie(struct wire_writer *writer)
{
    sctp_wire_put_parameter(writer, 0x0042, NULL, 0);
    put_cookie(writer);
}

static void refused(void)
{
    struct pair pair;
    struct sctp_init init = good;
    begin_answered(&pair, &good, put_nothing);
    ok(aborted(&pair, good.tag) == SCTP_CAUSE_MISSING_PARAMETER &&
           pair_is_down(&pair.a, ERR_CONTROL_PROTOCOL) &&
           !memcmp(pair.wire->bytes + 20, "\0\0\0\1\0\7", 6),
       "INIT ACK without a cookie: ABORT that says so");
    pair_fini(&pair);
    begin_answered(&pair, &good, put_hidden_cookie);
    ok(aborted(&pair, good.tag) == SCTP_CAUSE_MISSING_PARAMETER,
       "nothing is looked at behind a parameter that stops");
    pair_fini(&pair);
    begin_answered(&pair, &good, put_long_cookie);
    ok(aborted(&pair, good.tag) == SCTP_CAUSE_MISSING_PARAMETER, "a cookie too long for a packet");
    pair_fini(&pair);
    begin_answered(&pair, &good, put_longest_cookie);
    ok(pair.wire && pair.wire->length == 1452 && pair_has(pair.wire, SCTP_CHUNK_COOKIE_ECHO),
       "the longest one is echoed");
    pair_fini(&pair);
    begin_answered(&pair, &good, put_empty_cookie);
    ok(pair.wire && pair_has(pair.wire, SCTP_CHUNK_COOKIE_ECHO) && pair.wire->length == 16,
       "and so is an empty one");
    pair_fini(&pair);
    begin_answered(&pair, &good, put_host_name);
    ok(aborted(&pair, good.tag) == SCTP_CAUSE_UNRESOLVABLE_ADDRESS, "a host name: ABORT");
    struct sctp_chunk abort;
    ok(pair_find(pair.wire, SCTP_CHUNK_ABORT, &abort) && abort.length == 4 + 4 + 10 &&
           sctp_wire_u16(abort.value + 4) == SCTP_PARAMETER_HOST_NAME &&
           !memcmp(abort.value + 8, "a.example", 10),
       "which says what could not be resolved (section 3.3.10.5)");
    pair_fini(&pair);
    init.streams_out = 0;
    begin_answered(&pair, &init, put_cookie);
    ok(aborted(&pair, good.tag) == SCTP_CAUSE_INVALID_PARAMETER, "no streams out: ABORT");
    pair_fini(&pair);
    init = good;
    init.streams_in = 0;
    begin_answered(&pair, &init, put_cookie);
    ok(aborted(&pair, good.tag) == SCTP_CAUSE_INVALID_PARAMETER, "no streams in: ABORT");
    pair_fini(&pair);
    init = good;
    init.tag = 0;
    begin_answered(&pair, &init, put_cookie);
    ok(aborted(&pair, pair.a.association->own_tag) == SCTP_CAUSE_INVALID_PARAMETER &&
           pair_is_down(&pair.a, ERR_CONTROL_PROTOCOL),
       "tag 0: ABORT with our own and the T bit (section 3.3.3)");
    pair_fini(&pair);
    init = good;
    init.window = 1499;
    begin_answered(&pair, &init, put_cookie);
    pair_run(&pair, 3 * SECOND);
    ok(sent == 5 && pair_told(&pair.a, SCTP_EVENT_UP),
       "a window of 1499: dropped, and INIT goes again");
    pair_fini(&pair);
}

static void put_unknown(struct wire_writer *writer)
{
    sctp_wire_put_parameter(writer, 0x8042, "skipped", 7);
    sctp_wire_put_parameter(writer, 0xc042, "reported", 8);
    put_cookie(writer);
    sctp_wire_put_parameter(writer, 0x4042, "the end", 7);
    sctp_wire_put_parameter(writer, 0xc043, "not seen", 8);
}

static void reported(void)
{
    struct pair pair;
    struct sctp_chunk chunk;
    struct sctp_parameter cause;
    begin_answered(&pair, &good, put_unknown);
    struct pair_types types = pair_types(pair.wire);
    ok(types.count == 2 && types.type[0] == SCTP_CHUNK_COOKIE_ECHO &&
           types.type[1] == SCTP_CHUNK_ERROR,
       "what is unknown in INIT ACK is reported behind COOKIE ECHO");
    must(pair_find(pair.wire, SCTP_CHUNK_ERROR, &chunk));
    struct wire_reader causes = wire_reader(chunk.value, chunk.length);
    unsigned seen = 0, wrong = 0;
    for (; sctp_wire_next_parameter(&causes, &cause); seen++)
        wrong += cause.type != SCTP_CAUSE_UNRECOGNIZED_PARAMETERS ||
                 sctp_wire_u16(cause.value) != (seen ? 0x4042 : 0xc042);
    ok(seen == 2 && !wrong, "as its two highest bits say");
    struct sctp_association *a = pair.a.association;
    ok(a->peer_tag == good.tag && a->streams == 4 && a->sending.peer_window == 1500 &&
           !a->peer_is_hawser,
       "INIT ACK is taken at its word");
    pair_fini(&pair);
}

/* ---- ABORT ---- */

static void aborts(void)
{
    struct pair pair;
    begin(&pair);
    pair_inject_chunk(&pair, false, SCTP_CHUNK_ABORT, 0, "\0\14\0\7why", 7);
    ok(pair_is_down(&pair.a, ERR_TRANSPORT_REFUSED) && pair.a.down.text_length == 3,
       "ABORT in COOKIE_WAIT: refused");
    pair_fini(&pair);
    begin_answered(&pair, &good, put_cookie);
    pair_inject_chunk(&pair, false, SCTP_CHUNK_ABORT, 0, NULL, 0);
    ok(pair_is_down(&pair.a, ERR_TRANSPORT_REFUSED), "and in COOKIE_ECHOED");
    pair_fini(&pair);
}

int main(void)
{
    seed = tap_seed();
    refused();
    reported();
    aborts();
    return tap_done();
}
