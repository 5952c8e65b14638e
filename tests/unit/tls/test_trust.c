/* Certificate authorities, revocation lists, pins, and who is let in; and the same again for a peer
 * that is already there when the rules change. */
#include <pthread.h>
#include <sys/stat.h>

#include "tests/unit/tls/clock.h"
#include "tests/unit/tls/key_files.h"
#include "tests/unit/tls/pair.h"
#include "tls/credentials_private.h"
#include "tls/identity.h"

static char why[1024];

static void write_list(const char *file, const char *ca_file, const char *const *revoked,
                       int from_days, int until_days)
{
    struct authority ca = load_authority(ca_file);
    gnutls_x509_crl_t crl;
    gnutls_datum_t pem;
    must(gnutls_x509_crl_init(&crl) == 0);
    must(gnutls_x509_crl_set_version(crl, 2) == 0);
    must(gnutls_x509_crl_set_this_update(crl, time(NULL) + from_days * DAY) == 0);
    must(gnutls_x509_crl_set_next_update(crl, time(NULL) + until_days * DAY) == 0);
    for (; revoked && *revoked; revoked++) {
        gnutls_x509_crt_t crt = load_certificate(*revoked);
        must(gnutls_x509_crl_set_crt(crl, crt, time(NULL) - DAY) == 0);
        gnutls_x509_crt_deinit(crt);
    }
    must(gnutls_x509_crl_sign2(crl, ca.crt, ca.key, GNUTLS_DIG_SHA256, 0) == 0);
    must(gnutls_x509_crl_export2(crl, GNUTLS_X509_FMT_PEM, &pem) == 0);
    write_file(file, pem.data, pem.size);
    gnutls_free(pem.data);
    gnutls_x509_crl_deinit(crl);
    free_authority(&ca);
}

static char *pin_of(const char *file, char text[static TLS_PIN_TEXT_SIZE])
{
    uint8_t pin[TLS_PIN_SIZE];
    size_t size = sizeof pin;
    gnutls_x509_crt_t crt = load_certificate(file);
    must(gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA256, pin, &size) == 0);
    gnutls_x509_crt_deinit(crt);
    tls_pin_format(pin, text);
    return text;
}

static enum err result_at(struct end *end)
{
    const uint8_t *data;
    size_t length;
    enum err result = end->result;
    if (result == ERR_OK)
        result = tls_session_read(end->session, &data, &length);
    return result == ERR_AGAIN ? ERR_OK : result;
}

/* One master; what the server says of it. */
static void expect(const char *what, struct tls_options client_options,
                   struct tls_options server_options, enum err client_result,
                   enum err server_result, const char *words)
{
    struct tls_credentials *client = load_credentials(client_options),
                           *server = load_credentials(server_options);
    struct pair pair;
    open_master(&pair, client, server, NULL);
    enum err at_client = result_at(&pair.client), at_server = result_at(&pair.server);
    ok(at_client == client_result && at_server == server_result, "%s: client %s, server %s", what,
       err_name(at_client), err_name(at_server));
    struct end *refuser = client_result == ERR_TLS_HANDSHAKE ? &pair.server : &pair.client;
    ok(strstr(tls_session_detail(refuser->session), words), "  \"%s\"",
       tls_session_detail(refuser->session));
    free_pair(&pair);
    tls_credentials_unref(client);
    tls_credentials_unref(server);
}

static void server_refuses(const char *what, struct tls_options client, struct tls_options server,
                           enum err result, const char *words)
{
    expect(what, client, server, ERR_TLS_HANDSHAKE, result, words);
}

static void accepts(const char *what, struct tls_options client, struct tls_options server)
{
    expect(what, client, server, ERR_OK, ERR_OK, "");
}

static void refuses_to_load(struct tls_options options, const char *file, const char *words)
{
    struct tls_credentials *credentials;
    why[0] = 0;
    enum err result = tls_credentials_new(&options, &credentials, why, sizeof why);
    ok(result == ERR_TLS_CREDENTIALS && strstr(why, file) && strstr(why, words), "%s", why);
}

static void make_directory(const char *name)
{
    must(mkdir(path_of(name), 0700) == 0);
    remove_at_exit(name);
}

static void copy(const char *from, const char *to)
{
    gnutls_datum_t data;
    must(gnutls_load_file(path_of(from), &data) == 0);
    write_file(to, data.data, data.size);
    gnutls_free(data.data);
}

static void test_authorities(void)
{
    struct tls_options client = options_for(TLS_CLIENT, "client"),
                       foreign = options_for(TLS_CLIENT, "foreign"),
                       server = options_for(TLS_SERVER, "server");
    make_directory("cas");
    server.ca = path_of("cas");
    refuses_to_load(server, "cas", "holds no file");
    copy("ca.pem", "cas/one.pem");
    server_refuses("a CA that is not in the directory", foreign, server, ERR_TLS_PEER_UNVERIFIED,
                   "not signed by a CA");
    copy("ca2.pem", "cas/two.crt");
    write_file("cas/README", "junk", 4);
    write_file("cas/.hidden.pem", "junk", 4);
    accepts("the first CA of a directory", client, server);
    accepts("the second CA of a directory", foreign, server);
    struct tls_credentials *credentials = load_credentials(server);
    size_t count;
    const char *const *files = tls_credentials_files(credentials, &count);
    ok(count == 5 && strcmp(files[0], server.ca) == 0 && strstr(files[1], "cas/one.pem") &&
           strstr(files[2], "cas/two.crt") && strstr(files[3], "server.pem") &&
           strstr(files[4], "server.key"),
       "the files to watch: the directory, both CAs, certificate, key (%zu)", count);
    tls_credentials_unref(credentials);
    write_file("cas/three.cer", "junk", 4);
    refuses_to_load(server, "cas/three.cer", "no usable CA certificate");
    copy("server.pem", "cas/three.cer");
    refuses_to_load(server, "cas/three.cer", "not a CA certificate");
    copy("ca.pem", "cas/three.cer");
    accepts("a CA that comes twice", client, server);

    gnutls_datum_t one, two;
    must(gnutls_load_file(path_of("ca.pem"), &one) == 0);
    must(gnutls_load_file(path_of("ca2.pem"), &two) == 0);
    char both[8192];
    int size = snprintf(both, sizeof both, "%s%s", one.data, two.data);
    write_file("both.pem", both, (size_t)size);
    gnutls_free(one.data);
    gnutls_free(two.data);
    server.ca = path_of("both.pem");
    accepts("the second CA of a file", foreign, server);
}

static void test_revocation(void)
{
    static const char *const revoked[] = {"client", NULL}, *const server_revoked[] = {"server",
                                                                                      NULL};
    struct tls_options client = options_for(TLS_CLIENT, "client"),
                       client2 = options_for(TLS_CLIENT, "client2"),
                       server = options_for(TLS_SERVER, "server");
    write_list("none.crl", "ca", NULL, -1, 30);
    write_list("client.crl", "ca", revoked, -1, 30);
    write_list("server.crl", "ca", server_revoked, -1, 30);
    write_list("other.crl", "ca2", NULL, -1, 30);
    write_list("expired.crl", "ca", revoked, -9, -1);
    write_list("future.crl", "ca", revoked, 2, 9);

    server.crl = path_of("none.crl");
    accepts("nobody is revoked", client, server);
    server.crl = path_of("client.crl");
    server_refuses("a client that is revoked", client, server, ERR_TLS_PEER_UNVERIFIED,
                   "it is revoked (dns \"client.example\"");
    accepts("another client of the same CA", client2, server);
    client.crl = path_of("server.crl");
    server.crl = NULL;
    expect("a server that is revoked", client, server, ERR_TLS_PEER_UNVERIFIED, ERR_TLS_HANDSHAKE,
           "it is revoked (dns \"server.example\"");
    client.crl = NULL;

    server.crl = path_of("expired.crl");
    refuses_to_load(server, "expired.crl", "expired on");
    server.crl = path_of("future.crl");
    refuses_to_load(server, "future.crl", "not valid before");
    server.crl = path_of("other.crl");
    refuses_to_load(server, "other.crl", "belongs to no CA that we trust");
    server.crl = path_of("ca.pem");
    refuses_to_load(server, "ca.pem", "no usable revocation list");
    server.crl = path_of("nowhere.crl");
    refuses_to_load(server, "nowhere.crl", "No such file");

    make_directory("crls");
    server.crl = path_of("crls");
    refuses_to_load(server, "crls", "holds no file");
    copy("other.crl", "crls/a.crl");
    refuses_to_load(server, "crls/a.crl", "belongs to no CA");
    server.ca = path_of("both.pem");
    copy("client.crl", "crls/b.pem");
    server_refuses("revoked by one of two lists of two CAs", client, server,
                   ERR_TLS_PEER_UNVERIFIED, "it is revoked");
    accepts("and the others are not", client2, server);
}

/* Of two lists of one CA the newer counts, whichever is read first, and its own end: whoever keeps
 * an old list beside must not make the new one last longer, or end the process. */
static void test_old_list(const char *older, const char *newer)
{
    char old_name[32], new_name[32], ca[64];
    static const char *const revoked[] = {"client", NULL};
    struct tls_options client = options_for(TLS_CLIENT, "client"),
                       server = options_for(TLS_SERVER, "server");
    make_directory(older);
    snprintf(old_name, sizeof old_name, "%s/%s.crl", older, older);
    snprintf(new_name, sizeof new_name, "%s/%s.crl", older, newer);
    write_list(old_name, "ca", NULL, -2, 30);
    write_list(new_name, "ca", revoked, -1, 5);
    server.crl = path_of(older);
    server_refuses("revoked by the newer of two lists", client, server, ERR_TLS_PEER_UNVERIFIED,
                   "it is revoked");
    struct tls_credentials *credentials = load_credentials(server);
    int64_t until = tls_credentials_lists_until(credentials, ca, sizeof ca) - time(NULL);
    ok(until > 4 * DAY && until <= 5 * DAY, "which ends when it says");
    tls_credentials_unref(credentials);
}

/* The same name as a CA of ours, another key. */
static void test_forged_list(void)
{
    struct tls_options server = options_for(TLS_SERVER, "server");
    copy("ca.key", "kept.key");
    copy("ca.pem", "kept.pem");
    struct authority forger = new_authority("ca");
    free_authority(&forger);
    write_list("forged.crl", "ca", NULL, -1, 30);
    copy("kept.key", "ca.key");
    copy("kept.pem", "ca.pem");
    server.crl = path_of("forged.crl");
    refuses_to_load(server, "forged.crl", "revocation list");
}

static void test_list_expires(void)
{
    struct tls_options client_options = options_for(TLS_CLIENT, "client"),
                       server_options = options_for(TLS_SERVER, "server");
    write_list("short.crl", "ca", NULL, -1, 2);
    server_options.crl = path_of("short.crl");
    struct tls_credentials *client = load_credentials(client_options),
                           *server = load_credentials(server_options);
    struct pair pair;
    must(open_master(&pair, client, server, NULL));
    struct tls_identity *identity = tls_identity_ref(
        (struct tls_identity *)(uintptr_t)tls_session_identity(pair.server.session));
    free_pair(&pair);
    clock_shift = 3 * DAY;
    open_master(&pair, client, server, NULL);
    ok(result_at(&pair.server) == ERR_TLS_PEER_UNVERIFIED, "a list that expires while we run");
    ok(strstr(tls_session_detail(pair.server.session), "revocation list of its CA has expired"),
       "  %s", tls_session_detail(pair.server.session));
    enum err result = tls_credentials_recheck(server, identity, why, sizeof why);
    ok(result == ERR_TLS_PEER_UNVERIFIED, "  and for a peer that is there: %s", why);
    free_pair(&pair);
    clock_shift = 0;
    tls_identity_unref(identity);
    tls_credentials_unref(client);
    tls_credentials_unref(server);
}

static void test_pins(void)
{
    char pin[TLS_PIN_TEXT_SIZE], other[TLS_PIN_TEXT_SIZE];
    const char *pins[] = {pin_of("server", other), pin_of("client", pin)};
    const char *wrong[] = {other}, *bad[] = {"sha256:abc"};
    struct tls_options client = options_for(TLS_CLIENT, "client"),
                       client2 = options_for(TLS_CLIENT, "client2"),
                       foreign = options_for(TLS_CLIENT, "foreign"),
                       server = options_for(TLS_SERVER, "server");
    server.pins = pins, server.pin_count = 2;
    accepts("a key that is pinned, and a CA", client, server);
    server_refuses("a key that is not pinned, of our CA", client2, server, ERR_TLS_PEER_UNVERIFIED,
                   "dns \"other.example\", sha256:");
    server.ca = NULL;
    accepts("a key that is pinned, without a CA", client, server);
    server_refuses("a key that is not pinned, without a CA", client2, server,
                   ERR_TLS_PEER_UNVERIFIED, "its key matches none of the pins (2)");
    const char *allow[] = {pin};
    server.allow = allow, server.allow_count = 1;
    accepts("allowed by its pin", client, server);
    allow[0] = other;
    server_refuses("pinned, and not allowed", client, server, ERR_TLS_PEER_NAME,
                   "the peer is sha256:");
    allow[0] = "client.example";
    refuses_to_load(server, "client.example", "without a CA");
    server.allow_count = 0;
    server.crl = path_of("none.crl");
    refuses_to_load(server, "", "need a CA");
    server.crl = NULL;
    server.pins = bad, server.pin_count = 1;
    refuses_to_load(server, "sha256:abc", "is not a pin");
    server.pin_count = 0;
    refuses_to_load(server, "", "exactly one");

    server = options_for(TLS_SERVER, "server");
    foreign.ca = NULL, foreign.peer = NULL, foreign.pins = wrong, foreign.pin_count = 1;
    server.pins = (const char *const[]){pin_of("foreign", pin)}, server.pin_count = 1;
    server.ca = NULL;
    accepts("both know each other by pins alone", foreign, server);
    foreign.peer = "server.example";
    refuses_to_load(foreign, "server.example", "without a CA");
    foreign.peer = wrong[0];
    accepts("and the server is the one that was wanted", foreign, server);
}

/* Known by its key alone a certificate still ends when it says so. */
static void test_pinned_expires(void)
{
    char pin[TLS_PIN_TEXT_SIZE], other[TLS_PIN_TEXT_SIZE];
    struct tls_options client = options_for(TLS_CLIENT, "client"),
                       server = options_for(TLS_SERVER, "short");
    const char *server_pin[] = {pin_of("short", pin)}, *client_pin[] = {pin_of("client", other)};
    client.ca = NULL, client.peer = NULL, client.pins = server_pin, client.pin_count = 1;
    server.ca = NULL, server.pins = client_pin, server.pin_count = 1;
    struct tls_credentials *client_credentials = load_credentials(client),
                           *server_credentials = load_credentials(server);
    struct pair pair;
    clock_shift = 3 * DAY;
    open_master(&pair, client_credentials, server_credentials, NULL);
    ok(result_at(&pair.client) == ERR_TLS_PEER_UNVERIFIED &&
           strstr(tls_session_detail(pair.client.session), "expired"),
       "a pinned certificate that has expired");
    free_pair(&pair);
    clock_shift = 0;
    tls_credentials_unref(client_credentials);
    tls_credentials_unref(server_credentials);
}

static void test_allow(void)
{
    static const struct {
        const char *pattern;
        bool is_allowed;
    } cases[] = {
        {"spiffe://example.org/ns/a", true},
        {"spiffe://example.org/*", true},
        {"spiffe://example.org/ns/*", true},
        {"spiffe://example.org/n/*", false},
        {"*.clients.example", true},
        {"*.example.org", false},
        {"laptop.clients.example", true},
        {"127.0.0.1", true},
        {"127.0.0.2", false},
        {"common.example", false},
    };
    struct authority ca = load_authority("ca");
    issue(&ca, &(struct certificate_spec){.file = "many",
                                          .cn = "common.example",
                                          .dns = "laptop.clients.example",
                                          .uri = "spiffe://example.org/ns/a",
                                          .ip = "\x7f\0\0\1"});
    free_authority(&ca);
    struct tls_options client = options_for(TLS_CLIENT, "many"),
                       server = options_for(TLS_SERVER, "server");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *allow[] = {"nobody.example", cases[i].pattern};
        server.allow = allow, server.allow_count = 2;
        if (cases[i].is_allowed)
            accepts(cases[i].pattern, client, server);
        else
            server_refuses(cases[i].pattern, client, server, ERR_TLS_PEER_NAME,
                           "the peer is dns \"laptop.clients.example\", uri "
                           "\"spiffe://example.org/ns/a\", ip \"127.0.0.1\", sha256:");
    }
    const char *bad[] = {"*.com"};
    server.allow = bad, server.allow_count = 1;
    refuses_to_load(server, "*.com", "two labels");

    /* A star in a certificate is for servers that are looked for, never for clients. */
    ca = load_authority("ca");
    issue(&ca,
          &(struct certificate_spec){.file = "star", .cn = "star", .dns = "*.clients.example"});
    free_authority(&ca);
    const char *star[] = {"a.clients.example", "*.clients.example"};
    server.allow = star, server.allow_count = 2;
    client = options_for(TLS_CLIENT, "star");
    server_refuses("a client with a star in its name", client, server, ERR_TLS_PEER_NAME,
                   "dns \"*.clients.example\"");
    client = options_for(TLS_CLIENT, "client");
    client.peer = "a.clients.example";
    accepts("a server with a star in its name", client, options_for(TLS_SERVER, "star"));
    client.peer = "a.b.clients.example";
    expect("which stands for one label", client, options_for(TLS_SERVER, "star"), ERR_TLS_PEER_NAME,
           ERR_TLS_HANDSHAKE, "\"a.b.clients.example\" was expected");
    client.peer = "spiffe://example.org/ns/a";
    accepts("a server by its URI", client, options_for(TLS_SERVER, "many"));
    client.peer = "spiffe://example.org/ns/b";
    expect("another URI", client, options_for(TLS_SERVER, "many"), ERR_TLS_PEER_NAME,
           ERR_TLS_HANDSHAKE, "was expected");
}

static struct tls_identity *meet(struct tls_credentials *client, struct tls_credentials *server,
                                 struct tls_ticket **ticket)
{
    struct pair pair;
    must(open_master(&pair, client, server, NULL));
    *ticket = tls_session_take_ticket(pair.client.session);
    struct tls_identity *identity = tls_identity_ref(
        (struct tls_identity *)(uintptr_t)tls_session_identity(pair.server.session));
    free_pair(&pair);
    return identity;
}

static void check_again(const char *what, struct tls_options options,
                        const struct tls_identity *identity, enum err expected, const char *words)
{
    struct tls_credentials *credentials = load_credentials(options);
    enum err result = tls_credentials_recheck(credentials, identity, why, sizeof why);
    ok(result == expected && strstr(why, words), "%s: %s", what, why);
    tls_credentials_unref(credentials);
}

/* Credentials that follow others, as after a reload. */
static void test_reload(void)
{
    char pin[TLS_PIN_TEXT_SIZE];
    const char *allow[] = {"client.example"}, *others[] = {"other.example"},
               *pins[] = {pin_of("client2", pin)}, *pinned[] = {pin_of("client", pin)};
    char other_pin[TLS_PIN_TEXT_SIZE];
    pins[0] = pin_of("client2", other_pin);
    struct tls_options options = options_for(TLS_SERVER, "server"), next;
    options.allow = allow, options.allow_count = 1;
    struct tls_credentials *client = load_credentials(options_for(TLS_CLIENT, "client")),
                           *server = load_credentials(options);
    struct tls_ticket *ticket;
    struct tls_identity *identity = meet(client, server, &ticket);
    tls_ticket_free(ticket);
    check_again("nothing has changed", options, identity, ERR_OK, "");
    next = options, next.crl = path_of("client.crl");
    check_again("revoked", next, identity, ERR_TLS_PEER_UNVERIFIED, "it is revoked");
    next = options, next.ca = path_of("ca2.pem");
    check_again("the CA is gone", next, identity, ERR_TLS_PEER_UNVERIFIED, "not signed by a CA");
    next = options, next.allow = others;
    check_again("no longer allowed", next, identity, ERR_TLS_PEER_NAME, "dns \"client.example\"");
    next = options, next.pins = pins, next.pin_count = 1;
    check_again("its pin was taken out", next, identity, ERR_TLS_PEER_UNVERIFIED,
                "none of the pins (1)");
    next.pins = pinned;
    check_again("its pin was put in", next, identity, ERR_OK, "");
    next.ca = NULL, next.allow_count = 0;
    check_again("known by its pin alone now", next, identity, ERR_OK, "");
    tls_identity_unref(identity);
    tls_credentials_unref(client);
    tls_credentials_unref(server);
}

/* Two servers, or one after a reload, that share their ticket keys: a ticket opens, and who comes
 * with it is looked at all the same. */
static void test_resumption_after_reload(const char *what, bool has_file, struct tls_options next,
                                         enum err expected)
{
    struct tls_options options = options_for(TLS_SERVER, "server");
    if (has_file)
        options.ticket_key_file = next.ticket_key_file = path_of("ticket.keys");
    struct tls_credentials *client = load_credentials(options_for(TLS_CLIENT, "client")),
                           *server = load_credentials(options), *later = load_credentials(next);
    struct tls_ticket *ticket;
    tls_identity_unref(meet(client, server, &ticket));
    must(ticket);
    tls_credentials_inherit(later, server);
    struct pair pair;
    bool is_open = open_master(&pair, client, later, ticket);
    if (expected == ERR_OK)
        ok(is_open && tls_session_is_resumed(pair.server.session), "%s: resumed", what);
    else
        ok(result_at(&pair.server) == expected, "%s: %s (%s)", what,
           err_name(result_at(&pair.server)), tls_session_detail(pair.server.session));
    free_pair(&pair);
    tls_credentials_unref(client);
    tls_credentials_unref(server);
    tls_credentials_unref(later);
}

static void test_resumption(void)
{
    make_key_file(path_of("ticket.keys"), TLS_TICKET_KEY_SIZE);
    remove_at_exit("ticket.keys");
    struct tls_options same = options_for(TLS_SERVER, "server"), next;
    const char *others[] = {"other.example"};
    for (int i = 0; i < 2; i++) {
        bool has_file = i;
        test_resumption_after_reload("nothing has changed", has_file, same, ERR_OK);
        next = same, next.crl = path_of("client.crl");
        test_resumption_after_reload("revoked meanwhile", has_file, next, ERR_TLS_PEER_UNVERIFIED);
        next = same, next.ca = path_of("ca2.pem");
        test_resumption_after_reload("the CA has gone", has_file, next, ERR_TLS_PEER_UNVERIFIED);
        next = same, next.allow = others, next.allow_count = 1;
        test_resumption_after_reload("not allowed any more", has_file, next, ERR_TLS_PEER_NAME);
    }
}

struct checker {
    pthread_t thread;
    const struct tls_credentials *credentials;
    const struct tls_identity *identity;
    int accepted;
};

#define CHECKS 100

static void *check_often(void *pointer)
{
    struct checker *checker = pointer;
    char text[256];
    for (int i = 0; i < CHECKS; i++) {
        if (tls_credentials_recheck(checker->credentials, checker->identity, text, sizeof text) ==
            ERR_OK)
            checker->accepted++;
    }
    return NULL;
}

/* Workers share credentials without a lock. */
static void test_threads(void)
{
    struct tls_options options = options_for(TLS_SERVER, "server");
    const char *allow[] = {"*.example.org", "client.example"};
    options.crl = path_of("server.crl");
    options.allow = allow, options.allow_count = 2;
    struct tls_credentials *client = load_credentials(options_for(TLS_CLIENT, "client")),
                           *server = load_credentials(options);
    struct tls_ticket *ticket;
    struct tls_identity *identity = meet(client, server, &ticket);
    struct checker checkers[4];
    struct timespec began, ended;
    int accepted = 0;
    clock_gettime(CLOCK_MONOTONIC, &began);
    for (int i = 0; i < 4; i++) {
        checkers[i] = (struct checker){.credentials = server, .identity = identity};
        must(pthread_create(&checkers[i].thread, NULL, check_often, &checkers[i]) == 0);
    }
    for (int i = 0; i < 4; i++) {
        must(pthread_join(checkers[i].thread, NULL) == 0);
        accepted += checkers[i].accepted;
    }
    clock_gettime(CLOCK_MONOTONIC, &ended);
    ok(accepted == 4 * CHECKS, "four threads look at a peer again with the same credentials");
    tap_note("%ld µs of wall clock each, 4 threads",
             ((ended.tv_sec - began.tv_sec) * 1000000 + (ended.tv_nsec - began.tv_nsec) / 1000) /
                 (4 * CHECKS));
    tls_ticket_free(ticket);
    tls_identity_unref(identity);
    tls_credentials_unref(client);
    tls_credentials_unref(server);
}

/* ---- too weak to be believed ---- */

/* A certificate of our CA in every respect but its key and the digest of its signature. */
static gnutls_x509_crt_t weak_certificate(gnutls_pk_algorithm_t kind, unsigned bits,
                                          gnutls_digest_algorithm_t digest)
{
    struct authority ca = load_authority("ca");
    gnutls_x509_privkey_t key;
    must(gnutls_x509_privkey_init(&key) == 0);
    must(gnutls_x509_privkey_generate(key, kind, bits, 0) == 0);
    gnutls_x509_crt_t crt = new_certificate(key, "client.example", -1, 365);
    must(gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_CLIENT, 0) == 0);
    must(gnutls_x509_crt_sign2(crt, ca.crt, ca.key, digest, 0) == 0);
    write_pair("weak", crt, key);
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_privkey_deinit(key);
    free_authority(&ca);
    return load_certificate("weak");
}

static void test_weak(void)
{
    const struct {
        const char *what;
        gnutls_pk_algorithm_t kind;
        unsigned bits;
        gnutls_digest_algorithm_t digest;
        bool accepted;
    } rows[] = {
        {"RSA of 2048 bits", GNUTLS_PK_RSA, 2048, GNUTLS_DIG_SHA256, true},
        {"RSA of 1024 bits", GNUTLS_PK_RSA, 1024, GNUTLS_DIG_SHA256, false},
        {"RSA of 2000 bits", GNUTLS_PK_RSA, 2000, GNUTLS_DIG_SHA256, false},
        {"ECDSA on P-256", GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1),
         GNUTLS_DIG_SHA256, true},
        {"signed with SHA-1", GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1),
         GNUTLS_DIG_SHA1, false},
    };
    struct tls_trust *trust;
    struct tls_reason reason = {.text = why, .size = sizeof why};
    must(tls_trust_load(path_of("ca.pem"), NULL, &trust, reason) == ERR_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        gnutls_x509_crt_t crt = weak_certificate(rows[i].kind, rows[i].bits, rows[i].digest);
        int alert;
        const char *text = "";
        bool accepted = tls_trust_accepts(trust, &crt, 1, GNUTLS_KP_TLS_WWW_CLIENT, &alert, &text);
        ok(accepted == rows[i].accepted, "a key or signature: %s: %s", rows[i].what,
           accepted ? "accepted" : text);
        gnutls_x509_crt_deinit(crt);
    }
    tls_trust_free(trust);
}

/* A file of count certificates, the client's first. */
static void write_chain(const char *file, int count)
{
    gnutls_datum_t leaf = load_object("client", ".pem"), other = load_object("ca", ".pem");
    char *text = check_alloc(leaf.size + (size_t)count * other.size), *end = text;
    end = mempcpy(end, leaf.data, leaf.size);
    for (int i = 1; i < count; i++)
        end = mempcpy(end, other.data, other.size);
    write_file(file, text, (size_t)(end - text));
    gnutls_free(leaf.data);
    gnutls_free(other.data);
    free(text);
}

static void test_long_chain(void)
{
    struct tls_options client = options_for(TLS_CLIENT, "client"),
                       server = options_for(TLS_SERVER, "server");
    write_chain("long.pem", TLS_CHAIN_MAX + 1);
    client.cert = path_of("long.pem");
    expect("a chain of 17 certificates", client, server, ERR_TLS_HANDSHAKE, ERR_TLS_PEER_UNVERIFIED,
           "more than 16 certificates");
}

int main(void)
{
    make_certificates();
    test_authorities();
    test_weak();
    test_long_chain();
    test_revocation();
    test_old_list("x", "y");
    test_old_list("z", "y");
    test_forged_list();
    test_list_expires();
    test_pins();
    test_pinned_expires();
    test_allow();
    test_reload();
    test_resumption();
    test_threads();
    message_cache_clear();
    return tap_done();
}
