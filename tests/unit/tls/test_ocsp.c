/* OCSP responses: our own, and what a peer staples. They are made with openssl, because GnuTLS's
 * ocsptool can sign none. */
#include <gnutls/abstract.h>
#include <sys/wait.h>

#include "tests/unit/tls/clock.h"
#include "tests/unit/tls/pair.h"
#include "tls/session_private.h"

static char why[1024];

static bool run(char *const *arguments)
{
    fflush(stdout); /* else the child writes it too */
    pid_t child = fork();
    must(child >= 0);
    if (child == 0) {
        must(freopen("/dev/null", "w", stderr) && freopen("/dev/null", "w", stdout));
        execve("/usr/bin/openssl", arguments, (char *[]){NULL});
        _exit(127);
    }
    int status;
    must(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static char *string(const char *path)
{
    return (char *)(uintptr_t)path;
}

/* A response about file.pem of ca, signed by signer, in name; status "V" or "R". */
static bool respond(const char *name, const char *file, const char *ca, const char *signer,
                    char status)
{
    char line[256], pem[80], ca_pem[80], signer_pem[80], signer_key[80];
    unsigned char serial[32];
    size_t size = sizeof serial;
    gnutls_x509_crt_t crt = load_certificate(file);
    must(gnutls_x509_crt_get_serial(crt, serial, &size) == 0 && size == 4);
    gnutls_x509_crt_deinit(crt);
    int length =
        snprintf(line, sizeof line, "%c\t491231000000Z\t%s\t%02X%02X%02X%02X\tunknown\t/CN=x\n",
                 status, status == 'R' ? "250101000000Z,keyCompromise" : "", serial[0], serial[1],
                 serial[2], serial[3]);
    write_file("index.txt", line, (size_t)length);
    snprintf(pem, sizeof pem, "%s.pem", file);
    snprintf(ca_pem, sizeof ca_pem, "%s.pem", ca);
    snprintf(signer_pem, sizeof signer_pem, "%s.pem", signer);
    snprintf(signer_key, sizeof signer_key, "%s.key", signer);
    remove_at_exit(name);
    return run((char *[]){string("openssl"),     string("ocsp"),
                          string("-index"),      string(path_of("index.txt")),
                          string("-CA"),         string(path_of(ca_pem)),
                          string("-rsigner"),    string(path_of(signer_pem)),
                          string("-rkey"),       string(path_of(signer_key)),
                          string("-issuer"),     string(path_of(ca_pem)),
                          string("-cert"),       string(path_of(pem)),
                          string("-ndays"),      string("2"),
                          string("-noverify"),   string("-respout"),
                          string(path_of(name)), NULL});
}

static void refuses_to_load(struct tls_options options, const char *words)
{
    struct tls_credentials *credentials;
    why[0] = 0;
    enum err result = tls_credentials_new(&options, &credentials, why, sizeof why);
    ok(result == ERR_TLS_CREDENTIALS && strstr(why, words), "%s", why);
}

static void test_own(void)
{
    struct tls_options options = options_for(TLS_SERVER, "server");
    options.staple = path_of("good.der");
    struct tls_credentials *credentials = load_credentials(options);
    size_t count;
    const char *const *files = tls_credentials_files(credentials, &count);
    ok(count == 4 && strcmp(files[3], options.staple) == 0, "the response is a file to watch");
    tls_credentials_unref(credentials);
    gnutls_datum_t der, text;
    must(gnutls_load_file(path_of("good.der"), &der) == 0);
    must(gnutls_pem_base64_encode2("OCSP RESPONSE", &der, &text) == 0);
    write_file("good.pem", text.data, text.size);
    gnutls_free(der.data);
    gnutls_free(text.data);
    options.staple = path_of("good.pem");
    tls_credentials_unref(load_credentials(options));
    ok(true, "and may be PEM");
    options.staple = path_of("revoked.der");
    refuses_to_load(options,
                    "revoked.der cannot be stapled to our certificate: the OCSP response says");
    options.staple = path_of("other.der");
    refuses_to_load(options, "is for another certificate");
    options.staple = path_of("ca.pem");
    refuses_to_load(options, "no usable OCSP response");
    options.staple = path_of("nowhere.der");
    refuses_to_load(options, "No such file");
    options.staple = path_of("good.der");
    clock_shift = 3 * DAY;
    refuses_to_load(options, "has expired");
    clock_shift = -1 * DAY + 7200;
    refuses_to_load(options, "not valid yet");
    clock_shift = 0;
    options = options_for(TLS_SERVER, "server");
    options.ca = NULL;
    options.rules.ocsp = TLS_OCSP_REQUIRE;
    options.pins = (const char *const[]){
        "sha256:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"};
    options.pin_count = 1;
    refuses_to_load(options, "need a CA");
}

/* The certificate, and a CA behind it that has nothing to do with it: ours would be left out. */
static void pad(struct tls_credentials *credentials)
{
    struct authority server = load_authority("server"), ca = load_authority("ca2");
    gnutls_pcert_st chain[2];
    gnutls_privkey_t key;
    must(gnutls_pcert_import_x509(&chain[0], server.crt, 0) == 0);
    must(gnutls_pcert_import_x509(&chain[1], ca.crt, 0) == 0);
    must(gnutls_privkey_init(&key) == 0);
    must(gnutls_privkey_import_x509(key, server.key, GNUTLS_PRIVKEY_IMPORT_COPY) == 0);
    gnutls_certificate_free_credentials(credentials->x509);
    must(gnutls_certificate_allocate_credentials(&credentials->x509) == 0);
    must(gnutls_certificate_set_key(credentials->x509, NULL, 0, chain, 2, key) >= 0);
    free_authority(&server);
    free_authority(&ca);
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

/* Staples any response, also one that tls_credentials_new would refuse. */
static void staple(struct tls_credentials *credentials, const char *name)
{
    gnutls_datum_t der;
    must(gnutls_load_file(path_of(name), &der) == 0);
    gnutls_certificate_set_flags(credentials->x509, GNUTLS_CERTIFICATE_SKIP_OCSP_RESPONSE_CHECK);
    must(gnutls_certificate_set_ocsp_status_request_mem(credentials->x509, &der, 0,
                                                        GNUTLS_X509_FMT_DER) >= 0);
    gnutls_free(der.data);
}

struct outcome {
    const char *what;
    const char *server_cert;
    const char *server_staple, *client_staple; /* NULL: none */
    bool client_requires, server_requires, is_padded;
    const char *words; /* of the end that refuses; NULL: nobody does */
    bool server_refuses;
};

static const struct outcome outcomes[] = {
    {.what = "no response, none required"},
    {.what = "a good response of the server", .server_staple = "good.der"},
    {.what = "the same, required", .server_staple = "good.der", .client_requires = true},
    {.what = "no response of the server, required",
     .client_requires = true,
     .words = "no OCSP response"},
    {.what = "a server that is revoked, says its own response",
     .server_staple = "revoked.der",
     .words = "the OCSP response says that it is revoked"},
    {.what = "signed by another CA than that of the certificate",
     .server_staple = "other-ca.der",
     .words = "not signed by its CA"},
    {.what = "signed by a CA that the peer has put into its chain",
     .is_padded = true,
     .server_staple = "other-ca.der",
     .words = "not signed by its CA"},
    {.what = "signed by a certificate that may not",
     .server_staple = "by-client.der",
     .words = "not signed by its CA"},
    {.what = "a good response of the client", .client_staple = "client.der"},
    {.what = "the same, required", .client_staple = "client.der", .server_requires = true},
    {.what = "no response of the client, required",
     .server_requires = true,
     .words = "no OCSP response",
     .server_refuses = true},
    {.what = "a client that is revoked, says its own response",
     .client_staple = "client-revoked.der",
     .words = "the OCSP response says that it is revoked",
     .server_refuses = true},
    {.what = "a certificate that promises a response, without one",
     .server_cert = "must-staple",
     .words = "no OCSP response"},
    {.what = "a certificate that promises a response, with one",
     .server_cert = "must-staple",
     .server_staple = "must-staple.der"},
};

static void test_outcome(const struct outcome *outcome)
{
    struct tls_options client_options = options_for(TLS_CLIENT, "client"),
                       server_options = options_for(
                           TLS_SERVER, outcome->server_cert ? outcome->server_cert : "server");
    client_options.rules.ocsp = outcome->client_requires ? TLS_OCSP_REQUIRE : TLS_OCSP_IF_STAPLED;
    server_options.rules.ocsp = outcome->server_requires ? TLS_OCSP_REQUIRE : TLS_OCSP_IF_STAPLED;
    struct tls_credentials *client = load_credentials(client_options),
                           *server = load_credentials(server_options);
    if (outcome->is_padded)
        pad(server);
    if (outcome->server_staple)
        staple(server, outcome->server_staple);
    if (outcome->client_staple)
        staple(client, outcome->client_staple);
    struct pair pair;
    open_master(&pair, client, server, NULL);
    enum err at_client = result_at(&pair.client), at_server = result_at(&pair.server);
    unsigned shown = 0;
    gnutls_certificate_get_peers(pair.client.session->gnutls, &shown);
    ok(shown == (outcome->is_padded ? 2 : 1), "  the server shows %u certificates", shown);
    struct end *refuser = outcome->server_refuses ? &pair.server : &pair.client;
    if (!outcome->words)
        ok(at_client == ERR_OK && at_server == ERR_OK, "%s: accepted (%s%s)", outcome->what,
           tls_session_detail(pair.client.session), tls_session_detail(pair.server.session));
    else
        ok((outcome->server_refuses ? at_server : at_client) == ERR_TLS_PEER_UNVERIFIED &&
               at_client != ERR_OK && at_server != ERR_OK &&
               strstr(tls_session_detail(refuser->session), outcome->words),
           "%s: %s", outcome->what, tls_session_detail(refuser->session));
    free_pair(&pair);
    tls_credentials_unref(client);
    tls_credentials_unref(server);
}

/* GnuTLS staples nothing that it knows to have expired: that is then missing. */
static void test_expired(bool is_required)
{
    struct tls_options client_options = options_for(TLS_CLIENT, "client"),
                       server_options = options_for(TLS_SERVER, "server");
    client_options.rules.ocsp = is_required ? TLS_OCSP_REQUIRE : TLS_OCSP_IF_STAPLED;
    server_options.staple = path_of("good.der");
    struct tls_credentials *client = load_credentials(client_options),
                           *server = load_credentials(server_options);
    struct pair pair;
    clock_shift = 3 * DAY;
    open_master(&pair, client, server, NULL);
    enum err result = result_at(&pair.client);
    ok(result == (is_required ? ERR_TLS_PEER_UNVERIFIED : ERR_OK),
       "a response that has expired since it was loaded, %srequired: %s (%s)",
       is_required ? "" : "not ", err_name(result), tls_session_detail(pair.client.session));
    free_pair(&pair);
    clock_shift = 0;
    tls_credentials_unref(client);
    tls_credentials_unref(server);
}

/* The response is in the ticket: a resumed master is judged by it. */
static void test_resumption(enum tls_ocsp policy, bool is_old, enum err expected)
{
    struct tls_options client_options = options_for(TLS_CLIENT, "client"),
                       server_options = options_for(TLS_SERVER, "server");
    server_options.rules.ocsp = policy;
    client_options.staple = path_of("client.der");
    client_options.rules.ticket_lifetime_s = server_options.rules.ticket_lifetime_s = 7 * DAY;
    struct tls_credentials *client = load_credentials(client_options),
                           *server = load_credentials(server_options);
    struct pair pair, child;
    must(open_master(&pair, client, server, NULL));
    struct tls_generation *cg = tls_session_generation(pair.client.session),
                          *sg = tls_session_generation(pair.server.session);
    struct tls_ticket *ticket = tls_session_take_ticket(pair.client.session);
    bool is_open = open_child(&child, client, cg, server, sg);
    ok(is_open && tls_session_is_resumed(child.server.session), "a child is resumed");
    free_pair(&child);
    free_pair(&pair);
    clock_shift = is_old ? 3 * DAY : 0;
    is_open = open_master(&pair, client, server, ticket);
    enum err result = result_at(&pair.server);
    ok(result == expected && (result != ERR_OK || tls_session_is_resumed(pair.server.session)),
       "a master is resumed with %s response, %s: %s (%s)", is_old ? "an old" : "a good",
       policy == TLS_OCSP_REQUIRE ? "required" : "not required", err_name(result),
       tls_session_detail(pair.server.session));
    free_pair(&pair);
    clock_shift = 0;
    tls_generation_unref(cg);
    tls_generation_unref(sg);
    tls_credentials_unref(client);
    tls_credentials_unref(server);
}

int main(void)
{
    if (access("/usr/bin/openssl", X_OK) != 0) {
        tap_skip("OCSP responses", "there is no /usr/bin/openssl to sign them");
        return tap_done();
    }
    make_certificates();
    struct authority ca = load_authority("ca");
    issue(&ca, &(struct certificate_spec){.file = "must-staple",
                                          .cn = "server.example",
                                          .dns = "server.example",
                                          .must_staple = true});
    free_authority(&ca);
    ok(respond("good.der", "server", "ca", "ca", 'V') &&
           respond("revoked.der", "server", "ca", "ca", 'R') &&
           respond("other.der", "client", "ca", "ca", 'V') &&
           respond("client.der", "client", "ca", "ca", 'V') &&
           respond("client-revoked.der", "client", "ca", "ca", 'R') &&
           respond("must-staple.der", "must-staple", "ca", "ca", 'V') &&
           respond("other-ca.der", "server", "ca", "ca2", 'V') &&
           respond("by-client.der", "server", "ca", "client", 'V'),
       "responses are made");
    test_own();
    for (size_t i = 0; i < sizeof outcomes / sizeof outcomes[0]; i++)
        test_outcome(&outcomes[i]);
    test_expired(false);
    test_expired(true);
    test_resumption(TLS_OCSP_REQUIRE, false, ERR_OK);
    test_resumption(TLS_OCSP_REQUIRE, true, ERR_TLS_PEER_UNVERIFIED);
    test_resumption(TLS_OCSP_IF_STAPLED, true, ERR_OK);
    message_cache_clear();
    return tap_done();
}
