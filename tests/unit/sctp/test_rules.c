/* Rules of RFC 9260 that no other test has as its subject (tests/conformance/sctp_rules.tsv): what
 * the packets of two engines look like. */
#include "sctp/handshake.h"
#include "sctp/receiving.h"
#include "sctp/sending.h"
#include "tests/unit/sctp/pair.h"

#define SECOND 1000000u

static bool keep(struct pair *pair, struct pair_packet *packet)
{
    pair_keep(pair, packet);
    return true;
}

/* ---- INIT and INIT ACK ---- */

static bool is_clean(const struct sctp_init *init)
{
    struct wire_reader reader = init->parameters;
    struct sctp_parameter parameter;
    uint16_t seen[32];
    unsigned count = 0;
    while (sctp_wire_next_parameter(&reader, &parameter)) {
        for (unsigned i = 0; i < count; i++)
            if (seen[i] == parameter.type)
                return false;
        must(count < 32);
        seen[count++] = parameter.type;
        if (parameter.type == SCTP_PARAMETER_HOST_NAME || parameter.type == 5 ||
            parameter.type == 6 || parameter.type == 12)
            return false;
    }
    return !reader.overrun;
}

struct both {
    struct sctp_init init[2];
    bool seen[2];
};

static bool read_inits(struct pair *pair, struct pair_packet *packet)
{
    struct both *both = pair->context;
    struct sctp_chunk chunk;
    bool ack = pair_has(packet, SCTP_CHUNK_INIT_ACK);
    if (!pair_find(packet, ack ? SCTP_CHUNK_INIT_ACK : SCTP_CHUNK_INIT, &chunk))
        return true;
    pair_keep(pair, packet);
    pair_find(pair->kept, ack ? SCTP_CHUNK_INIT_ACK : SCTP_CHUNK_INIT, &chunk);
    both->seen[ack] = sctp_wire_read_init(&chunk, &both->init[ack]) && is_clean(&both->init[ack]);
    return true;
}

static void test_inits(bool auth)
{
    struct pair pair;
    struct both both = {.seen = {false}};
    pair_init(&pair, 3);
    pair.options[0].auth = pair.options[1].auth = auth;
    pair.options[0].streams = 100;
    pair.options[0].buffer = pair.options[1].buffer = 1500;
    pair.filter = read_inits;
    pair.context = &both;
    pair_up(&pair);
    ok(both.seen[0] && both.seen[1],
       "INIT and INIT ACK: each parameter once, no addresses, no host name");
    ok(both.init[0].tag && both.init[1].tag && both.init[0].window >= 1500 &&
           both.init[1].window >= 1500,
       "tags are not 0, windows are 1500 at least");
    ok(both.init[0].streams_out == 100 && both.init[0].streams_in == 100,
       "streams as they are wanted, never 0");
    ok(both.init[1].streams_out && both.init[1].streams_out <= 100 && both.init[1].streams_in,
       "INIT ACK has no more streams out than INIT takes in");
    ok(pair.a.association->streams == 16 && pair.b.association->streams == 16, "the fewer");
    pair_fini(&pair);
}

/* ---- DATA as it is sent ---- */

struct seen {
    uint32_t next_tsn;
    uint16_t ssn;
    unsigned pieces, wrong;
    size_t bytes;
    bool inside;
};

static bool read_data(struct pair *pair, struct pair_packet *packet)
{
    struct seen *seen = pair->context;
    struct wire_reader reader = sctp_wire_chunks(packet->bytes, packet->length);
    struct sctp_chunk chunk;
    struct sctp_data data;
    if (!packet->to_b)
        return true;
    while (sctp_wire_next_chunk(&reader, &chunk)) {
        if (chunk.type != SCTP_CHUNK_DATA)
            continue;
        seen->wrong += !sctp_wire_read_data(&chunk, &data) || !data.length;
        seen->wrong += data.tsn != seen->next_tsn++ || data.ssn != seen->ssn;
        seen->wrong += data.begins == seen->inside || data.stream != 1;
        seen->wrong += data.ppid != 0x48575301u || chunk.flags & SCTP_FLAG_UNORDERED;
        const uint8_t *end = data.bytes + data.length;
        for (; (end - packet->bytes) % 4; end++)
            seen->wrong += *end != 0;
        seen->inside = !data.ends;
        seen->ssn = (uint16_t)(seen->ssn + data.ends);
        seen->bytes += data.length;
        seen->pieces++;
    }
    return true;
}

static void test_data(bool wraps)
{
    struct pair pair;
    pair_init(&pair, 3);
    pair.wraps = wraps;
    pair_up(&pair);
    struct sctp_association *a = pair.a.association;
    struct seen seen = {.next_tsn = a->flight.next_tsn};
    size_t bytes = 0;
    pair.filter = read_data;
    pair.context = &seen;
    for (unsigned i = 0; i < 40; i++) {
        size_t length = 1 + i * 397;
        while (pair_say(&pair, false, 1, length) != ERR_OK)
            pair_run(&pair, 1000);
        bytes += length;
    }
    pair_run(&pair, SECOND);
    ok(!seen.wrong && seen.bytes == bytes && seen.pieces > 150,
       "DATA: B, E, one sequence number and PPID for all pieces, TSNs in sequence, padding of 0");
    ok(seen.ssn == 40 && pair.b.messages.count == 40, "numbers of the stream from 0 on, by one");
    pair_fini(&pair);
}

static void test_ssn_wraps(void)
{
    struct pair pair;
    pair_init(&pair, 3);
    pair_up(&pair);
    struct sctp_association *a = pair.a.association;
    pair_say(&pair, false, 1, 1);
    pair_run(&pair, SECOND);
    a->sending.ssns[1] = 65535;
    struct seen seen = {.next_tsn = a->flight.next_tsn, .ssn = 65535};
    pair.filter = read_data;
    pair.context = &seen;
    for (unsigned i = 0; i < 3; i++)
        pair_say(&pair, false, 1, 2000);
    ok(!seen.wrong && seen.ssn == 2, "after 65535 comes 0");
    pair_fini(&pair);
}

/* Lost data go before new data. */
static bool lose_first(struct pair *pair, struct pair_packet *packet)
{
    unsigned *count = pair->context;
    if (packet->to_b && pair_has(packet, SCTP_CHUNK_DATA) && ++*count == 1)
        return false;
    return true;
}

static void test_lost_first(void)
{
    struct pair pair;
    unsigned count = 0;
    pair_init(&pair, 3);
    pair_up(&pair);
    struct sctp_association *a = pair.a.association;
    pair.filter = lose_first;
    pair.context = &count;
    uint32_t lost = a->flight.next_tsn;
    pair_say_all(&pair, false, 4, 1000);
    pair_run(&pair, pair.delay_us * 2);
    while (!a->recovery.rtx[1].count && pair_step(&pair, pair.now_us + SECOND))
        if (a->counters.retransmitted)
            break;
    struct sctp_wants wants;
    uint8_t room[1500];
    if (!a->counters.retransmitted) {
        must(sctp_association_send(a, pair.now_us, pair_message(1, 100, 1)) == ERR_OK);
        must(sctp_association_wants(a, pair.now_us, &wants));
        size_t length = sctp_association_output(a, pair.now_us, &wants, room);
        ok(length > 28 && sctp_wire_u32(room + SCTP_HEADER + 4) == lost, "its TSN goes first");
    }
    pair_run(&pair, 5 * SECOND);
    ok(a->counters.retransmitted == 1 && pair.b.messages.count >= 4, "sent again once");
    pair_fini(&pair);
}

/* Section 6.1: T3 and what is sent. */
static void test_t3(void)
{
    struct pair pair;
    unsigned count = 0;
    pair_init(&pair, 3);
    pair_up(&pair);
    struct sctp_association *a = pair.a.association;
    pair.filter = lose_first;
    pair.context = &count;
    pair_say(&pair, false, 1, 1400);
    uint64_t t3 = sctp_net_t3(a->nets[0], &a->options);
    ok(t3 == pair.now_us + sctp_net_rto(a->nets[0], &a->options), "DATA starts T3");
    pair.now_us += 1000;
    pair_say_all(&pair, false, 3, 1400);
    ok(sctp_net_t3(a->nets[0], &a->options) == t3, "new DATA: T3 runs on");
    while (!a->counters.retransmitted)
        must(pair_step(&pair, pair.now_us + SECOND));
    uint32_t tsn = a->flight.una;
    ok(sctp_flight_chunk(&a->flight, tsn)->flags & SCTP_SENT_RTX &&
           sctp_net_t3(a->nets[0], &a->options) ==
               pair.now_us + sctp_net_rto(a->nets[0], &a->options),
       "the earliest goes again: T3 begins anew");
    pair_run(&pair, SECOND);
    ok(sctp_net_t3(a->nets[0], &a->options) == SCTP_NEVER,
       "all is acknowledged: it is off (6.3.2 R2)");
    pair_fini(&pair);
}

/* ---- SACK ---- */

static void put_data(struct pair *pair, struct pair_forged *forged, uint32_t tsn)
{
    uint8_t value[13];
    struct wire_writer writer = wire_writer(value, sizeof value);
    (void)pair;
    wire_put_u32(&writer, tsn);
    wire_put_u32(&writer, 1u << 16 | (tsn & 0xffff));
    wire_put_u32(&writer, 0x48575301u);
    wire_put_u8(&writer, 7);
    sctp_wire_put_chunk(&forged->writer, SCTP_CHUNK_DATA, 3, value, sizeof value);
}

static void inject_data(struct pair *pair, uint32_t ahead)
{
    struct pair_forged forged;
    pair_forge(pair, false, pair->a.association->own_tag, &forged);
    put_data(pair, &forged, pair->a.association->receiving.map.cumulative + ahead);
    pair_inject(pair, false, &forged);
}

/* The figure of section 3.3.4: TSNs 10 to 12, 14, 15 and 17 have come. */
static void test_sack(void)
{
    static const uint8_t blocks[] = {0, 2, 0, 0, 0, 2, 0, 3, 0, 5, 0, 5};
    struct pair pair;
    struct sctp_chunk sack = {0};
    pair_prepare(&pair, 3, SCTP_ESTABLISHED);
    pair.filter = keep;
    inject_data(&pair, 1);
    ok(pair_sent(&pair, "A SACK"), "the first DATA is acknowledged at once (5.1)");
    uint32_t twelve = pair.a.association->receiving.map.cumulative;
    inject_data(&pair, 2);
    inject_data(&pair, 3);
    pair_clear(&pair);
    inject_data(&pair, 5);
    ok(pair_sent(&pair, "A SACK") && pair.kept && pair_find(pair.kept, SCTP_CHUNK_SACK, &sack) &&
           sack.length == 20 && sctp_wire_u32(sack.value) == twelve &&
           !memcmp(sack.value + 8, blocks, sizeof blocks),
       "SACK: cumulative TSN, two blocks, no duplicates: one for each packet");
    ok(sctp_wire_u32(sack.value + 4) > 1500, "and the window");
    pair_clear(&pair);
    inject_data(&pair, 0);
    ok(pair_sent(&pair, "A SACK"), "a duplicate alone: at once");
    ok(pair_find(pair.kept, SCTP_CHUNK_SACK, &sack) && sack.length == 24 &&
           sctp_wire_u32(sack.value + 20) == twelve,
       "and reported");
    pair_fini(&pair);

    /* New, duplicate and early in one packet: one SACK. */
    struct pair_forged forged;
    pair_prepare(&pair, 3, SCTP_ESTABLISHED);
    uint32_t tsn = pair.a.association->receiving.map.cumulative;
    pair_forge(&pair, false, pair.a.association->own_tag, &forged);
    for (unsigned i = 0; i < 20; i++)
        put_data(&pair, &forged, tsn + i % 7 * 2);
    pair_inject(&pair, false, &forged);
    ok(pair_sent(&pair, "A SACK"), "whatever a packet has: one SACK for it (6.2)");
    pair_fini(&pair);
}

/* Section 6.2: every second packet, whatever it has, also within a batch. */
static void test_every_second(void)
{
    for (unsigned packets = 1; packets <= 2; packets++) {
        struct pair pair;
        struct pair_forged forged;
        pair_prepare(&pair, 3, SCTP_ESTABLISHED);
        struct sctp_association *a = pair.a.association;
        inject_data(&pair, 1);
        pair_clear(&pair);
        uint32_t tsn = a->receiving.map.cumulative + 1;
        for (unsigned i = 0; i < packets; i++) {
            pair_forge(&pair, false, a->own_tag, &forged);
            put_data(&pair, &forged, tsn++);
            put_data(&pair, &forged, tsn++);
            sctp_association_input(a, pair.now_us, 0, forged.bytes,
                                   (size_t)(forged.writer.at - forged.bytes));
        }
        sctp_association_input_end(a, pair.now_us);
        pair_pump(&pair, false);
        ok(pair_sent(&pair, packets == 1 ? "" : "A SACK"), "%u with two chunks each: %s", packets,
           packets == 1 ? "a SACK waits" : "a SACK");
        pair_fini(&pair);
    }
}

/* In which states one is read (section 6). */
static void test_sack_states(void)
{
    for (enum sctp_state state = SCTP_SHUTDOWN_PENDING; state < SCTP_SHUTDOWN_ACK_SENT; state++) {
        struct pair pair;
        if (state == SCTP_SHUTDOWN_SENT)
            continue;
        pair_prepare(&pair, 3, state);
        struct sctp_association *a = pair.a.association;
        uint8_t value[12] = {0};
        struct wire_writer writer = wire_writer(value, sizeof value);
        wire_put_u32(&writer, a->flight.una);
        wire_put_u32(&writer, 100000);
        pair_inject_chunk(&pair, false, SCTP_CHUNK_SACK, 0, value, sizeof value);
        ok(a->flight.una == a->flight.next_tsn, "state %d: a SACK is read", state);
        ok(a->state ==
               (state == SCTP_SHUTDOWN_PENDING ? SCTP_SHUTDOWN_SENT : SCTP_SHUTDOWN_ACK_SENT),
           "and it goes on");
        pair_fini(&pair);
    }
}

/* Section 3.3.8. */
static void test_no_renege(void)
{
    struct pair pair;
    pair_prepare(&pair, 3, SCTP_ESTABLISHED);
    struct sctp_association *a = pair.a.association;
    a->peer_is_hawser = false;
    for (unsigned i = 0; i < 3; i++)
        pair_say(&pair, false, 1, 1400);
    uint8_t value[16];
    struct wire_writer writer = wire_writer(value, sizeof value);
    wire_put_u32(&writer, a->flight.una - 1);
    wire_put_u32(&writer, 100000);
    wire_put_u32(&writer, 1u << 16);
    wire_put_u32(&writer, 2u << 16 | 2);
    pair_inject_chunk(&pair, false, SCTP_CHUNK_SACK, 0, value, sizeof value);
    must(a->acknowledge.count == 1);
    for (unsigned i = 0; i < 10; i++)
        pair_inject_shutdown(&pair, 0);
    ok(a->acknowledge.count == 1, "a SHUTDOWN has no gap blocks, and takes none back");
    pair_fini(&pair);
}

/* ---- windows ---- */

static void tell_window(struct pair *pair, uint32_t window)
{
    struct sctp_association *a = pair->a.association;
    uint8_t value[12] = {0};
    struct wire_writer writer = wire_writer(value, sizeof value);
    wire_put_u32(&writer, a->flight.next_tsn - 1);
    wire_put_u32(&writer, window);
    pair_inject_chunk(pair, false, SCTP_CHUNK_SACK, 0, value, sizeof value);
}

static void test_windows(void)
{
    struct pair pair;
    pair_prepare(&pair, 3, SCTP_ESTABLISHED);
    struct sctp_association *a = pair.a.association;
    tell_window(&pair, 0);
    pair_say(&pair, false, 1, 5000);
    ok(pair_sent(&pair, "") && sctp_association_deadline(a) != SCTP_NEVER,
       "no new DATA beyond the peer's window, and a timer for the probe");
    tell_window(&pair, 2000);
    ok(a->flight.outstanding > 1000 && a->flight.outstanding <= 2000,
       "as much as it takes, in packets that are full: %llu bytes",
       (unsigned long long)a->flight.outstanding);
    uint64_t before = a->flight.outstanding;
    pair_clear(&pair);
    uint8_t value[12] = {0};
    struct wire_writer writer = wire_writer(value, sizeof value);
    wire_put_u32(&writer, a->flight.una - 1);
    wire_put_u32(&writer, (uint32_t)before + 100);
    pair_inject_chunk(&pair, false, SCTP_CHUNK_SACK, 0, value, sizeof value);
    ok(a->flight.outstanding == before, "100 bytes more while DATA is outstanding: no small piece");
    pair_fini(&pair);
}

/* So many TSNs and no more, whatever the windows. */
static void test_ahead(bool hawser)
{
    struct pair pair;
    pair_prepare(&pair, 3, SCTP_ESTABLISHED);
    struct sctp_association *a = pair.a.association;
    const uint32_t most = hawser ? SCTP_SENDING_AHEAD_OURS : SCTP_SENDING_AHEAD_OTHERS;
    struct sctp_wants wants;
    static uint8_t room[1500];
    a->peer_is_hawser = hawser;
    a->sending.peer_window = UINT32_MAX;
    for (uint32_t i = 0; i < most + 100; i++) {
        struct message *message = pair_message(1, 1, 1);
        if (sctp_association_send(a, pair.now_us, message) != ERR_OK)
            message_free(message);
        a->nets[0]->congestion->pace = 0;
        a->nets[0]->congestion->window = UINT64_MAX / 2;
        if (i % 50 == 0 || i > most)
            while (sctp_association_wants(a, pair.now_us, &wants))
                must(sctp_association_output(a, pair.now_us, &wants, room));
    }
    ok(a->flight.next_tsn - a->flight.una == most, "%u TSNs outstanding, no more", most);
    pair_fini(&pair);
}

int main(void)
{
    test_inits(false);
    test_inits(true);
    test_data(false);
    test_data(true);
    test_ssn_wraps();
    test_lost_first();
    test_t3();
    test_sack();
    test_every_second();
    test_sack_states();
    test_no_renege();
    test_windows();
    test_ahead(true);
    test_ahead(false);
    return tap_done();
}
