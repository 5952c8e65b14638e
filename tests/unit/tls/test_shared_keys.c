/* Ticket keys in a file: masters that are resumed after a restart and by other servers, and keys
 * that change meanwhile. */
#include <sys/stat.h>

#include "tests/unit/tls/clock.h"
#include "tests/unit/tls/key_files.h"
#include "tests/unit/tls/modes.h"
#include "tls/key_file.h"
#include "tls/ticket_key.h"

static const struct mode *const tls_13 = &modes[0], *const tickets_12 = &modes[3],
                                *const any_12 = &modes[4];
static char why[256];

static struct tls_credentials *server_of(const struct mode *mode, struct tls_store *store)
{
    struct tls_options options = mode_options(mode, TLS_SERVER, "server", store);
    options.ticket_key_file = path_of("ticket.keys");
    return load_credentials(options);
}

static struct tls_credentials *client_of(const struct mode *mode)
{
    return load_credentials(mode_options(mode, TLS_CLIENT, "client", NULL));
}

/* A full master's ticket. */
static struct tls_ticket *earn(struct tls_credentials *client, struct tls_credentials *server)
{
    struct association a;
    open_association(&a, client, server, NULL);
    struct tls_ticket *ticket = a.ticket;
    a.ticket = NULL;
    close_association(&a);
    must(ticket);
    return ticket;
}

/* True if a master is resumed by the ticket, and then has a resumed child. */
static bool resumes(struct tls_credentials *client, struct tls_credentials *server,
                    struct tls_ticket *ticket)
{
    struct association a;
    struct pair child;
    open_association(&a, client, server, ticket);
    bool resumed = both_resumed(&a.master);
    must(open_child(&child, client, a.client, server, a.server) && both_resumed(&child));
    free_pair(&child);
    close_association(&a);
    return resumed;
}

static void test_restart(const struct mode *mode)
{
    struct tls_credentials *client = client_of(mode), *server = server_of(mode, NULL);
    struct tls_ticket *first = earn(client, server), *second = earn(client, server);
    tls_credentials_unref(server);
    server = server_of(mode, NULL);
    ok(resumes(client, server, first), "%s: resumed after a restart, and so are the children",
       mode->name);
    struct tls_credentials *other = server_of(mode, NULL);
    ok(resumes(client, other, second), "%s: and by another server", mode->name);
    tls_credentials_unref(client);
    tls_credentials_unref(server);
    tls_credentials_unref(other);
}

static void rotate(struct tls_credentials *server, size_t keep)
{
    rotate_keys(path_of("ticket.keys"), 64, keep);
    must(tls_credentials_reload_ticket_keys(server, why, sizeof why) == ERR_OK);
}

static void test_rotation(const struct mode *mode)
{
    struct tls_credentials *client = client_of(mode), *one = server_of(mode, NULL),
                           *two = server_of(mode, NULL);
    struct association old;
    struct pair child;
    struct tls_ticket *before = earn(client, one), *again = earn(client, one);
    open_association(&old, client, one, NULL);
    rotate(one, 1);
    ok(resumes(client, one, before), "%s: after a rotation the old key is still accepted",
       mode->name);
    struct tls_ticket *newer = earn(client, one), *newest = earn(client, one);
    ok(!resumes(client, two, newer), "%s: a server that has not read the new one does not resume",
       mode->name);
    must(tls_credentials_reload_ticket_keys(two, why, sizeof why) == ERR_OK);
    ok(resumes(client, two, newest), "%s: once it has, it does", mode->name);
    rotate(one, 0);
    ok(!resumes(client, one, again), "%s: a key that was taken out is not accepted any more",
       mode->name);
    bool through = open_child(&child, client, old.client, one, old.server);
    ok(through && both_resumed(&child), "%s: but an association that lives keeps its key",
       mode->name);
    free_pair(&child);
    close_association(&old);

    must(chmod(path_of("ticket.keys"), 0604) == 0);
    struct tls_ticket *ticket = earn(client, one);
    enum err result = tls_credentials_reload_ticket_keys(one, why, sizeof why);
    ok(result == ERR_TLS_TICKET_KEYS && resumes(client, one, ticket),
       "%s: a file that cannot be used changes nothing: %s", mode->name, strrchr(why, '/') + 1);
    must(chmod(path_of("ticket.keys"), 0600) == 0);
    tls_credentials_unref(client);
    tls_credentials_unref(one);
    tls_credentials_unref(two);
}

/* GnuTLS derives what it encrypts with anew every three lifetimes. */
static void test_periods(const struct mode *mode)
{
    struct tls_credentials *client = client_of(mode), *one = server_of(mode, NULL),
                           *two = server_of(mode, NULL);
    long period = 3 * 3600;
    int resumed = 0;
    clock_shift = 0;
    clock_shift = period - time(NULL) % period - 1800; /* half an hour before the next period */
    struct tls_ticket *first = earn(client, one), *second = earn(client, one);
    clock_shift += 1700;
    resumed += resumes(client, two, first);
    clock_shift += 200; /* 100 s after it has begun */
    resumed += resumes(client, one, second);
    ok(resumed == 2, "%s: resumed within a period, and across its end: %d of 2", mode->name,
       resumed);
    clock_shift = 0;
    tls_credentials_unref(client);
    tls_credentials_unref(one);
    tls_credentials_unref(two);
}

/* A client that takes tickets gets one; one that was resumed by id before finds the store. */
static void test_both(void)
{
    struct tls_store *store = tls_store_new(&(struct tls_store_options){0});
    struct tls_store_statistics statistics;
    struct tls_credentials *client = client_of(any_12), *server = server_of(any_12, store),
                           *by_id = load_credentials(
                               mode_options(&modes[2], TLS_SERVER, "server", store));
    struct tls_ticket *ticket = earn(client, server);
    tls_store_statistics(store, &statistics);
    ok(statistics.stored == 0, "with both, tickets are preferred: nothing is stored");
    ok(resumes(client, server, ticket), "and resumed from");
    ticket = earn(client, by_id);
    ok(resumes(client, server, ticket), "a session of the store is resumed as well");
    tls_credentials_unref(client);
    tls_credentials_unref(server);
    tls_credentials_unref(by_id);
    tls_store_unref(store);
}

/* Random keys, when the configuration is read again. */
static void test_reload(const struct mode *mode)
{
    static const char *const allow[] = {"somebody.example"};
    struct tls_options options = mode_options(mode, TLS_SERVER, "server", NULL);
    struct tls_credentials *client = client_of(mode), *old = load_credentials(options),
                           *new = load_credentials(options);
    struct tls_ticket *first = earn(client, old), *second = earn(client, old),
                      *third = earn(client, old);
    ok(!resumes(client, new, first), "%s: new credentials do not know the old tickets", mode->name);
    tls_credentials_inherit(new, old);
    ok(resumes(client, new, second), "%s: unless they inherit the keys", mode->name);
    tls_credentials_unref(old);
    options.allow = allow;
    options.allow_count = 1;
    struct tls_credentials *strict = load_credentials(options);
    struct pair pair;
    tls_credentials_inherit(strict, new);
    bool through = open_master(&pair, client, strict, third);
    ok(!through && pair.server.result == ERR_TLS_PEER_NAME,
       "%s: and who is not let in any more is not resumed either: %s", mode->name,
       tls_session_detail(pair.server.session));
    free_pair(&pair);
    tls_credentials_unref(client);
    tls_credentials_unref(new);
    tls_credentials_unref(strict);
}

static void test_options(void)
{
    struct tls_credentials *credentials;
    struct tls_options options = mode_options(tls_13, TLS_SERVER, "server", NULL);
    options.ticket_key_file = path_of("nothing");
    enum err result = tls_credentials_new(&options, &credentials, why, sizeof why);
    ok(result == ERR_TLS_TICKET_KEYS && strstr(why, "nothing"), "no such file: %s",
       strrchr(why, '/') + 1);
}

int main(void)
{
    make_certificates();
    make_key_file(path_of("ticket.keys"), 64);
    certificates_made[certificates_count++] = check_strdup("ticket.keys");
    test_restart(tls_13);
    test_restart(tickets_12);
    test_rotation(tls_13);
    test_rotation(tickets_12);
    test_periods(tls_13);
    test_periods(tickets_12);
    test_reload(tls_13);
    test_reload(tickets_12);
    test_both();
    test_options();
    message_cache_clear();
    return tap_done();
}
