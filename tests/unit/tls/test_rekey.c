/* KeyUpdate: on request, by amount, on many sessions at once while both ends write. */
#include <pthread.h>

#include "tests/unit/tls/modes.h"
#include "tls/session_private.h"

#define SESSIONS 64
#define RECORD   1000

struct bed {
    struct tls_credentials *client, *server;
    struct association a;
};

static void open_bed(struct bed *bed, const struct mode *mode, uint64_t rekey_bytes)
{
    struct tls_options client = mode_options(mode, TLS_CLIENT, "client", NULL),
                       server = mode_options(mode, TLS_SERVER, "server", NULL);
    client.rules.rekey_bytes = server.rules.rekey_bytes = rekey_bytes;
    bed->client = load_credentials(client);
    bed->server = load_credentials(server);
    open_association(&bed->a, bed->client, bed->server, NULL);
}

static void close_bed(struct bed *bed)
{
    close_association(&bed->a);
    tls_credentials_unref(bed->client);
    tls_credentials_unref(bed->server);
}

static void test_request(void)
{
    struct bed bed;
    struct pair child;
    open_bed(&bed, &modes[0], 0);
    must(open_child(&child, bed.client, bed.a.client, bed.server, bed.a.server));
    ok(tls_session_rekey(child.client.session) == ERR_OK && child.client.sent.count == 1,
       "a KeyUpdate goes out at once");
    ok(tls_session_rekey(child.server.session) == ERR_OK && child.server.sent.count == 1,
       "the other end does the same at the same moment");
    ok(carries_data(&child), "and data passes both ways");
    ok(tls_session_rekey(child.client.session) == ERR_AGAIN && !child.client.sent.count,
       "the next one has to wait, or GnuTLS would end the session");
    free_pair(&child);
    close_bed(&bed);

    open_bed(&bed, &modes[2], 0);
    must(open_child(&child, bed.client, bed.a.client, bed.server, bed.a.server));
    ok(tls_session_rekey(child.client.session) == ERR_OK && !child.client.sent.count,
       "TLS 1.2 knows no such thing");
    free_pair(&child);
    close_bed(&bed);
}

static void test_amount(void)
{
    static const uint8_t data[RECORD];
    struct bed bed;
    struct pair child;
    open_bed(&bed, &modes[0], 5 * RECORD);
    must(open_child(&child, bed.client, bed.a.client, bed.server, bed.a.server));
    size_t before = 0;
    for (int i = 0; i < 5; i++) {
        before = child.client.sent.count;
        must(tls_session_write(child.client.session, data, sizeof data) == ERR_OK);
    }
    ok(before == 4 && child.client.sent.count == 6, "after so many bytes it comes by itself");
    for (int i = 0; i < 20; i++)
        must(tls_session_write(child.client.session, data, sizeof data) == ERR_OK);
    ok(child.client.sent.count < 30, "but not more often than GnuTLS bears: %zu messages",
       child.client.sent.count);
    deliver(&child.client, &child.server);
    const uint8_t *read;
    size_t length, sum = 0;
    while (tls_session_read(child.server.session, &read, &length) == ERR_OK)
        sum += length;
    ok(sum == 25 * RECORD, "all of it arrives");
    free_pair(&child);
    close_bed(&bed);
}

/* A minute of a line that stands still, with new keys as often as they may come by themselves. */
static bool survives(struct end *from, struct end *to)
{
    static const uint8_t data[RECORD];
    const uint8_t *read;
    size_t length, sum = 0;
    for (int i = 0; i < 240; i++) {
        from->session->rekeyed_at = 0; /* 250 ms later */
        must(tls_session_write(from->session, data, sizeof data) == ERR_OK);
    }
    deliver(from, to);
    while (tls_session_read(to->session, &read, &length) == ERR_OK)
        sum += length;
    return sum == 240 * RECORD && to->session->failure == ERR_OK;
}

/* GnuTLS ends a session whose peer changes its keys more than 8 times in a second: all masters are
 * GnuTLS's, and children where that is wanted. */
static void test_held_up(void)
{
    struct tls_options client = options_for(TLS_CLIENT, "client"),
                       server = options_for(TLS_SERVER, "server");
    struct bed bed;
    struct pair child;
    client.rules.rekey_bytes = server.rules.rekey_bytes = RECORD;
    server.rules.records = TLS_RECORDS_GNUTLS;
    bed.client = load_credentials(client);
    bed.server = load_credentials(server);
    open_association(&bed.a, bed.client, bed.server, NULL);
    must(open_child(&child, bed.client, bed.a.client, bed.server, bed.a.server));
    ok(survives(&bed.a.master.client, &bed.a.master.server),
       "what was held up on its way to a master does not end it (%s)",
       tls_session_detail(bed.a.master.server.session));
    ok(survives(&child.client, &child.server), "nor a child that GnuTLS carries (%s)",
       tls_session_detail(child.server.session));
    ok(survives(&child.server, &child.client), "nor one of ours");
    static const uint8_t data[RECORD];
    child.client.session->rekeyed_at = 0;
    must(tls_session_write(child.client.session, data, sizeof data) == ERR_OK);
    ok(child.client.sent.count == 2, "who has heard something changes keys again");
    free_pair(&child);
    close_bed(&bed);
}

struct flow {
    uint64_t sent, received;
};

/* Bytes count upwards from where the flow stands, so that none can be lost or doubled unseen. */
static void write_some(struct end *end, struct flow *flow)
{
    uint8_t data[RECORD];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)((flow->sent + i) * 31);
    must(tls_session_write(end->session, data, sizeof data) == ERR_OK);
    flow->sent += sizeof data;
}

static bool read_all(struct end *end, struct flow *flow)
{
    const uint8_t *data;
    size_t length;
    enum err result;
    while ((result = tls_session_read(end->session, &data, &length)) == ERR_OK) {
        for (size_t i = 0; i < length; i++) {
            if (data[i] != (uint8_t)((flow->received + i) * 31))
                return false;
        }
        flow->received += length;
    }
    return result == ERR_AGAIN;
}

struct share {
    struct bed *bed;
    int updates, alive;
    uint64_t bytes;
};

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Half a second: each end of each session changes its keys twice, in the middle of its data. */
static void *run(void *argument)
{
    struct share *share = argument;
    static _Thread_local struct pair children[SESSIONS];
    struct flow up[SESSIONS] = {{0}}, down[SESSIONS] = {{0}};
    bool alive[SESSIONS];
    for (int i = 0; i < SESSIONS; i++)
        alive[i] = open_child(&children[i], share->bed->client, share->bed->a.client,
                              share->bed->server, share->bed->a.server);
    for (double end = seconds() + 0.6; seconds() < end;) {
        for (int i = 0; i < SESSIONS; i++) {
            struct pair *child = &children[i];
            write_some(&child->client, &up[i]);
            write_some(&child->server, &down[i]);
            share->updates += tls_session_rekey(child->client.session) == ERR_OK;
            share->updates += tls_session_rekey(child->server.session) == ERR_OK;
            write_some(&child->client, &up[i]);
            write_some(&child->server, &down[i]);
            deliver(&child->client, &child->server);
            alive[i] = alive[i] && read_all(&child->server, &up[i]);
            deliver(&child->server, &child->client);
            alive[i] = alive[i] && read_all(&child->client, &down[i]);
        }
    }
    for (int i = 0; i < SESSIONS; i++) {
        share->alive +=
            alive[i] && up[i].sent == up[i].received && down[i].sent == down[i].received;
        share->bytes += up[i].received + down[i].received;
        free_pair(&children[i]);
    }
    message_cache_clear();
    return NULL;
}

static void test_load(void)
{
    struct bed bed;
    open_bed(&bed, &modes[0], 0);
    struct share shares[2] = {{.bed = &bed}, {.bed = &bed}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        must(pthread_create(&threads[i], NULL, run, &shares[i]) == 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    int updates = shares[0].updates + shares[1].updates;
    ok(shares[0].alive == SESSIONS && shares[1].alive == SESSIONS && updates >= 4 * SESSIONS,
       "%d sessions on two threads, both ends writing: %d updates among %.0f MB, none lost a byte",
       2 * SESSIONS, updates, (double)(shares[0].bytes + shares[1].bytes) / 1e6);
    close_bed(&bed);
}

int main(void)
{
    make_certificates();
    test_request();
    test_amount();
    test_held_up();
    test_load();
    message_cache_clear();
    return tap_done();
}
