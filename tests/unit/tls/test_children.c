/* The original question: can N threads resume child sessions from master sessions at the same time?
 * Children by 4 threads through 8 masters at once, in every mode: all must be resumed. Every thread
 * goes round all masters, so that each is used by all of them (SCALE divides the 10 000). */
#include <pthread.h>

#include "tests/unit/tls/modes.h"

#define THREADS  4
#define MASTERS  8
#define CHILDREN 10000

struct bed {
    struct tls_store *store;
    struct tls_credentials *client, *server;
    struct association associations[MASTERS];
};

struct share {
    struct bed *bed;
    int number, count;
    int ready, resumed, talked;
};

/* Under valgrind (UNDER, see check-valgrind) everything takes 50 times as long. */
static int scaled(int count)
{
    const char *scale = getenv("SCALE"), *under = getenv("UNDER");
    int divisor = scale && atoi(scale) > 0 ? atoi(scale) : 1;
    return count / divisor / (under && *under ? 50 : 1);
}

static void *run(void *argument)
{
    struct share *share = argument;
    struct bed *bed = share->bed;
    struct pair child;
    for (int i = 0; i < share->count; i++) {
        struct association *a = &bed->associations[(i + share->number) % MASTERS];
        if (open_child(&child, bed->client, a->client, bed->server, a->server)) {
            share->ready++;
            share->resumed += both_resumed(&child);
            share->talked += carries_data(&child);
        }
        free_pair(&child);
    }
    message_cache_clear();
    return NULL;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void open_bed(struct bed *bed, const struct mode *mode)
{
    bed->store = tls_store_new(&(struct tls_store_options){0});
    bed->client = load_credentials(mode_options(mode, TLS_CLIENT, "client", NULL));
    bed->server = load_credentials(mode_options(mode, TLS_SERVER, "server", bed->store));
    for (int i = 0; i < MASTERS; i++)
        open_association(&bed->associations[i], bed->client, bed->server, NULL);
}

static void close_bed(struct bed *bed)
{
    for (int i = 0; i < MASTERS; i++)
        close_association(&bed->associations[i]);
    tls_credentials_unref(bed->client);
    tls_credentials_unref(bed->server);
    tls_store_unref(bed->store);
}

static void test_threads(const struct mode *mode, int count, int threads)
{
    struct bed bed;
    struct share shares[THREADS] = {0};
    pthread_t ids[THREADS];
    int ready = 0, resumed = 0, talked = 0;
    open_bed(&bed, mode);
    double from = seconds();
    for (int i = 0; i < threads; i++) {
        shares[i] = (struct share){.bed = &bed, .number = i, .count = count / threads};
        must(pthread_create(&ids[i], NULL, run, &shares[i]) == 0);
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
        ready += shares[i].ready;
        resumed += shares[i].resumed;
        talked += shares[i].talked;
    }
    double took = seconds() - from;
    count = count / threads * threads;
    ok(resumed == count,
       "%s, %d thread%s: %d of %d children resumed from %d masters, %.0f a second", mode->name,
       threads, threads > 1 ? "s" : "", resumed, count, MASTERS, count / took);
    ok(ready == count && talked == count, "%s: all of them carry data both ways", mode->name);
    close_bed(&bed);
}

static void *run_masters(void *argument)
{
    struct share *share = argument;
    struct tls_ticket *ticket = NULL;
    for (int i = 0; i < 20; i++) {
        struct pair pair;
        must(open_master(&pair, share->bed->client, share->bed->server, ticket));
        share->resumed += both_resumed(&pair);
        ticket = tls_session_take_ticket(pair.client.session);
        free_pair(&pair);
    }
    tls_ticket_free(ticket);
    message_cache_clear();
    return NULL;
}

/* Masters share the credentials and the ticket key. */
static void test_masters(void)
{
    struct bed bed;
    struct share shares[2] = {{.bed = &bed}, {.bed = &bed}};
    pthread_t ids[2];
    open_bed(&bed, &modes[0]);
    for (int i = 0; i < 2; i++)
        must(pthread_create(&ids[i], NULL, run_masters, &shares[i]) == 0);
    for (int i = 0; i < 2; i++)
        pthread_join(ids[i], NULL);
    ok(shares[0].resumed == 19 && shares[1].resumed == 19,
       "masters on two threads: all but the first resumed");
    close_bed(&bed);
}

int main(void)
{
    make_certificates();
    test_threads(&modes[0], scaled(512), 1);
    test_threads(&modes[0], scaled(512), 2);
    for (size_t i = 0; i < MODE_COUNT; i++)
        test_threads(&modes[i], scaled(CHILDREN), THREADS);
    test_masters();
    message_cache_clear();
    return tap_done();
}
