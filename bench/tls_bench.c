/* bench/tls_bench.c: the cost of TLS alone, both ends in memory, through the functions that the
 * proxy uses. Processor times are of both ends together.
 *
 *   tls_bench [children]        children: only the rates of their handshakes
 */
#include <malloc.h>
#include <pthread.h>

#include "base/clock.h"
#include "bench/row.h"
#include "tests/unit/tls/pair.h"

#define MASTERS    100
#define CHILDREN   2000
#define HELD       512
#define BULK       16384
#define BULK_RUNS  40000
#define SMALL      64
#define SMALL_RUNS 500000

static struct tls_credentials *client_credentials, *server_credentials;
static struct tls_generation *client_generation, *server_generation;

/* Only what the pair's helpers need of tap, so that nothing of the tests is linked. */
bool tap_ok(bool condition, const char *file, int line, const char *format, ...)
{
    (void)file, (void)line, (void)format;
    return condition;
}

void tap_note(const char *format, ...)
{
    puts(format);
}

static void *run_children(void *argument)
{
    long count = *(long *)argument;
    struct pair child;
    for (long i = 0; i < count; i++) {
        must(open_child(&child, client_credentials, client_generation, server_credentials,
                        server_generation));
        free_pair(&child);
    }
    message_cache_clear();
    return NULL;
}

static void bench_handshakes(int threads)
{
    pthread_t ids[8];
    long each = CHILDREN / threads;
    double start = clock_seconds(CLOCK_MONOTONIC), busy = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < threads; i++)
        must(pthread_create(&ids[i], NULL, run_children, &each) == 0);
    for (int i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    double took = clock_seconds(CLOCK_MONOTONIC) - start;
    busy = clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - busy;
    char what[80];
    const char *plural = threads > 1 ? "s" : "";
    snprintf(what, sizeof what, "child handshake, %d thread%s, processor time", threads, plural);
    print_row("tls", what, busy / CHILDREN * 1e6, "µs");
    snprintf(what, sizeof what, "child handshake, %d thread%s, a second", threads, plural);
    print_row("tls", what, CHILDREN / took, "1/s");
}

static size_t heap(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static void bench_heap(void)
{
    static struct pair held[HELD];
    size_t before = heap();
    for (int i = 0; i < HELD; i++)
        must(open_child(&held[i], client_credentials, client_generation, server_credentials,
                        server_generation));
    size_t both = heap() - before;
    for (int i = 0; i < HELD; i++) {
        tls_session_free(held[i].server.session);
        held[i].server.session = NULL;
    }
    size_t clients = heap() - before;
    print_row("tls", "heap of an established child, client", (double)clients / HELD / 1024, "KiB");
    print_row("tls", "heap of an established child, server", (double)(both - clients) / HELD / 1024,
              "KiB");
    for (int i = 0; i < HELD; i++)
        free_pair(&held[i]);
}

static double bench_records(struct pair *child, size_t size, int runs)
{
    static uint8_t plain[BULK];
    const uint8_t *data;
    size_t length, sum = 0;
    double start = clock_seconds(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < runs; i++) {
        must(tls_session_write(child->client.session, plain, size) == ERR_OK);
        deliver(&child->client, &child->server);
        while (tls_session_read(child->server.session, &data, &length) == ERR_OK)
            sum += length;
    }
    double took = clock_seconds(CLOCK_THREAD_CPUTIME_ID) - start;
    must(sum == size * (size_t)runs);
    return took;
}

static void bench_masters(struct pair *master)
{
    double start = clock_seconds(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < MASTERS; i++) {
        must(open_master(master, client_credentials, server_credentials, NULL));
        if (i < MASTERS - 1)
            free_pair(master);
    }
    print_row("tls", "full handshake of a master, P-256 on both sides, processor time",
              (clock_seconds(CLOCK_THREAD_CPUTIME_ID) - start) / MASTERS * 1e6, "µs");
}

static void bench_bulk(void)
{
    struct pair child;
    must(open_child(&child, client_credentials, client_generation, server_credentials,
                    server_generation));
    double took = bench_records(&child, BULK, BULK_RUNS);
    print_row("tls", "16 KiB records, write and read, of one core",
              (double)BULK * BULK_RUNS / took / 1e6, "MB/s");
    print_row("tls", "16 KiB record, write and read", took / BULK_RUNS * 1e6, "µs");
    took = bench_records(&child, SMALL, SMALL_RUNS);
    print_row("tls", "64 B record, write and read", took / SMALL_RUNS * 1e6, "µs");
    free_pair(&child);
}

int main(int count, char **arguments)
{
    bool all = count < 2 || strcmp(arguments[1], "children") != 0;
    make_certificates();
    client_credentials = load_credentials(options_for(TLS_CLIENT, "client"));
    server_credentials = load_credentials(options_for(TLS_SERVER, "server"));
    struct pair master;
    bench_masters(&master);
    client_generation = tls_session_generation(master.client.session);
    server_generation = tls_session_generation(master.server.session);
    bench_handshakes(1);
    bench_handshakes(2);
    if (all) {
        bench_heap();
        bench_bulk();
    }
    free_pair(&master);
    tls_generation_unref(client_generation);
    tls_generation_unref(server_generation);
    tls_credentials_unref(client_credentials);
    tls_credentials_unref(server_credentials);
    return 0;
}
