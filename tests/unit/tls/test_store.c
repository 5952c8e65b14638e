/* The session store by itself, and under TLS 1.2: what it keeps, what it lets go, and what happens
 * when it forgets or lies. */
#include <pthread.h>

#include "tests/unit/tls/clock.h"
#include "tests/unit/tls/modes.h"
#include "tls/session_private.h"
#include "tls/store.h"

static const struct mode *const by_id = &modes[2], *const by_any = &modes[4];

static struct tls_store_key key_of(unsigned number)
{
    struct tls_store_key key = {.context = {1}};
    memcpy(key.id, &number, sizeof number);
    return key;
}

static struct tls_store_statistics statistics_of(struct tls_store *store)
{
    struct tls_store_statistics statistics;
    tls_store_statistics(store, &statistics);
    return statistics;
}

static bool holds(struct tls_store *store, const struct tls_store_key *key, const char *wanted)
{
    uint8_t *data;
    size_t size;
    int64_t expires_at;
    if (!tls_store_get(store, key, &data, &size, &expires_at))
        return false;
    bool same = size == strlen(wanted) && memcmp(data, wanted, size) == 0;
    free(data);
    return same;
}

static void test_entries(void)
{
    struct tls_store *store = tls_store_new(&(struct tls_store_options){0});
    struct tls_store_key key = key_of(1), foreign = key;
    int64_t later = time(NULL) + 100;
    foreign.context[0] = 2;
    ok(!holds(store, &key, "one"), "nothing is there at first");
    ok(tls_store_put(store, &key, "one", 3, later) && holds(store, &key, "one"), "then it is");
    ok(tls_store_put(store, &key, "one", 3, later), "the same once more is fine");
    ok(!tls_store_put(store, &key, "two", 3, later) && holds(store, &key, "one"),
       "the same key with other data is refused: the first writer wins");
    ok(!holds(store, &foreign, "one"), "another context does not see it");
    ok(!tls_store_put(store, &foreign, "", 0, later), "nothing is not stored");
    static const char large[TLS_STORE_MAX_VALUE + 1];
    ok(!tls_store_put(store, &foreign, large, sizeof large, later), "too much neither");
    ok(!tls_store_put(store, &foreign, "x", 1, time(NULL)), "nor what is over already");
    struct tls_store_statistics got = statistics_of(store);
    ok(got.entries == 1 && got.bytes == 3 && got.stored == 1 && got.refused == 4 &&
           got.misses == 2 && got.hits == 2,
       "all of it is counted: %d hits, %d misses, %d refused", (int)got.hits, (int)got.misses,
       (int)got.refused);
    clock_shift = 100;
    ok(!tls_store_has(store, &key) && !holds(store, &key, "one") &&
           statistics_of(store).expired == 1 && statistics_of(store).entries == 0,
       "after its time it is gone");
    clock_shift = 0;
    must(tls_store_put(store, &key, "three", 5, later));
    tls_store_remove(store, &key);
    tls_store_remove(store, &key);
    ok(!tls_store_has(store, &key), "removed, twice");
    tls_store_unref(store);
}

static void test_bounds(void)
{
    struct tls_store *store =
        tls_store_new(&(struct tls_store_options){.max_entries = 160, .max_bytes = 160 * 100});
    int64_t later = time(NULL) + 100;
    char data[1000] = {0};
    struct tls_store_key first = key_of(0);
    must(tls_store_put(store, &first, "first", 5, later));
    for (unsigned i = 1; i < 5000; i++) {
        struct tls_store_key key = key_of(i);
        must(tls_store_put(store, &key, data, 90, later));
        holds(store, &first, "first");
    }
    struct tls_store_statistics got = statistics_of(store);
    ok(got.entries <= 160 && got.bytes <= 16000 && got.evicted == got.stored - got.entries,
       "5000 entries into room for 160: %d are there", (int)got.entries);
    ok(holds(store, &first, "first"), "what is used stays");
    struct tls_store_key large = key_of(99999);
    ok(tls_store_put(store, &large, data, 1000, later) && statistics_of(store).bytes <= 16000,
       "a large one pushes out several: %d bytes are there", (int)statistics_of(store).bytes);
    tls_store_unref(tls_store_ref(store));
    tls_store_unref(store);
}

static void *hammer(void *argument)
{
    struct tls_store *store = argument;
    char wanted[16];
    for (unsigned i = 0; i < 20000; i++) {
        struct tls_store_key key = key_of(i * 7919 % 500);
        snprintf(wanted, sizeof wanted, "%u", i * 7919 % 500);
        tls_store_put(store, &key, wanted, strlen(wanted), time(NULL) + 100);
        if (i % 50 == 0)
            tls_store_remove(store, &key);
    }
    return NULL;
}

static void test_threads(void)
{
    struct tls_store *store = tls_store_new(&(struct tls_store_options){.max_entries = 320});
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        must(pthread_create(&threads[i], NULL, hammer, store) == 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    struct tls_store_statistics got = statistics_of(store);
    ok(got.entries <= 320 && got.refused == 0,
       "four threads on one store: %d entries, none mixed up", (int)got.entries);
    tls_store_unref(store);
}

static struct tls_credentials *server_of(const struct mode *mode, struct tls_store *store,
                                         const char *const *allow, size_t count)
{
    struct tls_options options = mode_options(mode, TLS_SERVER, "server", store);
    options.allow = allow;
    options.allow_count = count;
    return load_credentials(options);
}

/* A server that was started again resumes from the store alone: its ticket keys are new. */
static void test_masters(void)
{
    static const char *const allow[] = {"client.example"};
    struct tls_store *store = tls_store_new(&(struct tls_store_options){0});
    struct tls_credentials *client = load_credentials(mode_options(by_id, TLS_CLIENT, "client", 0)),
                           *one = server_of(by_id, store, NULL, 0),
                           *two = server_of(by_id, store, NULL, 0),
                           *strict = server_of(by_id, store, allow, 1);
    struct association a, b;
    open_association(&a, client, one, NULL);
    ok(statistics_of(store).stored == 1, "a full master is stored, once");
    open_association(&b, client, two, a.ticket);
    a.ticket = NULL;
    ok(both_resumed(&b.master) && statistics_of(store).stored == 1 &&
           statistics_of(store).hits == 1,
       "it is resumed by another server of the same rules, and not stored anew");
    close_association(&a);
    open_association(&a, client, strict, b.ticket);
    b.ticket = NULL;
    ok(!both_resumed(&a.master) && statistics_of(store).misses == 1,
       "but not where other rules hold, though they would let it in");
    close_association(&a);
    close_association(&b);

    struct pair child;
    open_association(&a, client, one, NULL);
    struct tls_store_statistics before = statistics_of(store);
    bool through = open_child(&child, client, a.client, one, a.server) && both_resumed(&child);
    struct tls_store_statistics after = statistics_of(store);
    ok(through && memcmp(&before, &after, sizeof before) == 0, "children do not need the store");
    free_pair(&child);
    close_association(&a);
    tls_credentials_unref(client);
    tls_credentials_unref(one);
    tls_credentials_unref(two);
    tls_credentials_unref(strict);
    tls_store_unref(store);
}

/* The client's certificate is good for two days, its session for seven. */
static void test_identity(void)
{
    struct tls_store *store = tls_store_new(&(struct tls_store_options){0});
    struct tls_options client_options = mode_options(by_id, TLS_CLIENT, "short", NULL),
                       server_options = mode_options(by_id, TLS_SERVER, "server", store);
    client_options.rules.ticket_lifetime_s = server_options.rules.ticket_lifetime_s = 7 * DAY;
    struct tls_credentials *client = load_credentials(client_options),
                           *server = load_credentials(server_options);
    struct association a;
    struct pair pair;
    open_association(&a, client, server, NULL);
    clock_shift = 3 * DAY;
    bool through = open_master(&pair, client, server, a.ticket);
    a.ticket = NULL;
    ok(!through && pair.server.result == ERR_TLS_PEER_UNVERIFIED,
       "a session found does not outlive its owner's certificate: %s",
       tls_session_detail(pair.server.session));
    clock_shift = 0;
    free_pair(&pair);
    close_association(&a);
    tls_credentials_unref(client);
    tls_credentials_unref(server);
    tls_store_unref(store);
}

/* A master that finds in the store what spoil made of its session. */
static void resume_spoilt(const char *what, void (*spoil)(uint8_t *data, size_t size))
{
    struct tls_store *store = tls_store_new(&(struct tls_store_options){0});
    struct tls_credentials *client = load_credentials(mode_options(by_id, TLS_CLIENT, "client", 0)),
                           *server = server_of(by_id, store, NULL, 0);
    struct association a;
    struct pair pair, child;
    struct tls_store_key key;
    uint8_t *data;
    size_t size;
    int64_t expires_at;
    open_association(&a, client, server, NULL);
    memcpy(key.context, server->fingerprint, sizeof key.context);
    memcpy(key.id, a.server->session_id, sizeof key.id);
    must(tls_store_get(store, &key, &data, &size, &expires_at));
    tls_store_remove(store, &key);
    if (spoil) {
        spoil(data, size);
        must(tls_store_put(store, &key, data, size, expires_at));
    }
    free(data);
    bool through = open_master(&pair, client, server, a.ticket);
    a.ticket = NULL;
    ok(through ? !both_resumed(&pair) : pair.server.result != ERR_OK, "a store that %s: %s", what,
       through ? "a full handshake" : tls_session_detail(pair.server.session));
    free_pair(&pair);
    through = open_child(&child, client, a.client, server, a.server) && both_resumed(&child);
    ok(through, "and children do not care");
    free_pair(&child);
    close_association(&a);
    tls_credentials_unref(client);
    tls_credentials_unref(server);
    tls_store_unref(store);
}

static void spoil_all(uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        data[i] ^= 0x5a;
}

static void spoil_start(uint8_t *data, size_t size)
{
    (void)size;
    data[0] ^= 1;
}

/* The master secret is the 48 bytes at one of these places; whichever it is, both ends differ. */
static void spoil_middle(uint8_t *data, size_t size)
{
    for (size_t i = 12; i < size; i++)
        data[i] ^= 1;
}

static void *run_masters(void *argument)
{
    struct tls_credentials **ends = argument;
    struct tls_ticket *ticket = NULL;
    long resumed = 0;
    for (int i = 0; i < 20; i++) {
        struct pair pair;
        must(open_master(&pair, ends[0], ends[1], ticket));
        resumed += both_resumed(&pair);
        ticket = tls_session_take_ticket(pair.client.session);
        free_pair(&pair);
    }
    tls_ticket_free(ticket);
    message_cache_clear();
    return (void *)resumed;
}

static void test_masters_of_threads(const struct mode *mode)
{
    struct tls_store *store = tls_store_new(&(struct tls_store_options){0});
    struct tls_credentials *ends[] = {load_credentials(mode_options(mode, TLS_CLIENT, "client", 0)),
                                      server_of(mode, store, NULL, 0)};
    pthread_t threads[4];
    long resumed = 0;
    for (int i = 0; i < 4; i++)
        must(pthread_create(&threads[i], NULL, run_masters, ends) == 0);
    for (int i = 0; i < 4; i++) {
        void *count;
        pthread_join(threads[i], &count);
        resumed += (long)count;
    }
    ok(resumed == 4 * 19, "%s: masters on four threads, all but the first ones resumed: %ld",
       mode->name, resumed);
    tls_credentials_unref(ends[0]);
    tls_credentials_unref(ends[1]);
    tls_store_unref(store);
}

static void test_seal(void)
{
    struct tls_key_file keys = {.count = 2}, other = {.count = 1};
    struct tls_store_key key = key_of(1), wrong = key_of(2);
    uint8_t *sealed, *data;
    size_t sealed_size, size;
    int64_t expires_at;
    memset(keys.keys[0], 1, 32), memset(keys.keys[1], 2, 32), memset(other.keys[0], 2, 32);
    sealed = tls_store_seal(&keys, &key, "secret", 6, 12345, &sealed_size);
    ok(!memmem(sealed, sealed_size, "secret", 6), "sealed: %zu bytes for 6", sealed_size);
    ok(tls_store_unseal(&keys, &key, sealed, sealed_size, &data, &size, &expires_at) && size == 6 &&
           memcmp(data, "secret", 6) == 0 && expires_at == 12345,
       "opened again");
    free(data);
    ok(!tls_store_unseal(&other, &key, sealed, sealed_size, &data, &size, &expires_at),
       "not without its key");
    ok(!tls_store_unseal(&keys, &wrong, sealed, sealed_size, &data, &size, &expires_at),
       "not for another session");
    int opened = 0;
    for (size_t i = 0; i < sealed_size * 8; i++) {
        sealed[i / 8] ^= (uint8_t)(1 << i % 8);
        opened += tls_store_unseal(&keys, &key, sealed, sealed_size, &data, &size, &expires_at);
        sealed[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    for (size_t i = 0; i < sealed_size; i++)
        opened += tls_store_unseal(&keys, &key, sealed, i, &data, &size, &expires_at);
    ok(!opened, "not with one bit changed, nor cut");
    free(sealed);
    sealed = tls_store_seal(&other, &key, "secret", 6, 12345, &sealed_size);
    ok(tls_store_unseal(&keys, &key, sealed, sealed_size, &data, &size, &expires_at),
       "a key that is not the first any more still opens");
    free(data);
    free(sealed);
}

int main(void)
{
    make_certificates();
    test_entries();
    test_bounds();
    test_threads();
    test_masters();
    test_identity();
    resume_spoilt("forgets", NULL);
    resume_spoilt("answers with garbage", spoil_all);
    resume_spoilt("answers with a broken beginning", spoil_start);
    resume_spoilt("answers with broken secrets", spoil_middle);
    test_masters_of_threads(by_id);
    test_masters_of_threads(by_any);
    test_seal();
    message_cache_clear();
    return tap_done();
}
