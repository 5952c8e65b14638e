/* The original question: can N threads resume child sessions from one master at the same time?
 * 512 of them, both ends in memory, by 1, 2 and 4 threads: all must be resumed. */
#include <pthread.h>

#include "tests/unit/tls/pair.h"

#define CHILDREN 512

static struct tls_credentials *client_credentials, *server_credentials;
static struct tls_generation *client_generation, *server_generation;

struct share {
    pthread_t thread;
    int count, ready, resumed, talked;
};

static bool talk(struct pair *child)
{
    const uint8_t *data;
    size_t length;
    must(tls_session_write(child->client.session, "ping", 4) == ERR_OK);
    deliver(&child->client, &child->server);
    if (tls_session_read(child->server.session, &data, &length) != ERR_OK || length != 4)
        return false;
    must(tls_session_write(child->server.session, data, length) == ERR_OK);
    deliver(&child->server, &child->client);
    return tls_session_read(child->client.session, &data, &length) == ERR_OK && length == 4 &&
           memcmp(data, "ping", 4) == 0;
}

static void *run(void *argument)
{
    struct share *share = argument;
    struct pair child;
    for (int i = 0; i < share->count; i++) {
        if (open_child(&child, client_credentials, client_generation, server_credentials,
                       server_generation)) {
            share->ready++;
            share->resumed += tls_session_is_resumed(child.client.session) &&
                              tls_session_is_resumed(child.server.session);
            share->talked += talk(&child);
        }
        free_pair(&child);
    }
    message_cache_clear();
    return NULL;
}

static void test_threads(int threads)
{
    struct share shares[4] = {0};
    struct timespec from, to;
    int ready = 0, resumed = 0, talked = 0;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int i = 0; i < threads; i++) {
        shares[i].count = CHILDREN / threads;
        must(pthread_create(&shares[i].thread, NULL, run, &shares[i]) == 0);
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(shares[i].thread, NULL);
        ready += shares[i].ready;
        resumed += shares[i].resumed;
        talked += shares[i].talked;
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    double ms = (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6;
    ok(resumed == CHILDREN, "%d thread%s: %d of %d children resumed from one master, in %.0f ms",
       threads, threads > 1 ? "s" : "", resumed, CHILDREN, ms);
    ok(ready == CHILDREN && talked == CHILDREN, "all of them carry data both ways");
}

static void *run_masters(void *argument)
{
    int *resumed = argument;
    struct tls_ticket *ticket = NULL;
    for (int i = 0; i < 20; i++) {
        struct pair pair;
        must(open_master(&pair, client_credentials, server_credentials, ticket));
        *resumed += tls_session_is_resumed(pair.server.session);
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
    pthread_t threads[2];
    int resumed[2] = {0};
    for (int i = 0; i < 2; i++)
        must(pthread_create(&threads[i], NULL, run_masters, &resumed[i]) == 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    ok(resumed[0] == 19 && resumed[1] == 19, "masters on two threads: all but the first resumed");
}

int main(void)
{
    struct pair master;
    make_certificates();
    client_credentials = load_credentials(options_for(TLS_CLIENT, "client"));
    server_credentials = load_credentials(options_for(TLS_SERVER, "server"));
    ok(open_master(&master, client_credentials, server_credentials, NULL), "one master");
    client_generation = tls_session_generation(master.client.session);
    server_generation = tls_session_generation(master.server.session);
    must(client_generation && server_generation);
    test_threads(1);
    test_threads(2);
    test_threads(4);
    test_masters();
    free_pair(&master);
    tls_generation_unref(client_generation);
    tls_generation_unref(server_generation);
    tls_credentials_unref(client_credentials);
    tls_credentials_unref(server_credentials);
    message_cache_clear();
    return tap_done();
}
