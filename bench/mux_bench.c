/* bench/mux_bench.c: the cost of the multiplexer alone: frames, streams, credit, the scheduler and
 * the pool, over memory, without TLS and without a transport. Processor time of one core; of two
 * ends, both together.
 *
 *   make build/default/bench/mux_bench && build/default/bench/mux_bench */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "bench/row.h"
#include "mux/credit.h"
#include "mux/frame.h"
#include "mux/pool.h"
#include "mux/scheduler.h"

#define WINDOW     (256 * 1024)
#define WINDOW_MAX (4 * 1024 * 1024)
#define BULK_BYTES ((uint64_t)8 << 30)
#define SMALL      64
#define SMALL_RUNS 2000000
#define LEASES     500000
#define HELD       4096
#define FRAMES     20000000
#define CREDITS    50000000
#define TURNS      5000000
#define POOL_MAX   8192

/* One end of a stream: sends what it is told to, and drops what it gets. */
struct end {
    struct mux_stream_events events;
    struct mux_stream *stream;
    uint64_t to_send, received;
    size_t unread; /* of on_data, told by mux_stream_consumed when the record is through */
    bool ends, is_idle;
};

static struct end *end_of(struct mux_stream_events *events)
{
    return container_of(events, struct end, events);
}

static void on_bound(struct mux_stream_events *events)
{
    end_of(events)->is_idle = true;
}

static void on_open(struct mux_stream_events *events, const struct mux_open *open)
{
    (void)open;
    end_of(events)->is_idle = false;
    mux_stream_accept(end_of(events)->stream);
}

static void on_nothing(struct mux_stream_events *events)
{
    (void)events;
}

static void on_refuse(struct mux_stream_events *events, enum err why, const char *text)
{
    (void)events, (void)why, (void)text;
    must(false);
}

static void on_data(struct mux_stream_events *events, const uint8_t *data, size_t length)
{
    (void)data;
    end_of(events)->received += length;
    end_of(events)->unread += length;
}

static void on_fin(struct mux_stream_events *events)
{
    struct end *self = end_of(events);
    self->ends = true;
    mux_stream_readable(self->stream);
}

static void on_reset(struct mux_stream_events *events, enum err why)
{
    (void)events, (void)why;
    must(false);
}

/* The bytes themselves cost what their copy costs, which is the proxy's: none is written here. */
static size_t on_fill(struct mux_stream_events *events, uint8_t *to, size_t room, bool *end)
{
    struct end *self = end_of(events);
    size_t length = self->to_send < room ? (size_t)self->to_send : room;
    (void)to;
    self->to_send -= length;
    *end = self->ends && !self->to_send;
    return length;
}

static void on_idle(struct mux_stream_events *events)
{
    end_of(events)->is_idle = true;
}

static void open_end(struct end *self, enum mux_side side)
{
    struct mux_stream_options options = {
        .side = side, .stream = 1, .windows = {WINDOW, WINDOW, WINDOW_MAX}, .peer_window = WINDOW};
    *self = (struct end){.events = {.on_bound = on_bound,
                                    .on_open = on_open,
                                    .on_accept = on_nothing,
                                    .on_refuse = on_refuse,
                                    .on_lost_race = on_nothing,
                                    .on_data = on_data,
                                    .on_fin = on_fin,
                                    .on_reset = on_reset,
                                    .on_fill = on_fill,
                                    .on_idle = on_idle}};
    self->stream = mux_stream_new(&options, &self->events);
}

/* Records of one end to the other, until it has none. */
static bool deliver(struct end *from, struct end *to)
{
    static uint8_t record[MUX_RECORD_MAX];
    bool any = false;
    for (size_t length; (length = mux_stream_drain(from->stream, record, sizeof record)) > 0;) {
        any = true;
        must(mux_stream_receive(to->stream, record, length) == ERR_OK);
        size_t unread = to->unread;
        to->unread = 0;
        if (unread)
            mux_stream_consumed(to->stream, unread);
    }
    return any;
}

static void exchange(struct end *client, struct end *server)
{
    for (bool moved = true; moved;) {
        moved = deliver(client, server);
        moved = deliver(server, client) || moved;
    }
}

static void send(struct end *from, struct end *to, uint64_t bytes)
{
    from->to_send = bytes;
    mux_stream_readable(from->stream);
    exchange(from, to);
}

static void open_pair(struct end *client, struct end *server)
{
    open_end(client, MUX_CLIENT);
    open_end(server, MUX_SERVER);
    exchange(client, server);
    must(client->is_idle && server->is_idle);
}

static void lease(struct end *client, struct end *server)
{
    const struct mux_open open = {.connection = 1, .service = "bench", .client = "127.0.0.1:1"};
    client->ends = server->ends = client->is_idle = server->is_idle = false;
    must(mux_stream_open(client->stream, &open) == ERR_OK);
    exchange(client, server);
}

static void close_pair(struct end *client, struct end *server)
{
    mux_stream_free(client->stream);
    mux_stream_free(server->stream);
}

static void bench_stream(void)
{
    struct end client, server;
    open_pair(&client, &server);
    lease(&client, &server);
    double start = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
    send(&client, &server, BULK_BYTES);
    double took = clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - start;
    must(server.received == BULK_BYTES);
    print_row("mux", "record of 16 KiB, drain and receive, with credit",
              took / ((double)BULK_BYTES / FRAME_DATA_MAX) * 1e9, "ns");
    start = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < SMALL_RUNS; i++)
        send(&client, &server, SMALL);
    print_row("mux", "message of 64 bytes, drain and receive",
              (clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - start) / SMALL_RUNS * 1e9, "ns");
    close_pair(&client, &server);
}

static void bench_leases(void)
{
    struct end client, server;
    open_pair(&client, &server);
    double start = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < LEASES; i++) {
        lease(&client, &server);
        client.ends = true;
        send(&client, &server, SMALL);
        must(client.is_idle && server.is_idle);
    }
    print_row("mux", "lease from OPEN to both FINs with 64 bytes, both ends",
              (clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - start) / LEASES * 1e9, "ns");
    close_pair(&client, &server);
}

static void bench_memory(void)
{
    static struct end clients[HELD], servers[HELD];
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < HELD; i++)
        open_pair(&clients[i], &servers[i]);
    print_row("mux", "memory of a stream, each end",
              (double)(mallinfo2().uordblks - before) / (2 * HELD), "bytes");
    for (int i = 0; i < HELD; i++)
        close_pair(&clients[i], &servers[i]);
}

static void bench_frames(void)
{
    static uint8_t record[MUX_RECORD_MAX];
    uint64_t sum = 0, parsed = 0;
    double start = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
    while (parsed < FRAMES) {
        struct wire_writer w = wire_writer(record, sizeof record);
        while (frame_fits(&w, sizeof(uint64_t)))
            frame_put_number(&w, FRAME_CREDIT, 1, parsed);
        struct wire_reader r = wire_reader(record, (size_t)(w.at - record));
        for (struct frame frame; frame_next(&r, FRAME_ON_STREAM, &frame) == ERR_OK; parsed++)
            sum += frame_number(&frame);
    }
    must(sum > 0);
    print_row("mux", "CREDIT frame, put and parsed",
              (clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - start) / (double)parsed * 1e9, "ns");
}

static void bench_credit(void)
{
    struct credit_receiver in;
    struct credit_sender out;
    struct mux_budget budget = {.limit = (uint64_t)1 << 30};
    static const struct credit_windows windows = {WINDOW, WINDOW, WINDOW_MAX};
    credit_receiver_start(&in, &windows, &budget);
    credit_sender_start(&out, WINDOW);
    uint64_t grants = 0;
    double start = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < CREDITS; i++) {
        must(credit_sender_room(&out) >= FRAME_DATA_MAX);
        credit_sender_send(&out, FRAME_DATA_MAX);
        must(credit_receiver_receive(&in, FRAME_DATA_MAX));
        if (credit_receiver_consume(&in, FRAME_DATA_MAX)) {
            credit_sender_update(&out, credit_receiver_grant(&in));
            grants++;
        }
    }
    print_row("mux", "credit of one record, both ends",
              (clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - start) / CREDITS * 1e9, "ns");
    print_row("mux", "records for each CREDIT frame", (double)CREDITS / (double)grants, "");
    credit_receiver_end(&in);
}

static void bench_scheduler(unsigned active)
{
    struct scheduler scheduler;
    struct scheduler_entry *entries = calloc(active, sizeof *entries);
    must(entries);
    scheduler_init(&scheduler);
    for (unsigned i = 0; i < active; i++)
        scheduler_add(&scheduler, &entries[i]);
    double start = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < TURNS; i++)
        scheduler_sent(&scheduler, scheduler_next(&scheduler), MUX_RECORD_MAX, true);
    double took = clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - start;
    char what[80];
    snprintf(what, sizeof what, "scheduler, a message's turn among %u that send", active);
    print_row("mux", what, took / TURNS * 1e9, "ns");
    for (unsigned i = 0; i < active; i++)
        scheduler_remove(&scheduler, &entries[i]);
    free(entries);
}

static void bench_pool(void)
{
    const struct pool_service_options service = {0};
    struct pool *pool = pool_new(&(struct pool_options){.side = MUX_CLIENT,
                                                        .initial = 16,
                                                        .max = POOL_MAX,
                                                        .waiting_max = 16,
                                                        .waiting_us = 1000000,
                                                        .services = &service,
                                                        .service_count = 1});
    static uint16_t leased[POOL_MAX];
    struct pool_waiter waiter = {0};
    for (uint16_t i = 1; i <= POOL_MAX; i++)
        pool_add_idle(pool, i);
    double start = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
    const int rounds = 200;
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < POOL_MAX; i++)
            must(pool_lease(pool, 0, &waiter, 0, &leased[i]) == ERR_OK);
        for (int i = 0; i < POOL_MAX; i++)
            pool_return(pool, 0, leased[i], true);
    }
    print_row("mux", "pool of 8192 streams, lease and return",
              (clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - start) / ((double)rounds * POOL_MAX) * 1e9,
              "ns");
    pool_free(pool);
}

int main(void)
{
    bench_frames();
    bench_credit();
    bench_stream();
    bench_leases();
    bench_memory();
    for (unsigned active = 1; active <= 4096; active *= 16)
        bench_scheduler(active);
    bench_pool();
    return 0;
}
