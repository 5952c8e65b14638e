/* A client's memory of its servers: content, lifetime, owner. */
#include "tls/client_cache.h"

#include <pthread.h>
#include <sys/stat.h>

#include "tests/unit/tls/clock.h"
#include "tests/unit/tls/modes.h"
#include "tls/generation_private.h"

static const struct mode *const tls_13 = &modes[0], *const psk_ke = &modes[1],
                                *const tls_12 = &modes[4];

static char why[256];

/* Files and folders that were synced: fsync takes the place of libc's. */
static int synced_files, synced_folders;

int fsync(int fd)
{
    struct stat status;
    must(fstat(fd, &status) == 0);
    *(S_ISDIR(status.st_mode) ? &synced_folders : &synced_files) += 1;
    return (int)syscall(SYS_fsync, fd);
}

static struct tls_ticket *ticket_of(uint8_t mark, int64_t lifetime, bool is_reusable)
{
    static const uint8_t fingerprint[TLS_FINGERPRINT_SIZE];
    return tls_ticket_new(fingerprint, time(NULL) + lifetime, is_reusable, &mark, 1);
}

static struct tls_client_cache_key key_of(unsigned number)
{
    struct tls_client_cache_key key = {{0}};
    memcpy(&key, &number, sizeof number);
    return key;
}

static struct tls_client_cache_statistics statistics_of(struct tls_client_cache *cache)
{
    struct tls_client_cache_statistics statistics;
    tls_client_cache_statistics(cache, &statistics);
    return statistics;
}

/* The mark of what is taken; 0: nothing. */
static int take(struct tls_client_cache *cache, unsigned number)
{
    struct tls_client_cache_key key = key_of(number);
    struct tls_ticket *ticket = tls_client_cache_take(cache, &key);
    int mark = ticket ? ticket->data[0] : 0;
    tls_ticket_free(ticket);
    return mark;
}

static void put(struct tls_client_cache *cache, unsigned number, struct tls_ticket *ticket)
{
    struct tls_client_cache_key key = key_of(number);
    tls_client_cache_put(cache, &key, ticket);
}

static void test_entries(void)
{
    struct tls_client_cache *cache = tls_client_cache_new(4);
    ok(take(cache, 1) == 0, "empty at first");
    put(cache, 1, NULL);
    put(cache, 1, ticket_of(11, 100, false));
    ok(take(cache, 2) == 0 && take(cache, 1) == 11 && take(cache, 1) == 0,
       "a ticket is found by its peer alone, and once");
    for (uint8_t i = 1; i <= 5; i++)
        put(cache, 1, ticket_of(i, 100, false));
    ok(take(cache, 1) == 5 && take(cache, 1) == 4 && take(cache, 1) == 0,
       "two are kept of one peer, the newest first");
    put(cache, 1, ticket_of(1, 100, false));
    put(cache, 1, ticket_of(2, 100, true));
    ok(take(cache, 1) == 2 && take(cache, 1) == 2, "a session of TLS 1.2 stays, and stays alone");
    put(cache, 1, ticket_of(3, 100, false));
    ok(take(cache, 1) == 3 && take(cache, 1) == 0, "until there is a ticket");

    put(cache, 1, ticket_of(1, 0, false));
    ok(take(cache, 1) == 0 && statistics_of(cache).refused == 1, "what is over is not kept");
    put(cache, 1, ticket_of(1, 10, false));
    put(cache, 1, ticket_of(2, 100, false));
    clock_shift = 50;
    ok(take(cache, 1) == 2 && take(cache, 1) == 0 && statistics_of(cache).expired == 1,
       "what ends meanwhile goes");
    clock_shift = 0;
    put(cache, 1, ticket_of(1, 1000000000, false));
    put(cache, 2, ticket_of(2, 1000000000, true));
    clock_shift = TLS_CLIENT_CACHE_MAX_12_S + 1;
    ok(take(cache, 2) == 0 && take(cache, 1) == 1, "a day for TLS 1.2, whatever the server says");
    clock_shift = 0;

    for (unsigned i = 0; i < 10; i++)
        put(cache, i, ticket_of((uint8_t)(i + 1), 100, true));
    ok(statistics_of(cache).peers == 4 && take(cache, 0) == 0 && take(cache, 9) == 10,
       "four peers have room, the last stay");
    struct tls_client_cache_key key = key_of(9);
    tls_client_cache_forget(cache, &key);
    tls_client_cache_forget(cache, &key);
    ok(take(cache, 9) == 0 && statistics_of(cache).peers == 3, "one is forgotten on request");
    tls_client_cache_free(cache);
    tls_client_cache_free(NULL);
}

static void swap_authority(const char *name)
{
    char content[8192];
    FILE *file = fopen(path_of(name), "r");
    must(file);
    size_t size = fread(content, 1, sizeof content, file);
    fclose(file);
    write_file("swapped.pem", content, size);
}

static void test_keys(void)
{
    struct tls_options options = mode_options(tls_13, TLS_CLIENT, "client", NULL), other = options;
    struct tls_credentials *one = load_credentials(options), *same = load_credentials(options);
    struct tls_client_cache_key key = tls_client_cache_key(one, "server:1"),
                                again = tls_client_cache_key(same, "server:1"),
                                far = tls_client_cache_key(one, "server:2");
    ok(memcmp(&key, &again, sizeof key) == 0, "loaded again: the same key");
    ok(memcmp(&key, &far, sizeof key) != 0, "another peer: another");
    tls_credentials_unref(same);

    static const char *const names[] = {"CA",       "certificate", "expected name",
                                        "priority", "version",     "mode of the children",
                                        "lifetime"};
    for (int i = 0; i < 7; i++) {
        other = options;
        if (i == 0)
            other.ca = path_of("both.pem");
        else if (i == 1)
            other = mode_options(tls_13, TLS_CLIENT, "client2", NULL);
        else if (i == 2)
            other.peer = "other.example";
        else if (i == 3)
            other.priority = "NORMAL:-VERS-ALL:+VERS-TLS1.3";
        else if (i == 4)
            other.rules.min_version = TLS_VERSION_1_2;
        else if (i == 5)
            other.rules.children = TLS_CHILDREN_PSK;
        else
            other.rules.ticket_lifetime_s++;
        struct tls_credentials *changed = load_credentials(other);
        again = tls_client_cache_key(changed, "server:1");
        ok(memcmp(&key, &again, sizeof key) != 0, "another %s: another", names[i]);
        tls_credentials_unref(changed);
    }
    tls_credentials_unref(one);
}

/* The same words in the configuration, and another file behind them; and rules of their own. */
static void test_keys_of_rules(void)
{
    const char *const pins[] = {
        "sha256:0000000000000000000000000000000000000000000000000000000000000000"};
    struct tls_options options = mode_options(tls_13, TLS_CLIENT, "client", NULL);
    options.ca = path_of("swapped.pem");
    swap_authority("ca.pem");
    struct tls_credentials *one = load_credentials(options);
    struct tls_client_cache_key key = tls_client_cache_key(one, "server:1"), again;
    static const char *const names[] = {"pins", "rule for OCSP", "content of the CA's file"};
    for (int i = 0; i < 3; i++) {
        struct tls_options other = options;
        other.pins = pins;
        other.pin_count = i == 0;
        other.rules.ocsp = i == 1 ? TLS_OCSP_REQUIRE : TLS_OCSP_IF_STAPLED;
        if (i == 2)
            swap_authority("both.pem");
        struct tls_credentials *changed = load_credentials(other);
        again = tls_client_cache_key(changed, "server:1");
        ok(memcmp(&key, &again, sizeof key) != 0, "another %s: another", names[i]);
        tls_credentials_unref(changed);
    }
    tls_credentials_unref(one);
}

static void make_both_authorities(void)
{
    static char both[8192];
    size_t used = 0;
    const char *const names[] = {"ca.pem", "ca2.pem"};
    for (int i = 0; i < 2; i++) {
        FILE *file = fopen(path_of(names[i]), "r");
        must(file);
        used += fread(both + used, 1, sizeof both - used, file);
        fclose(file);
    }
    write_file("both.pem", both, used);
}

static void reconnect(const struct mode *mode, int expected)
{
    struct tls_credentials *client = load_credentials(mode_options(mode, TLS_CLIENT, "client", 0)),
                           *server = load_credentials(mode_options(mode, TLS_SERVER, "server", 0));
    struct tls_client_cache *cache = tls_client_cache_new(0);
    struct tls_client_cache_key key = tls_client_cache_key(client, "server:1");
    int resumed = 0;
    for (int i = 0; i < 5; i++) {
        struct pair pair;
        must(open_master(&pair, client, server, tls_client_cache_take(cache, &key)));
        resumed += both_resumed(&pair);
        tls_client_cache_put(cache, &key, tls_session_take_ticket(pair.client.session));
        free_pair(&pair);
    }
    ok(resumed == expected, "%s: %d of 5 masters resumed from the cache", mode->name, resumed);
    tls_client_cache_free(cache);
    tls_credentials_unref(client);
    tls_credentials_unref(server);
}

static void test_giving_back(void)
{
    struct tls_credentials *client =
                               load_credentials(mode_options(tls_13, TLS_CLIENT, "client", 0)),
                           *server =
                               load_credentials(mode_options(tls_13, TLS_SERVER, "server", 0));
    struct pair pair;
    must(open_master(&pair, client, server, NULL));
    struct tls_ticket *ticket = tls_session_take_ticket(pair.client.session);
    free_pair(&pair);
    pair.client.session = tls_session_new_master(client, ticket, &pair.client.output);
    ok(tls_session_take_ticket(pair.client.session) == ticket,
       "a master that never began gives the ticket back");
    free_pair(&pair);
    pair.client.session = tls_session_new_master(client, ticket, &pair.client.output);
    must(tls_session_handshake(pair.client.session) == ERR_AGAIN);
    ok(!tls_session_take_ticket(pair.client.session), "one that has begun does not");
    free_pair(&pair);
    tls_credentials_unref(client);
    tls_credentials_unref(server);
}

static bool loads(const char *name)
{
    struct tls_client_cache *cache = tls_client_cache_new(0);
    bool loaded = tls_client_cache_load(cache, path_of(name), why, sizeof why) == ERR_OK;
    must(loaded || !statistics_of(cache).tickets);
    tls_client_cache_free(cache);
    return loaded;
}

static void test_file(void)
{
    struct tls_client_cache *cache = tls_client_cache_new(0), *next = tls_client_cache_new(0);
    struct stat status;
    const char *path = path_of("sessions");
    char content[4096];
    certificates_made[certificates_count++] = check_strdup("sessions");
    put(cache, 1, ticket_of(1, 100, false));
    put(cache, 1, ticket_of(2, 100, false));
    put(cache, 2, ticket_of(3, 100, true));
    put(cache, 3, ticket_of(4, 10, true));
    ok(tls_client_cache_save(cache, path, why, sizeof why) == ERR_OK && stat(path, &status) == 0 &&
           (status.st_mode & 0777) == 0600,
       "saved with mode 600");
    FILE *file = fopen(path, "r");
    must(file);
    size_t size = fread(content, 1, sizeof content, file);
    fclose(file);
    /* A reader with the old file open, or a writer that is cut off, must not leave half of a new
     * one: a second name for the old file keeps what was in it. */
    char *old = check_strdup(path_of("sessions.old")), after[sizeof content];
    certificates_made[certificates_count++] = check_strdup("sessions.old");
    struct tls_client_cache *empty = tls_client_cache_new(0);
    must(link(path, old) == 0);
    must(tls_client_cache_save(empty, path, why, sizeof why) == ERR_OK);
    file = fopen(old, "r");
    must(file);
    size_t kept = fread(after, 1, sizeof after, file);
    fclose(file);
    ok(kept == size && memcmp(after, content, size) == 0 && stat(path, &status) == 0 &&
           (size_t)status.st_size < size,
       "another one takes its place whole");
    must(rename(old, path) == 0);
    tls_client_cache_free(empty);
    free(old);

    clock_shift = 50;
    ok(tls_client_cache_load(next, path, why, sizeof why) == ERR_OK && take(next, 1) == 2 &&
           take(next, 1) == 1 && take(next, 2) == 3 && take(next, 3) == 0,
       "loaded by the next process, without what ended meanwhile");
    clock_shift = 0;
    ok(access(path, F_OK) < 0 && loads("sessions"), "the file is gone then, and may be missing");

    int accepted = 0;
    for (size_t i = 0; i < size; i += 3) {
        content[i] ^= 4;
        write_file("sessions", content, size);
        must(chmod(path, 0600) == 0);
        accepted += loads("sessions");
        content[i] ^= 4;
    }
    ok(!accepted, "with one bit changed it is not taken: %s", strrchr(why, '/') + 1);
    for (size_t i = 0; i < size; i += 7) {
        write_file("sessions", content, i);
        must(chmod(path, 0600) == 0);
        accepted += loads("sessions");
    }
    ok(!accepted, "nor when it is cut: %s", strrchr(why, '/') + 1);
    write_file("sessions", content, size);
    must(chmod(path, 0644) == 0);
    bool taken = loads("sessions");
    ok(!taken && strstr(why, "644"), "nor when others may read it: %s", strrchr(why, '/') + 1);
    must(chmod(path, 0600) == 0);
    if (geteuid() == 0) {
        must(chown(path, 4711, 0) == 0);
        ok(!loads("sessions") && strstr(why, "4711"), "nor when it is somebody else's");
        must(chown(path, 0, 0) == 0);
    } else {
        tap_skip("a file of another user", "only root can make one");
    }
    ok(loads("sessions"), "else it is");
    enum err result = tls_client_cache_save(cache, "/nonexistent/sessions", why, sizeof why);
    ok(result != ERR_OK, "nowhere to save: %s", why);
    tls_client_cache_free(cache);
    tls_client_cache_free(next);
}

/* A process that was killed while it wrote leaves a file beside, with secrets in it. */
static void test_leftover(void)
{
    struct tls_client_cache *cache = tls_client_cache_new(0);
    char *aside = check_strdup(path_of("sessions.new"));
    certificates_made[certificates_count++] = check_strdup("sessions.new");
    put(cache, 1, ticket_of(1, 100, false));
    synced_files = synced_folders = 0;
    must(tls_client_cache_save(cache, path_of("sessions"), why, sizeof why) == ERR_OK);
    ok(synced_files == 1 && synced_folders == 1, "a power cut leaves the file and its name");
    must(loads("sessions"));
    ok(synced_folders == 2, "or, once it was read, neither");
    write_file("sessions.new", "half of it", 10);
    ok(tls_client_cache_save(cache, path_of("sessions"), why, sizeof why) == ERR_OK &&
           access(aside, F_OK) < 0 && loads("sessions"),
       "what a process left that was killed while it wrote is in nobody's way");
    write_file("sessions.new", "half of it", 10);
    ok(loads("sessions") && access(aside, F_OK) < 0, "and goes at the next start");
    must(symlink(path_of("ca.pem"), aside) == 0);
    ok(tls_client_cache_save(cache, path_of("sessions"), why, sizeof why) == ERR_OK &&
           access(path_of("ca.pem"), F_OK) == 0 && loads("sessions"),
       "nothing is written through a link that lies there");
    tls_client_cache_free(cache);
    free(aside);
}

/* More than a file may hold: what was used last is in it. */
static void test_too_much(void)
{
    enum { SIZE = 60000, COUNT = 400 };
    struct tls_client_cache *cache = tls_client_cache_new(COUNT),
                            *next = tls_client_cache_new(COUNT);
    static uint8_t data[SIZE], fingerprint[TLS_FINGERPRINT_SIZE];
    for (unsigned i = 0; i < COUNT; i++)
        put(cache, i, tls_ticket_new(fingerprint, time(NULL) + 100, false, data, sizeof data));
    bool saved = tls_client_cache_save(cache, path_of("sessions"), why, sizeof why) == ERR_OK,
         loaded = tls_client_cache_load(next, path_of("sessions"), why, sizeof why) == ERR_OK;
    size_t kept = statistics_of(next).tickets;
    ok(saved && loaded && kept > 200 && kept < COUNT, "of more than fit into a file %zu are kept",
       kept);
    bool newest = true;
    for (unsigned i = 0; i < COUNT; i++) {
        struct tls_client_cache_key key = key_of(i);
        struct tls_ticket *ticket = tls_client_cache_take(next, &key);
        newest &= (ticket != NULL) == (i >= COUNT - kept);
        tls_ticket_free(ticket);
    }
    ok(newest, "those that were used last");
    tls_client_cache_free(cache);
    tls_client_cache_free(next);
}

static void *use(void *argument)
{
    struct tls_client_cache *cache = argument;
    for (unsigned i = 0; i < 5000; i++) {
        put(cache, i % 7, ticket_of((uint8_t)(i % 7 + 1), 100, i % 11 == 0));
        int mark = take(cache, i % 5);
        must(mark == 0 || mark == (int)(i % 5) + 1);
    }
    return NULL;
}

static void test_threads(void)
{
    struct tls_client_cache *cache = tls_client_cache_new(6);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        must(pthread_create(&threads[i], NULL, use, cache) == 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    ok(statistics_of(cache).stored == 20000 && statistics_of(cache).peers <= 6,
       "four threads on one cache");
    tls_client_cache_free(cache);
}

int main(void)
{
    make_certificates();
    make_both_authorities();
    test_entries();
    test_keys();
    test_keys_of_rules();
    reconnect(tls_13, 4);
    reconnect(tls_12, 4);
    reconnect(psk_ke, 0);
    test_giving_back();
    test_file();
    test_leftover();
    test_too_much();
    test_threads();
    message_cache_clear();
    return tap_done();
}
