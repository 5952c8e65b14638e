/* bench/tls_bench.c: what TLS alone costs, both ends in memory, through the functions that the
 * proxy uses. Figures are a processor's time for both ends together.
 *
 *   make build/default/libtls.a build/default/libbase.a
 *   gcc -std=c11 -O2 -g -D_GNU_SOURCE -I. -o build/tls_bench bench/tls_bench.c \
 *       build/default/libtls.a build/default/libbase.a -lgnutls -pthread
 *   build/tls_bench
 */
#include <malloc.h>
#include <pthread.h>

#include "tests/unit/tls/pair.h"

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

static double seconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
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
    double start = seconds(CLOCK_MONOTONIC), busy = seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < threads; i++)
        must(pthread_create(&ids[i], NULL, run_children, &each) == 0);
    for (int i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    double took = seconds(CLOCK_MONOTONIC) - start;
    busy = seconds(CLOCK_PROCESS_CPUTIME_ID) - busy;
    printf("child handshake, %d thread%s: %.0f us of processor each, %.0f/s\n", threads,
           threads > 1 ? "s" : " ", busy / CHILDREN * 1e6, CHILDREN / took);
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
    printf("heap of an established child: client %.1f KB, server %.1f KB\n",
           (double)clients / HELD / 1024, (double)(both - clients) / HELD / 1024);
    for (int i = 0; i < HELD; i++)
        free_pair(&held[i]);
}

static double bench_records(struct pair *child, size_t size, int runs)
{
    static uint8_t plain[BULK];
    const uint8_t *data;
    size_t length, sum = 0;
    double start = seconds(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < runs; i++) {
        must(tls_session_write(child->client.session, plain, size) == ERR_OK);
        deliver(&child->client, &child->server);
        while (tls_session_read(child->server.session, &data, &length) == ERR_OK)
            sum += length;
    }
    double took = seconds(CLOCK_THREAD_CPUTIME_ID) - start;
    must(sum == size * (size_t)runs);
    return took;
}

int main(void)
{
    make_certificates();
    client_credentials = load_credentials(options_for(TLS_CLIENT, "client"));
    server_credentials = load_credentials(options_for(TLS_SERVER, "server"));
    struct pair master, child;
    double start = seconds(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < 100; i++) {
        must(open_master(&master, client_credentials, server_credentials, NULL));
        if (i < 99)
            free_pair(&master);
    }
    printf("full handshake of a master, P-256 on both sides: %.0f us\n",
           (seconds(CLOCK_THREAD_CPUTIME_ID) - start) / 100 * 1e6);
    client_generation = tls_session_generation(master.client.session);
    server_generation = tls_session_generation(master.server.session);

    bench_handshakes(1);
    bench_handshakes(2);
    bench_heap();

    must(open_child(&child, client_credentials, client_generation, server_credentials,
                    server_generation));
    printf("%s %s\n", tls_session_version(child.client.session),
           tls_session_cipher(child.client.session));
    double took = bench_records(&child, BULK, BULK_RUNS);
    printf("16 KB records, write and read: %.0f MB/s, %.2f us each\n",
           (double)BULK * BULK_RUNS / took / 1e6, took / BULK_RUNS * 1e6);
    took = bench_records(&child, SMALL, SMALL_RUNS);
    printf("64 B records, write and read: %.0f ns each\n", took / SMALL_RUNS * 1e9);

    free_pair(&child);
    free_pair(&master);
    tls_generation_unref(client_generation);
    tls_generation_unref(server_generation);
    tls_credentials_unref(client_credentials);
    tls_credentials_unref(server_credentials);
    return 0;
}
