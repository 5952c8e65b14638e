/* bench/sctp_bench.c: the cost of the SCTP engine alone: no socket, no clock of the system, both
 * ends back to back in one thread. Times are of the processor.
 *
 *   sctp_bench [row ...]        rows: bulk, auth, small, associations, idle, threads (all)
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/number.h"
#include "bench/row.h"
#include "sctp/association.h"
#include "sctp/listener.h"

#define RECORD   16406 /* of TLS, with 16 KiB in it */
#define BULK     (UINT64_C(2) << 30)
#define MESSAGES 3000000
#define SMALL    100
#define ROOM     66000
#define BATCH    44 /* packets: a GSO train of 1500 bytes each */
#define MADE     60000
#define STEP_US  10
#define IDLE     10000

static void some_bytes(void *context, void *bytes, size_t length)
{
    uint64_t *seed = context;
    for (uint8_t *at = bytes; length--; at++) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        *at = (uint8_t)(*seed >> 33);
    }
}

/* ---- two ends ---- */

struct ends {
    uint64_t now_us, seed;
    struct sctp_options options[2];
    struct sctp_listener *listener;
    struct sctp_association *a, *b;
    uint64_t got, packets, bytes;
    double spent[2]; /* by A: making packets and reading SACKs; by B: the rest */
    uint8_t *room;   /* BATCH packets */
};

static void ends_init(struct ends *ends, uint32_t mtu, bool auth)
{
    *ends = (struct ends){.now_us = 1000000, .seed = 1};
    ends->room = check_alloc((size_t)ROOM * BATCH);
    for (unsigned i = 0; i < 2; i++) {
        struct sctp_options *options = &ends->options[i];
        sctp_association_defaults(options);
        options->own_port = i ? 20 : 10;
        options->peer_port = i ? 10 : 20;
        options->streams = 64;
        options->mtu = mtu;
        options->hawser = true;
        options->auth = auth;
        options->random = some_bytes;
        options->random_context = &ends->seed;
    }
    ends->listener = sctp_listener_new(&ends->options[1], ends->now_us);
}

static void ends_fini(struct ends *ends)
{
    sctp_association_free(ends->a);
    sctp_association_free(ends->b);
    sctp_listener_free(ends->listener);
    free(ends->room);
}

static void pull(struct ends *ends, struct sctp_association *self)
{
    struct sctp_event event;
    while (sctp_association_event(self, &event))
        if (event.kind == SCTP_EVENT_MESSAGE) {
            ends->got++;
            ends->bytes += event.message->length;
            message_free(event.message);
        }
}

/* One batch from one end to the other; false: there was nothing. */
static bool carry(struct ends *ends, struct sctp_association *from, struct sctp_association *to)
{
    size_t lengths[BATCH];
    unsigned count = 0;
    struct sctp_wants wants;
    double start = clock_seconds(CLOCK_THREAD_CPUTIME_ID);
    while (count < BATCH && sctp_association_wants(from, ends->now_us, &wants)) {
        uint8_t *room = ends->room + (size_t)ROOM * count;
        lengths[count++] = sctp_association_output(from, ends->now_us, &wants, room);
    }
    double made = clock_seconds(CLOCK_THREAD_CPUTIME_ID);
    for (unsigned i = 0; i < count; i++) {
        struct sctp_header header;
        uint8_t *packet = ends->room + (size_t)ROOM * i;
        must(sctp_wire_check(packet, lengths[i], &header));
        sctp_association_input(to, ends->now_us, 0, packet, lengths[i]);
    }
    if (count)
        sctp_association_input_end(to, ends->now_us);
    ends->packets += count;
    ends->spent[from == ends->b] += made - start;
    ends->spent[from == ends->a] += clock_seconds(CLOCK_THREAD_CPUTIME_ID) - made;
    return count;
}

static void connect_ends(struct ends *ends)
{
    struct sctp_header header;
    struct sctp_wants wants;
    struct sctp_event event;
    struct sctp_origin origin = {"bench", 5};
    uint8_t reply[SCTP_REPLY_MAX];
    size_t length, reply_length = 0;
    ends->a = sctp_association_connect(&ends->options[0]);
    for (unsigned i = 0; i < 2; i++) { /* INIT, COOKIE ECHO */
        must(sctp_association_wants(ends->a, ends->now_us, &wants));
        length = sctp_association_output(ends->a, ends->now_us, &wants, ends->room);
        must(sctp_wire_check(ends->room, length, &header));
        enum sctp_heard heard =
            sctp_listener_input(ends->listener, ends->now_us, &origin, 0, ends->room, length, NULL,
                                reply, &reply_length, &ends->b);
        must(heard == (i ? SCTP_HEARD_MADE : SCTP_HEARD_REPLY));
        if (i)
            break;
        must(sctp_wire_check(reply, reply_length, &header));
        sctp_association_input(ends->a, ends->now_us, 0, reply, reply_length);
        sctp_association_input_end(ends->a, ends->now_us);
        while (sctp_association_event(ends->a, &event))
            ;
    }
    sctp_association_input_end(ends->b, ends->now_us);
    pull(ends, ends->b);
    must(carry(ends, ends->b, ends->a));
    pull(ends, ends->a);
}

/* ---- rows ---- */

static void run_timers(struct ends *ends, struct sctp_association *self)
{
    if (sctp_association_deadline(self) <= ends->now_us)
        sctp_association_timeout(self, ends->now_us);
}

/* Messages of that size from A to B until so many bytes have gone. Returns the packets. */
static uint64_t transfer(struct ends *ends, uint32_t size, uint64_t bytes)
{
    uint64_t sent = 0, packets = ends->packets, got = ends->bytes;
    while (ends->bytes - got < bytes) {
        while (sent < bytes) {
            struct message *message = message_new(size);
            message->length = size;
            message->stream = (uint16_t)(sent / size % 64);
            message->epoch = 1;
            if (sctp_association_send(ends->a, ends->now_us, message) != ERR_OK) {
                message_free(message);
                break;
            }
            sent += size;
        }
        carry(ends, ends->a, ends->b);
        pull(ends, ends->b);
        carry(ends, ends->b, ends->a);
        pull(ends, ends->a);
        ends->now_us += STEP_US;
        run_timers(ends, ends->a);
        run_timers(ends, ends->b);
    }
    return ends->packets - packets;
}

static void bench_bulk(uint32_t mtu, bool auth, const char *name)
{
    struct ends ends;
    char what[100];
    ends_init(&ends, mtu, auth);
    connect_ends(&ends);
    transfer(&ends, RECORD, BULK / 8);
    ends.spent[0] = ends.spent[1] = 0;
    double start = clock_seconds(CLOCK_THREAD_CPUTIME_ID);
    uint64_t packets = transfer(&ends, RECORD, BULK);
    double took = clock_seconds(CLOCK_THREAD_CPUTIME_ID) - start, data = (double)BULK / (mtu - 28);
    snprintf(what, sizeof what, "16 KiB records, %s, both ends with their checksums, of one core",
             name);
    print_row("sctp", what, (double)BULK / took / 1e6, "MB/s");
    snprintf(what, sizeof what, "the same, %s, packets and SACKs", name);
    print_row("sctp", what, (double)packets / took / 1e6, "M/s");
    snprintf(what, sizeof what, "the same, %s, the sender for each, copy and checksum", name);
    print_row("sctp", what, ends.spent[0] / data * 1e9, "ns");
    snprintf(what, sizeof what, "the same, %s, the receiver", name);
    print_row("sctp", what, ends.spent[1] / data * 1e9, "ns");
    ends_fini(&ends);
}

static void bench_small(void)
{
    struct ends ends;
    ends_init(&ends, 1452, false);
    connect_ends(&ends);
    double start = clock_seconds(CLOCK_THREAD_CPUTIME_ID);
    transfer(&ends, SMALL, (uint64_t)SMALL * MESSAGES);
    double took = clock_seconds(CLOCK_THREAD_CPUTIME_ID) - start;
    print_row("sctp", "100 B messages, both ends, of one core", MESSAGES / took / 1e6, "M/s");
    ends_fini(&ends);
}

static void bench_associations(void)
{
    struct ends ends;
    ends_init(&ends, 1452, false);
    double start = clock_seconds(CLOCK_THREAD_CPUTIME_ID);
    for (unsigned i = 0; i < MADE; i++) {
        connect_ends(&ends);
        sctp_association_free(ends.a);
        sctp_association_free(ends.b);
        ends.a = ends.b = NULL;
        ends.now_us += 30;
    }
    double took = clock_seconds(CLOCK_THREAD_CPUTIME_ID) - start;
    print_row("sctp", "associations made and freed, both ends, of one core", MADE / took, "1/s");
    ends_fini(&ends);
}

/* Until then, from deadline to deadline. */
static void run_idle(struct ends *ends, uint64_t until_us)
{
    for (uint64_t at; (at = number_least(sctp_association_deadline(ends->a),
                                         sctp_association_deadline(ends->b))) <= until_us;) {
        ends->now_us = at;
        if (sctp_association_deadline(ends->a) <= at)
            sctp_association_timeout(ends->a, at);
        if (sctp_association_deadline(ends->b) <= at)
            sctp_association_timeout(ends->b, at);
        while (carry(ends, ends->a, ends->b) || carry(ends, ends->b, ends->a))
            ;
    }
}

/* Each has carried a message. */
static void bench_idle(void)
{
    struct sctp_status status;
    struct ends ends;
    size_t memory = 0, waking = 0;
    ends_init(&ends, 1452, false);
    for (unsigned i = 0; i < IDLE; i++) {
        connect_ends(&ends);
        transfer(&ends, SMALL, SMALL);
        run_idle(&ends, ends.now_us + 1000000);
        waking += sctp_association_deadline(ends.b) != SCTP_NEVER;
        sctp_association_status(ends.b, &status);
        memory += status.memory;
        sctp_association_free(ends.a);
        sctp_association_free(ends.b);
    }
    print_row("sctp", "an idle association, memory", (double)memory / IDLE, "bytes");
    print_row("sctp", "of 10 000 of them so many have a deadline", (double)waking, "");
    ends.a = ends.b = NULL;
    ends_fini(&ends);
}

static void *run_pair(void *argument)
{
    struct ends ends;
    double *rate = argument;
    ends_init(&ends, 1452, false);
    connect_ends(&ends);
    transfer(&ends, RECORD, BULK / 8);
    double start = clock_seconds(CLOCK_THREAD_CPUTIME_ID);
    transfer(&ends, RECORD, BULK);
    *rate = (double)BULK / (clock_seconds(CLOCK_THREAD_CPUTIME_ID) - start) / 1e6;
    ends_fini(&ends);
    message_cache_clear();
    return NULL;
}

static void bench_threads(void)
{
    double one, rates[2];
    pthread_t threads[2];
    run_pair(&one);
    for (unsigned i = 0; i < 2; i++)
        must(pthread_create(&threads[i], NULL, run_pair, &rates[i]) == 0);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    print_row("sctp", "two pairs of engines on two threads, times one", (rates[0] + rates[1]) / one,
              "times");
}

int main(int count, char **rows)
{
    bool all = count < 2;
    for (int i = all ? 0 : 1; i < count; i++) {
        const char *row = rows[i];
        if (all || !strcmp(row, "bulk")) {
            bench_bulk(1452, false, "packets of 1452 bytes");
            bench_bulk(65000, false, "packets of 65000 bytes");
        }
        if (all || !strcmp(row, "auth")) {
            bench_bulk(1452, true, "authenticated packets of 1452 bytes");
            bench_bulk(65000, true, "authenticated packets of 65000 bytes");
        }
        if (all || !strcmp(row, "small"))
            bench_small();
        if (all || !strcmp(row, "associations"))
            bench_associations();
        if (all || !strcmp(row, "idle"))
            bench_idle();
        if (all || !strcmp(row, "threads"))
            bench_threads();
    }
    return 0;
}
