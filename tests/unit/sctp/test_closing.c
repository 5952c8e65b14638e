/* The orderly end of an association (RFC 9260 section 9.2): both sides, each chunk in each state,
 * lost and repeated last words, both at once. */
#include "tests/unit/sctp/pair.h"

#include "sctp/closing.h"
#include "sctp/receiving.h"

#define SECOND 1000000u

static const uint64_t seeds[] = {1, 2, 3};
#define SEEDS (sizeof seeds / sizeof seeds[0])

/* ---- the sequence ---- */

static void test_in_order(uint64_t seed)
{
    struct pair pair;
    pair_init(&pair, seed);
    pair_up(&pair);
    pair_clear(&pair);
    uint32_t tag = pair.b.association->own_tag;
    sctp_association_shutdown(pair.a.association, pair.now_us);
    ok(pair.a.association->state == SCTP_SHUTDOWN_SENT, "nothing outstanding: SHUTDOWN_SENT");
    pair_pump(&pair, false);
    ok(pair_say(&pair, false, 0, 10) == ERR_TRANSPORT_CLOSED, "no new messages");
    struct sctp_chunk chunk;
    ok(pair_find(pair.wire, SCTP_CHUNK_SHUTDOWN, &chunk) && chunk.length == 4 &&
           sctp_wire_u32(chunk.value) == pair.a.association->receiving.map.cumulative &&
           sctp_wire_u32(pair.wire->bytes + 4) == tag,
       "SHUTDOWN: the cumulative TSN, the peer's tag");
    pair_run(&pair, SECOND);
    ok(pair_sent(&pair, "A SHUTDOWN, B SHUTDOWN_ACK, A COMPLETE"), "three packets");
    ok(pair_is_down(&pair.a, ERR_LOCAL_SHUTDOWN), "the side that asked: its own doing");
    ok(pair_is_down(&pair.b, ERR_TRANSPORT_CLOSED), "the other: closed by the peer");
    ok(pair_told(&pair.b, SCTP_EVENT_PEER_CLOSING) && !pair_told(&pair.a, SCTP_EVENT_PEER_CLOSING),
       "which was told before");
    ok(sctp_association_deadline(pair.a.association) == SCTP_NEVER &&
           sctp_association_deadline(pair.b.association) == SCTP_NEVER,
       "no timer is left");
    pair_fini(&pair);
}

static bool keep_complete(struct pair *pair, struct pair_packet *packet)
{
    if (pair_has(packet, SCTP_CHUNK_SHUTDOWN_COMPLETE))
        pair_keep(pair, packet);
    return true;
}

static void test_complete(uint64_t seed)
{
    struct pair pair;
    pair_init(&pair, seed);
    pair_up(&pair);
    pair.filter = keep_complete;
    uint32_t tag = pair.b.association->own_tag;
    sctp_association_shutdown(pair.a.association, pair.now_us);
    pair_pump(&pair, false);
    pair_run(&pair, SECOND);
    ok(pair.kept && pair.kept->length == 16 && pair.kept->bytes[SCTP_HEADER + 1] == 0 &&
           sctp_wire_u32(pair.kept->bytes + 4) == tag,
       "SHUTDOWN COMPLETE is alone, with the peer's tag, without the T bit");
    pair_fini(&pair);
}

/* Both have messages under way when one begins. */
static void test_data_first(uint64_t seed)
{
    struct pair pair;
    pair_init(&pair, seed);
    pair_up(&pair);
    pair_say_all(&pair, false, 20, 3000);
    pair_say_all(&pair, true, 20, 3000);
    must(pair_say(&pair, false, 1, 3000) == ERR_OK && pair_say(&pair, true, 1, 3000) == ERR_OK);
    sctp_association_shutdown(pair.a.association, pair.now_us);
    ok(pair.a.association->state == SCTP_SHUTDOWN_PENDING, "PENDING while data is outstanding");
    ok(pair_say(&pair, false, 1, 10) == ERR_TRANSPORT_CLOSED, "which takes no more");
    pair_run(&pair, SECOND);
    ok(pair.b.messages.count == 21 && pair.a.messages.count == 21, "all of both has arrived");
    ok(pair_is_down(&pair.a, ERR_LOCAL_SHUTDOWN) && pair_is_down(&pair.b, ERR_TRANSPORT_CLOSED),
       "then the end");
    ok(pair.b.events[pair.b.event_count - 1] == SCTP_EVENT_DOWN, "DOWN is the last event");
    pair_fini(&pair);
}

/* Every second packet from B is lost: it is in SHUTDOWN_RECEIVED meanwhile and repeats. */
static bool lose_some(struct pair *pair, struct pair_packet *packet)
{
    uint32_t *count = pair->context;
    return packet->to_b || !pair_has(packet, SCTP_CHUNK_DATA) || ++*count % 2;
}

static void test_received(uint64_t seed)
{
    struct pair pair;
    uint32_t count = 0;
    pair_init(&pair, seed);
    pair_up(&pair);
    pair.filter = lose_some;
    pair.context = &count;
    pair_say_all(&pair, true, 9, 5000);
    must(pair_say(&pair, true, 1, 5000) == ERR_OK);
    sctp_association_shutdown(pair.a.association, pair.now_us);
    pair_pump(&pair, false);
    pair_run(&pair, pair.delay_us + 1);
    ok(pair.b.association->state == SCTP_SHUTDOWN_RECEIVED, "SHUTDOWN_RECEIVED");
    ok(pair_say(&pair, true, 2, 10) == ERR_TRANSPORT_CLOSED, "which takes no more from its user");
    sctp_association_shutdown(pair.b.association, pair.now_us);
    ok(pair.b.association->state == SCTP_SHUTDOWN_RECEIVED, "and ignores that it wants to end");
    pair_run(&pair, 60 * SECOND);
    ok(pair.a.messages.count == 10, "all that was queued arrives, lost or not");
    ok(pair_is_down(&pair.a, ERR_LOCAL_SHUTDOWN) && pair_is_down(&pair.b, ERR_TRANSPORT_CLOSED),
       "then the end");
    pair_fini(&pair);
}

/* ---- each chunk in each state ---- */

struct row {
    enum sctp_state state;
    uint8_t type;
    enum sctp_state after;
    const char *sent;
};

static const struct row rows[] = {
    {SCTP_COOKIE_WAIT, SCTP_CHUNK_SHUTDOWN, SCTP_COOKIE_WAIT, ""},
    {SCTP_COOKIE_ECHOED, SCTP_CHUNK_SHUTDOWN, SCTP_COOKIE_ECHOED, ""},
    {SCTP_ESTABLISHED, SCTP_CHUNK_SHUTDOWN, SCTP_SHUTDOWN_ACK_SENT, "A SHUTDOWN_ACK"},
    {SCTP_SHUTDOWN_PENDING, SCTP_CHUNK_SHUTDOWN, SCTP_SHUTDOWN_RECEIVED, ""},
    {SCTP_SHUTDOWN_SENT, SCTP_CHUNK_SHUTDOWN, SCTP_SHUTDOWN_ACK_SENT, "A SHUTDOWN_ACK"},
    {SCTP_SHUTDOWN_RECEIVED, SCTP_CHUNK_SHUTDOWN, SCTP_SHUTDOWN_RECEIVED, ""},
    {SCTP_SHUTDOWN_ACK_SENT, SCTP_CHUNK_SHUTDOWN, SCTP_SHUTDOWN_ACK_SENT, "A SHUTDOWN_ACK"},
    {SCTP_ENDED, SCTP_CHUNK_SHUTDOWN, SCTP_ENDED, "A ABORT"},

    {SCTP_COOKIE_WAIT, SCTP_CHUNK_SHUTDOWN_ACK, SCTP_COOKIE_WAIT, "A COMPLETE"},
    {SCTP_COOKIE_ECHOED, SCTP_CHUNK_SHUTDOWN_ACK, SCTP_COOKIE_ECHOED, "A COMPLETE"},
    {SCTP_ESTABLISHED, SCTP_CHUNK_SHUTDOWN_ACK, SCTP_ESTABLISHED, ""},
    {SCTP_SHUTDOWN_PENDING, SCTP_CHUNK_SHUTDOWN_ACK, SCTP_SHUTDOWN_PENDING, ""},
    {SCTP_SHUTDOWN_SENT, SCTP_CHUNK_SHUTDOWN_ACK, SCTP_ENDED, "A COMPLETE"},
    {SCTP_SHUTDOWN_RECEIVED, SCTP_CHUNK_SHUTDOWN_ACK, SCTP_SHUTDOWN_RECEIVED, ""},
    {SCTP_SHUTDOWN_ACK_SENT, SCTP_CHUNK_SHUTDOWN_ACK, SCTP_ENDED, "A COMPLETE"},

    {SCTP_COOKIE_WAIT, SCTP_CHUNK_SHUTDOWN_COMPLETE, SCTP_COOKIE_WAIT, ""},
    {SCTP_COOKIE_ECHOED, SCTP_CHUNK_SHUTDOWN_COMPLETE, SCTP_COOKIE_ECHOED, ""},
    {SCTP_ESTABLISHED, SCTP_CHUNK_SHUTDOWN_COMPLETE, SCTP_ESTABLISHED, ""},
    {SCTP_SHUTDOWN_PENDING, SCTP_CHUNK_SHUTDOWN_COMPLETE, SCTP_SHUTDOWN_PENDING, ""},
    {SCTP_SHUTDOWN_SENT, SCTP_CHUNK_SHUTDOWN_COMPLETE, SCTP_SHUTDOWN_SENT, ""},
    {SCTP_SHUTDOWN_RECEIVED, SCTP_CHUNK_SHUTDOWN_COMPLETE, SCTP_SHUTDOWN_RECEIVED, ""},
    {SCTP_SHUTDOWN_ACK_SENT, SCTP_CHUNK_SHUTDOWN_COMPLETE, SCTP_ENDED, ""},
};

static void inject_row(struct pair *pair, const struct row *row)
{
    struct pair_forged forged;
    if (row->type == SCTP_CHUNK_SHUTDOWN && row->state != SCTP_ENDED &&
        row->state > SCTP_COOKIE_ECHOED) {
        pair_inject_shutdown(pair, 0);
        return;
    }
    pair_forge(pair, false, pair->a.association->own_tag, &forged);
    sctp_wire_put_chunk(&forged.writer, row->type, 0, "\0\0\0\0",
                        row->type == SCTP_CHUNK_SHUTDOWN ? 4 : 0);
    pair_inject(pair, false, &forged);
}

static void test_rows(uint64_t seed)
{
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        struct pair pair;
        pair_prepare(&pair, seed, row->state);
        inject_row(&pair, row);
        ok(pair.a.association->state == row->after && pair_sent(&pair, row->sent),
           "state %d, chunk %u: state %d, \"%s\"", row->state, row->type, row->after, row->sent);
        pair_fini(&pair);
    }
}

/* ---- lost and repeated words ---- */

struct loss {
    uint8_t type;
    unsigned left; /* so many of that type are lost */
};

static bool lose_type(struct pair *pair, struct pair_packet *packet)
{
    struct loss *loss = pair->context;
    if (!loss->left || !pair_has(packet, loss->type))
        return true;
    loss->left--;
    return false;
}

static void lose(struct pair *pair, uint64_t seed, struct loss *loss)
{
    pair_init(pair, seed);
    pair_up(pair);
    pair_clear(pair);
    pair->filter = lose_type;
    pair->context = loss;
    sctp_association_shutdown(pair->a.association, pair->now_us);
    pair_pump(pair, false);
}

static void test_lost(uint64_t seed)
{
    struct pair pair;
    lose(&pair, seed, &(struct loss){SCTP_CHUNK_SHUTDOWN, 2});
    uint64_t begun = pair.now_us;
    while (pair.a.sent < 3 + 2 && pair_step(&pair, SCTP_NEVER - 1))
        ;
    uint64_t rto = sctp_net_rto(pair.a.association->nets[0], &pair.a.association->options);
    ok(pair.now_us - begun == rto + 2 * rto, "SHUTDOWN again by T2, which doubles");
    pair_run(&pair, 60 * SECOND);
    ok(pair_sent(&pair, "A SHUTDOWN, A SHUTDOWN, A SHUTDOWN, B SHUTDOWN_ACK, A COMPLETE"),
       "until it arrives");
    ok(pair_is_down(&pair.a, ERR_LOCAL_SHUTDOWN) && pair_is_down(&pair.b, ERR_TRANSPORT_CLOSED),
       "the end");
    pair_fini(&pair);

    lose(&pair, seed, &(struct loss){SCTP_CHUNK_SHUTDOWN_ACK, 1});
    pair_run(&pair, 60 * SECOND);
    ok(pair_is_down(&pair.a, ERR_LOCAL_SHUTDOWN) && pair_is_down(&pair.b, ERR_TRANSPORT_CLOSED),
       "SHUTDOWN ACK lost: by T2 of either side");
    pair_fini(&pair);

    lose(&pair, seed, &(struct loss){SCTP_CHUNK_SHUTDOWN_COMPLETE, 1});
    pair_run(&pair, 60 * SECOND);
    ok(pair_sent(&pair, "A SHUTDOWN, B SHUTDOWN_ACK, A COMPLETE, B SHUTDOWN_ACK, A COMPLETE"),
       "SHUTDOWN COMPLETE lost: SHUTDOWN ACK is out of the blue, and answered (8.4)");
    ok(pair_is_down(&pair.b, ERR_TRANSPORT_CLOSED), "by one with the T bit, which is taken");
    pair_fini(&pair);
}

static void test_given_up(uint64_t seed)
{
    struct pair pair;
    lose(&pair, seed, &(struct loss){SCTP_CHUNK_SHUTDOWN, 1000});
    pair_run(&pair, 1000 * SECOND);
    ok(pair_is_down(&pair.a, ERR_TRANSPORT_LOST), "no answer to SHUTDOWN: the peer is lost");
    ok(pair.a.sent == 2 + 1 + pair.options[0].retransmissions,
       "after Association.Max.Retrans repetitions: %u", pair.a.sent);
    pair_fini(&pair);

    lose(&pair, seed, &(struct loss){SCTP_CHUNK_SHUTDOWN_ACK, 1000});
    pair.b.association->options.retransmissions = 3;
    pair_run(&pair, 1000 * SECOND);
    ok(pair_is_down(&pair.b, ERR_TRANSPORT_CLOSED),
       "no answer to SHUTDOWN ACK: all data has arrived, only the last word was lost");
    pair_fini(&pair);
}

/* The peer aborts without knowing us: it has ended it already. */
static void test_last_word(uint64_t seed)
{
    struct pair pair;
    struct pair_forged forged;
    pair_prepare(&pair, seed, SCTP_SHUTDOWN_ACK_SENT);
    pair_forge(&pair, false, pair.a.association->peer_tag, &forged);
    sctp_wire_put_chunk(&forged.writer, SCTP_CHUNK_ABORT, SCTP_FLAG_REFLECTED, NULL, 0);
    pair_inject(&pair, false, &forged);
    ok(pair_is_down(&pair.a, ERR_TRANSPORT_CLOSED),
       "ABORT with the T bit after the peer's SHUTDOWN: closed");
    pair_fini(&pair);

    pair_prepare(&pair, seed, SCTP_SHUTDOWN_SENT);
    pair_forge(&pair, false, pair.a.association->peer_tag, &forged);
    sctp_wire_put_chunk(&forged.writer, SCTP_CHUNK_ABORT, SCTP_FLAG_REFLECTED, NULL, 0);
    pair_inject(&pair, false, &forged);
    ok(pair_is_down(&pair.a, ERR_TRANSPORT_ABORTED) && pair.a.down.unknown_there,
       "not after ours alone");
    pair_fini(&pair);
}

/* ---- both at once ---- */

static void test_collision(uint64_t seed)
{
    struct pair pair;
    pair_init(&pair, seed);
    pair_up(&pair);
    pair_clear(&pair);
    sctp_association_shutdown(pair.a.association, pair.now_us);
    sctp_association_shutdown(pair.b.association, pair.now_us);
    pair_pump(&pair, false);
    pair_pump(&pair, true);
    pair_run(&pair, SECOND);
    ok(pair_sent(&pair, "A SHUTDOWN, B SHUTDOWN, B SHUTDOWN_ACK, A SHUTDOWN_ACK, A COMPLETE, "
                        "B COMPLETE"),
       "two SHUTDOWNs cross: each is answered, and so is each answer");
    ok(pair_is_down(&pair.a, ERR_LOCAL_SHUTDOWN) && pair_is_down(&pair.b, ERR_LOCAL_SHUTDOWN),
       "both asked for it");
    ok(pair_told(&pair.a, SCTP_EVENT_PEER_CLOSING) && pair_told(&pair.b, SCTP_EVENT_PEER_CLOSING),
       "and are told that the other did, too");
    pair_fini(&pair);

    pair_prepare(&pair, seed, SCTP_SHUTDOWN_PENDING);
    pair_inject_shutdown(&pair, 1);
    ok(pair.a.association->state == SCTP_SHUTDOWN_ACK_SENT && pair_sent(&pair, "A SHUTDOWN_ACK"),
       "the peer's SHUTDOWN acknowledges the last of ours: SHUTDOWN ACK");
    pair_inject_chunk(&pair, false, SCTP_CHUNK_SHUTDOWN_COMPLETE, 0, NULL, 0);
    ok(pair_is_down(&pair.a, ERR_LOCAL_SHUTDOWN), "the end");
    pair_fini(&pair);
}

/* ---- SHUTDOWN's own words ---- */

static void test_malformed(uint64_t seed)
{
    struct pair pair;
    pair_prepare(&pair, seed, SCTP_ESTABLISHED);
    pair_inject_chunk(&pair, false, SCTP_CHUNK_SHUTDOWN, 0, "\0\0\0", 3);
    pair_inject_chunk(&pair, false, SCTP_CHUNK_SHUTDOWN, 0, "\0\0\0\0\0\0\0\0", 8);
    ok(pair.a.association->state == SCTP_ESTABLISHED && pair_sent(&pair, ""),
       "a SHUTDOWN of another length is dropped");
    pair_inject_shutdown(&pair, 5);
    ok(pair.a.association->state == SCTP_ESTABLISHED && pair_sent(&pair, ""),
       "so is one that acknowledges what was never sent, as such a SACK is");
    ok(pair.a.association->counters.rejected == 3, "each is counted");
    pair_fini(&pair);

    pair_prepare(&pair, seed, SCTP_SHUTDOWN_RECEIVED);
    pair_inject_shutdown(&pair, (uint32_t)-100);
    ok(pair.a.association->state == SCTP_SHUTDOWN_RECEIVED, "an old one says nothing");
    pair_inject_shutdown(&pair, 1);
    ok(pair.a.association->state == SCTP_SHUTDOWN_ACK_SENT && pair_sent(&pair, "A SHUTDOWN_ACK"),
       "its cumulative TSN counts as a SACK's");
    pair_fini(&pair);
}

/* ---- DATA while SHUTDOWN is out ---- */

static void inject_data(struct pair *pair, uint32_t ahead)
{
    struct sctp_association *a = pair->a.association;
    uint8_t value[16] = {0};
    struct wire_writer writer = wire_writer(value, sizeof value);
    wire_put_u32(&writer, a->receiving.map.cumulative + ahead);
    wire_put_u32(&writer, 1u << 16); /* stream 1, sequence number 0 */
    wire_put_u32(&writer, 0x48575301u);
    wire_put_u32(&writer, 0x61626364u);
    pair_inject_chunk(pair, false, SCTP_CHUNK_DATA, SCTP_FLAG_BEGIN | SCTP_FLAG_END, value,
                      sizeof value);
}

static void test_data(uint64_t seed)
{
    struct pair pair;
    pair_prepare(&pair, seed, SCTP_SHUTDOWN_SENT);
    struct sctp_association *a = pair.a.association;
    pair.now_us += 100000;
    inject_data(&pair, 1);
    ok(pair_sent(&pair, "A SHUTDOWN+SACK"), "DATA is answered at once");
    ok(a->closing.deadline_us > pair.now_us + 100000, "and T2 starts anew");
    ok(pair.a.messages.count == 1, "its message arrives");
    pair_clear(&pair);
    inject_data(&pair, 2);
    ok(pair_sent(&pair, "A SHUTDOWN+SACK"), "behind a gap: SACK and SHUTDOWN");
    ok(sctp_tsn_map_has_gaps(&a->receiving.map), "a gap");
    pair_fini(&pair);

    pair_prepare(&pair, seed, SCTP_SHUTDOWN_ACK_SENT);
    inject_data(&pair, 1);
    ok(pair_sent(&pair, "") && !pair.a.messages.count, "none in SHUTDOWN_ACK_SENT");
    pair_fini(&pair);
    pair_prepare(&pair, seed, SCTP_SHUTDOWN_RECEIVED);
    inject_data(&pair, 1);
    ok(pair_sent(&pair, "") && !pair.a.messages.count, "nor in SHUTDOWN_RECEIVED");
    pair_fini(&pair);
}

/* ---- timers ---- */

static void test_heard(uint64_t seed)
{
    struct pair pair;
    pair_prepare(&pair, seed, SCTP_SHUTDOWN_SENT);
    struct sctp_association *a = pair.a.association;
    pair_run(&pair, 20 * SECOND);
    unsigned before = a->closing.sent;
    ok(before > 3, "%u repetitions", before);
    pair_inject_chunk(&pair, false, SCTP_CHUNK_PAD, 0, NULL, 0);
    ok(!a->closing.sent, "any packet of the peer's clears their count");
    ok(a->closing.deadline_us == pair.now_us + sctp_net_rto(a->nets[0], &a->options),
       "and T2 starts anew");
    pair_fini(&pair);
}

/* Data that are not sent yet do not count as unanswered. */
static void test_unsent(uint64_t seed)
{
    struct pair pair;
    pair_prepare(&pair, seed, SCTP_SHUTDOWN_SENT);
    struct sctp_association *a = pair.a.association;
    for (unsigned i = 0; i < 5; i++)
        sctp_association_timeout(a, pair.now_us + SECOND);
    ok(a->closing.sent == 1 && a->closing.owes_shutdown, "T2 waits for its SHUTDOWN to be sent");
    pair_fini(&pair);
}

/* T2's count and T5 are of SHUTDOWN, not of the SHUTDOWN ACK after it. */
static void test_begins_anew(uint64_t seed)
{
    struct pair pair;
    pair_prepare(&pair, seed, SCTP_SHUTDOWN_SENT);
    struct sctp_association *a = pair.a.association;
    uint64_t guard_us = a->closing.guard_us;
    while (pair.now_us + 100 * SECOND < guard_us) {
        pair_run(&pair, 10 * SECOND);
        pair_inject_chunk(&pair, false, SCTP_CHUNK_PAD, 0, NULL, 0);
        pair_clear(&pair);
    }
    pair_run(&pair, 10 * SECOND);
    ok(a->state == SCTP_SHUTDOWN_SENT && a->closing.sent > 2, "%u repetitions", a->closing.sent);
    pair_inject_shutdown(&pair, 0);
    ok(a->state == SCTP_SHUTDOWN_ACK_SENT && a->closing.sent == 0, "none of SHUTDOWN ACK yet");
    while (pair.a.down.kind != SCTP_EVENT_DOWN)
        must(pair_step(&pair, pair.now_us + 1000 * SECOND));
    ok(pair_is_down(&pair.a, ERR_LOCAL_SHUTDOWN) && pair.now_us > guard_us &&
           !strstr(pair.log, "ABORT"),
       "which gets the time of its own");
    pair_fini(&pair);
}

static void test_guard(uint64_t seed)
{
    struct pair pair;
    pair_prepare(&pair, seed, SCTP_SHUTDOWN_SENT);
    struct sctp_association *a = pair.a.association;
    uint64_t guard = 5 * a->options.rto_max_us, begun = pair.now_us;
    while (a->state == SCTP_SHUTDOWN_SENT && pair.now_us - begun < 2 * guard) {
        pair_inject_chunk(&pair, false, SCTP_CHUNK_PAD, 0, NULL, 0);
        pair_clear(&pair);
        pair_run(&pair, SECOND);
    }
    ok(pair.now_us - begun >= guard && pair.now_us - begun <= guard + 2 * SECOND,
       "T5: a peer that only talks gets five times RTO.Max");
    ok(strstr(pair.log, "A ABORT") && pair_is_down(&pair.a, ERR_TRANSPORT_LOST), "then ABORT");
    pair_fini(&pair);
}

/* ---- before it is up ---- */

static void test_early(uint64_t seed)
{
    struct pair pair;
    pair_prepare(&pair, seed, SCTP_COOKIE_WAIT);
    sctp_association_shutdown(pair.a.association, pair.now_us);
    pair_pump(&pair, false);
    ok(pair_is_down(&pair.a, ERR_LOCAL_SHUTDOWN) && pair_sent(&pair, ""),
       "before there is a peer: nothing is said");
    pair_fini(&pair);
    pair_prepare(&pair, seed, SCTP_COOKIE_ECHOED);
    sctp_association_shutdown(pair.a.association, pair.now_us);
    pair_pump(&pair, false);
    ok(pair_is_down(&pair.a, ERR_LOCAL_SHUTDOWN) && pair_sent(&pair, "A ABORT"),
       "in COOKIE_ECHOED: ABORT");
    pair_fini(&pair);
}

/* ---- chance ---- */

struct chance {
    uint64_t seed;
    unsigned lost; /* of a hundred */
};

static unsigned draw(struct chance *chance, unsigned below)
{
    chance->seed = chance->seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(chance->seed >> 33) % below;
}

/* Lost, doubled, late. */
static bool play(struct pair *pair, struct pair_packet *packet)
{
    struct chance *chance = pair->context;
    if (draw(chance, 100) < chance->lost)
        return false;
    if (draw(chance, 100) < 10)
        pair_post(pair, pair_copy(packet), pair->now_us + draw(chance, 100000));
    if (draw(chance, 100) >= 20)
        return true;
    pair_post(pair, pair_copy(packet), pair->now_us + draw(chance, 50000));
    return false;
}

/* Both talk, one or both end it some time. On any line both are told; and an end that closes in
 * order has been heard to the end. */
static bool by_chance(uint64_t seed)
{
    struct chance chance = {.seed = seed * 77, .lost = (unsigned)(seed % 4) * 10};
    struct pair pair;
    unsigned sent[2] = {0};
    pair_init(&pair, seed);
    pair.wraps = seed % 2;
    pair.options[0].auth = pair.options[1].auth = seed % 3 == 0;
    pair_up(&pair);
    pair.filter = play;
    pair.context = &chance;
    for (unsigned i = draw(&chance, 30); i; i--) {
        bool b = draw(&chance, 2);
        sent[b] += pair_say(&pair, b, 1, 1 + draw(&chance, 6000)) == ERR_OK;
        pair_run(&pair, draw(&chance, 20000));
    }
    bool first = draw(&chance, 2), both = draw(&chance, 3) == 0;
    sctp_association_shutdown(pair_end_of(&pair, first)->association, pair.now_us);
    pair_pump(&pair, first);
    pair_run(&pair, draw(&chance, 30000));
    if (both && pair_end_of(&pair, !first)->down.kind != SCTP_EVENT_DOWN) {
        sctp_association_shutdown(pair_end_of(&pair, !first)->association, pair.now_us);
        pair_pump(&pair, !first);
    }
    pair_run(&pair, 600 * (uint64_t)SECOND);
    const struct pair_end *ends[2] = {&pair.a, &pair.b};
    bool good = true;
    for (unsigned i = 0; i < 2; i++) {
        bool in_order =
            ends[i]->down.kind == SCTP_EVENT_DOWN && (ends[i]->down.reason == ERR_LOCAL_SHUTDOWN ||
                                                      ends[i]->down.reason == ERR_TRANSPORT_CLOSED);
        good = good && in_order && ends[!i]->messages.count == sent[i];
    }
    if (!good)
        tap_note("seed %llu: %s and %s, %zu of %u and %zu of %u", (unsigned long long)seed,
                 err_name(pair.a.down.reason), err_name(pair.b.down.reason), pair.b.messages.count,
                 sent[0], pair.a.messages.count, sent[1]);
    pair_fini(&pair);
    return good;
}

static void test_chance(void)
{
    unsigned good = 0;
    for (uint64_t seed = 1; seed <= 400; seed++)
        good += by_chance(seed);
    ok(good == 400,
       "400 lines that lose up to 30%%, double and delay: both end in order, with all "
       "that was said (%u)",
       good);
}

int main(void)
{
    for (unsigned i = 0; i < SEEDS; i++) {
        test_in_order(seeds[i]);
        test_complete(seeds[i]);
        test_data_first(seeds[i]);
        test_received(seeds[i]);
        test_rows(seeds[i]);
        test_lost(seeds[i]);
        test_given_up(seeds[i]);
        test_last_word(seeds[i]);
        test_collision(seeds[i]);
        test_malformed(seeds[i]);
        test_data(seeds[i]);
        test_heard(seeds[i]);
        test_unsent(seeds[i]);
        test_begins_anew(seeds[i]);
        test_guard(seeds[i]);
        test_early(seeds[i]);
    }
    test_chance();
    return tap_done();
}
