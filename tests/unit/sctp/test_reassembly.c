/* Chunks in every order, and by chance, to messages; chunks that contradict each other; memory. */
#include "sctp/reassembly.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "sctp/tsn_map.h"
#include "tests/lib/tap.h"

#define PPID 0x48575300u

static const uint32_t firsts[] = {1, 0xfffffffd};

struct receiver {
    struct sctp_tsn_map map;
    struct sctp_reassembly *reassembly;
};

static bool frugal;

static void open_receiver(struct receiver *self, uint32_t first, uint16_t streams)
{
    sctp_tsn_map_init(&self->map, first);
    self->reassembly = sctp_reassembly_new(first, streams);
    sctp_reassembly_set_frugal(self->reassembly, frugal);
}

static void close_receiver(struct receiver *self)
{
    sctp_tsn_map_fini(&self->map);
    sctp_reassembly_free(self->reassembly);
}

static enum err give(struct receiver *self, const struct sctp_data *data)
{
    if (sctp_tsn_map_add(&self->map, data->tsn) != SCTP_TSN_NEW)
        return ERR_AGAIN;
    return sctp_reassembly_add(self->reassembly, data, self->map.cumulative);
}

/* ---- a list of messages, cut ---- */

#define CHUNKS_MAX 4000

struct sent {
    struct sctp_data chunks[CHUNKS_MAX];
    uint8_t *bytes;
    size_t count;
    uint16_t ssn[8];
    uint32_t number[8]; /* messages of each stream */
};

static uint8_t byte_of(uint16_t stream, uint32_t number, size_t at)
{
    return (uint8_t)(stream * 31 + number * 7 + at * 13);
}

/* One more message, in so many chunks of so many bytes. */
static void put(struct sent *sent, uint32_t first, uint16_t stream, unsigned chunks, size_t size)
{
    uint32_t number = sent->number[stream]++;
    for (unsigned i = 0; i < chunks; i++) {
        uint8_t *bytes = check_alloc(size); /* as long as the chunk: ASan sees what is beyond */
        for (size_t j = 0; j < size; j++)
            bytes[j] = byte_of(stream, number, i * size + j);
        must(sent->count < CHUNKS_MAX);
        sent->chunks[sent->count] = (struct sctp_data){.tsn = first + (uint32_t)sent->count,
                                                       .ppid = PPID | 5,
                                                       .stream = stream,
                                                       .ssn = sent->ssn[stream],
                                                       .begins = i == 0,
                                                       .ends = i == chunks - 1,
                                                       .bytes = bytes,
                                                       .length = size};
        sent->count++;
    }
    sent->ssn[stream]++;
}

static void forget(struct sent *sent)
{
    for (size_t i = 0; i < sent->count; i++)
        free((void *)(uintptr_t)sent->chunks[i].bytes);
}

struct seen {
    uint32_t number[8];
    unsigned wrong, count;
};

static void take_all(struct receiver *self, struct seen *seen)
{
    struct message *message;
    while ((message = sctp_reassembly_take(self->reassembly))) {
        uint32_t number = seen->number[message->stream]++;
        for (size_t i = 0; i < message->length; i++)
            seen->wrong += message->data[i] != byte_of(message->stream, number, i);
        seen->wrong += message->epoch != 5;
        seen->count++;
        message_free(message);
    }
}

static unsigned messages_of(const struct sent *sent)
{
    unsigned count = 0;
    for (size_t i = 0; i < sent->count; i++)
        count += sent->chunks[i].ends;
    return count;
}

/* ---- every order ---- */

static unsigned run_order(uint32_t first, const struct sent *sent, const unsigned *order)
{
    struct receiver receiver;
    struct seen seen = {0};
    open_receiver(&receiver, first, 8);
    unsigned wrong = 0;
    for (size_t i = 0; i < sent->count; i++) {
        wrong += give(&receiver, &sent->chunks[order[i]]) != ERR_OK;
        take_all(&receiver, &seen);
    }
    wrong += seen.wrong + (seen.count != messages_of(sent)) +
             (sctp_reassembly_held(receiver.reassembly) != 0);
    close_receiver(&receiver);
    return wrong;
}

/* Heap's algorithm, without recursion. */
static void every_order(uint32_t first, const struct sent *sent, const char *what)
{
    unsigned order[8] = {0}, turn[8] = {0}, orders = 1;
    unsigned count = (unsigned)sent->count;
    for (unsigned i = 0; i < count; i++)
        order[i] = i;
    unsigned wrong = run_order(first, sent, order);
    for (unsigned i = 0; i < count;) {
        if (turn[i] >= i) {
            turn[i++] = 0;
            continue;
        }
        unsigned other = i % 2 ? turn[i] : 0, held = order[other];
        order[other] = order[i];
        order[i] = held;
        wrong += run_order(first, sent, order);
        orders++;
        turn[i]++;
        i = 0;
    }
    ok(!wrong, "%s: all %u orders (%u wrong)", what, orders, wrong);
}

static void few(uint32_t first)
{
    struct sent one = {0}, two = {0}, mixed = {0};
    put(&one, first, 1, 6, 10);
    every_order(first, &one, "a message of 6 chunks");
    put(&two, first, 1, 3, 10);
    put(&two, first, 2, 3, 10);
    every_order(first, &two, "a message of 3 chunks on each of two streams");
    put(&mixed, first, 1, 1, 10);
    put(&mixed, first, 2, 2, 10);
    put(&mixed, first, 1, 2, 10);
    put(&mixed, first, 1, 1, 10);
    put(&mixed, first, 2, 1, 10);
    every_order(first, &mixed, "five messages of 1 and 2 chunks on two streams");
    forget(&one);
    forget(&two);
    forget(&mixed);
}

/* ---- by chance ---- */

/* Each chunk comes up to so many places late; SSNs wrap, too. */
static void many(uint32_t first, size_t late)
{
    static struct sent sent;
    memset(&sent, 0, sizeof sent);
    for (int i = 0; i < 8; i++)
        sent.ssn[i] = 0;
    while (sent.count < CHUNKS_MAX - 16)
        put(&sent, first, (uint16_t)(random() % 8), 1 + (unsigned)random() % 12,
            1 + (size_t)random() % 1200);
    struct receiver receiver;
    struct seen seen = {0};
    open_receiver(&receiver, first, 8);
    size_t most = 0, wrong = 0;
    bool *gone = check_alloc(sent.count);
    for (size_t done = 0, oldest = 0; done < sent.count;) {
        size_t which = oldest + (size_t)random() % late;
        if (which >= sent.count || gone[which])
            which = oldest;
        gone[which] = true;
        done++;
        wrong += give(&receiver, &sent.chunks[which]) != ERR_OK;
        if (sctp_reassembly_held(receiver.reassembly) > most)
            most = sctp_reassembly_held(receiver.reassembly);
        take_all(&receiver, &seen);
        while (oldest < sent.count && gone[oldest])
            oldest++;
    }
    ok(!wrong && !seen.wrong && seen.count == messages_of(&sent) &&
           !sctp_reassembly_held(receiver.reassembly),
       "%u messages in %zu chunks, up to %zu late: whole, in order, at most %zu KB held",
       seen.count, sent.count, late, most / 1024);
    close_receiver(&receiver);
    forget(&sent);
    free(gone);
}

static void numbers_wrap(void)
{
    struct receiver receiver;
    unsigned wrong = 0, count = 0;
    const uint8_t byte = 7;
    open_receiver(&receiver, 1, 1);
    /* Each two messages change places. */
    for (uint32_t i = 0; i < 140000; i++) {
        uint32_t number = i ^ 1;
        struct sctp_data data = {number + 1, PPID, 0, (uint16_t)number, true, true, &byte, 1};
        wrong += give(&receiver, &data) != ERR_OK;
        struct message *message;
        while ((message = sctp_reassembly_take(receiver.reassembly))) {
            count++;
            message_free(message);
        }
    }
    ok(!wrong && count == 140000, "140 000 messages of a stream: its numbers wrap twice");
    close_receiver(&receiver);
}

/* ---- what a peer must not send, and what is passed over ---- */

struct step {
    uint32_t tsn;
    uint16_t stream, ssn;
    bool begins, ends;
    enum err result;
};

static void contradiction(const char *what, const struct step *steps, size_t count)
{
    static const uint8_t bytes[100];
    struct receiver receiver;
    open_receiver(&receiver, 1, 4);
    size_t wrong = 0;
    for (size_t i = 0; i < count; i++) {
        struct sctp_data data = {steps[i].tsn,    PPID,          steps[i].stream, steps[i].ssn,
                                 steps[i].begins, steps[i].ends, bytes,           sizeof bytes};
        wrong += give(&receiver, &data) != steps[i].result;
    }
    ok(!wrong, "refused: %s", what);
    close_receiver(&receiver);
}

#define REFUSES(what, ...)                                                                         \
    contradiction(what, (const struct step[]){__VA_ARGS__},                                        \
                  sizeof((const struct step[]){__VA_ARGS__}) / sizeof(struct step))

static void contradictions(void)
{
    const enum err bad = ERR_CONTROL_PROTOCOL;
    REFUSES("a message that does not begin", {1, 0, 0, false, true, bad});
    REFUSES("one that begins twice", {1, 0, 0, true, false, ERR_OK}, {2, 0, 0, true, true, bad});
    REFUSES("a fragment of another stream", {1, 0, 0, true, false, ERR_OK},
            {2, 1, 0, false, true, bad});
    REFUSES("of another number", {1, 0, 0, true, false, ERR_OK}, {2, 0, 1, false, true, bad});
    REFUSES("early: a beginning behind what has not ended", {3, 0, 0, true, false, ERR_OK},
            {4, 0, 1, true, true, bad});
    REFUSES("the same, when the second one was whole early", {4, 0, 1, true, true, ERR_OK},
            {3, 0, 0, true, false, ERR_OK}, {1, 1, 0, true, true, ERR_OK},
            {2, 1, 1, true, true, bad});
    REFUSES("no beginning behind one that was whole early", {3, 0, 0, true, true, ERR_OK},
            {4, 0, 1, false, true, ERR_OK}, {1, 1, 0, true, true, ERR_OK},
            {2, 1, 1, true, true, bad});
    REFUSES("early: another stream", {3, 0, 0, true, false, ERR_OK}, {4, 1, 0, false, true, bad});
    REFUSES("an open message before one that was whole early", {2, 0, 1, true, true, ERR_OK},
            {1, 0, 0, true, false, bad});
    REFUSES("no beginning when all before has come", {2, 0, 0, false, true, ERR_OK},
            {1, 1, 0, true, true, bad});
}

static void too_long(bool backwards)
{
    static const uint8_t bytes[1400];
    struct receiver receiver;
    open_receiver(&receiver, 1, 4);
    enum err e = ERR_OK;
    uint32_t chunks = MESSAGE_MAX / sizeof bytes + 1, given = 0;
    for (; given < chunks && e == ERR_OK; given++) {
        uint32_t i = backwards ? chunks - 1 - given : given;
        struct sctp_data data = {2 + i, PPID, 0, 0, i == 0, i == chunks - 1, bytes, sizeof bytes};
        e = give(&receiver, &data);
    }
    ok(e == ERR_CONTROL_PROTOCOL && given == chunks, "a message of more than %d bytes%s",
       MESSAGE_MAX, backwards ? ", backwards" : "");
    close_receiver(&receiver);
}

static void not_for_us(void)
{
    const uint8_t byte = 1;
    struct receiver receiver;
    open_receiver(&receiver, 1, 4);
    const struct sctp_data foreign = {1, 0x12345678, 1, 0, true, true, &byte, 1},
                           beyond = {2, PPID, 4, 0, true, true, &byte, 1},
                           ours = {3, PPID | 9, 1, 1, true, true, &byte, 1};
    ok(give(&receiver, &foreign) == ERR_OK && give(&receiver, &beyond) == ERR_OK &&
           !sctp_reassembly_take(receiver.reassembly),
       "another protocol, and a stream that there is not: passed over");
    ok(give(&receiver, &ours) == ERR_OK, "what follows in the stream");
    struct message *message = sctp_reassembly_take(receiver.reassembly);
    ok(message && message->epoch == 9 && !sctp_reassembly_held(receiver.reassembly),
       "is delivered");
    message_free(message);
    close_receiver(&receiver);
}

static void left_behind(void)
{
    static const uint8_t bytes[1000];
    struct receiver receiver;
    open_receiver(&receiver, 1, 4);
    size_t held = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        struct sctp_data data = {3 + 2 * i, PPID,  1,     (uint16_t)(i + 1),
                                 true,      i % 2, bytes, sizeof bytes};
        give(&receiver, &data);
        held += SCTP_CHUNK_COST + sizeof bytes;
    }
    ok(sctp_reassembly_held(receiver.reassembly) == held, "all that waits is counted: %zu KB",
       held / 1024);
    close_receiver(&receiver);
}

/* A message in pieces of so many bytes: how much is allocated for those that have come, at most, as
 * times of their number. For whom nothing is saved it is MESSAGE_MAX from the first byte on. */
static double most_for_pieces(size_t piece, size_t pieces, size_t until)
{
    static const uint8_t bytes[MESSAGE_MAX];
    struct sctp_reassembly *self = sctp_reassembly_new(1, 4);
    size_t empty = sctp_reassembly_memory(self);
    double most = 0;
    sctp_reassembly_set_frugal(self, true);
    for (uint32_t i = 0; i < pieces; i++) {
        struct sctp_data data = {i + 1, PPID, 1, 0, i == 0, i + 1 == pieces, bytes, piece};
        if (i == until)
            sctp_reassembly_set_frugal(self, false);
        must(sctp_reassembly_add(self, &data, i + 1) == ERR_OK);
        double times = (double)(sctp_reassembly_memory(self) - empty) / (double)(piece * (i + 1));
        most = i < until && i + 1 < pieces && times > most ? times : most;
    }
    struct message *message = sctp_reassembly_take(self);
    ok(message && message->length == piece * pieces, "%zu pieces of %zu bytes become a message",
       pieces, piece);
    message_free(message);
    sctp_reassembly_free(self);
    return most;
}

static void saved(void)
{
    /* held counts the bytes, and the buffer has them, too */
    ok(most_for_pieces(1400, 11, 99) <= 3.1, "for pieces no more than twice their bytes, and them");
    ok(most_for_pieces(MESSAGE_MAX / 7, 7, 99) <= 3.1, "up to the longest message");
    ok(most_for_pieces(1400, 11, 3) <= 3.1, "until nothing is saved any more");
}

int main(void)
{
    srandom((unsigned)tap_seed());
    for (size_t i = 0; i < 2 * sizeof firsts / sizeof firsts[0]; i++) {
        uint32_t first = firsts[i / 2];
        frugal = i % 2;
        few(first);
        many(first, 1);
        many(first, 10);
        many(first, 1000);
    }
    frugal = false;
    saved();
    many(0xfffffff0, 300);
    numbers_wrap();
    contradictions();
    too_long(false);
    too_long(true);
    not_for_us();
    left_behind();
    message_cache_clear();
    return tap_done();
}
