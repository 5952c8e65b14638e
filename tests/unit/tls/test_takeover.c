/* When a session's records are taken over from GnuTLS, and when GnuTLS has to go on with them: what
 * GnuTLS tells is believed only where it fits. */
#include <dlfcn.h>

#include "tests/unit/tls/mixed.h"

/* ---- what GnuTLS tells, through functions of ours that take the place of its own ---- */

static enum { TRUTH, NO_CLIENT, NO_SERVER, NOTHING, SWAPPED, ONE_BIT, SHORTER, LONGER } told;
static gnutls_keylog_func on_secret;
static int fips_mode;

static const char client_label[] = "CLIENT_TRAFFIC_SECRET_0",
                  server_label[] = "SERVER_TRAFFIC_SECRET_0";

static int tell(gnutls_session_t session, const char *label, const gnutls_datum_t *secret)
{
    bool of_client = strcmp(label, client_label) == 0, of_server = strcmp(label, server_label) == 0;
    uint8_t other[128] = {0};
    gnutls_datum_t changed = {other, secret->size};
    must(secret->size <= sizeof other / 2);
    memcpy(other, secret->data, secret->size);
    if (!of_client && !of_server)
        return on_secret(session, label, secret);
    switch (told) {
    case NO_CLIENT:
        return of_client ? 0 : on_secret(session, label, secret);
    case NO_SERVER:
        return of_server ? 0 : on_secret(session, label, secret);
    case NOTHING:
        return 0;
    case SWAPPED:
        return on_secret(session, of_client ? server_label : client_label, secret);
    case ONE_BIT:
        other[secret->size - 1] ^= of_server;
        break;
    case SHORTER:
        changed.size -= of_client;
        break;
    case LONGER:
        changed.size = sizeof other;
        break;
    case TRUTH:
        break;
    }
    return on_secret(session, label, &changed);
}

void gnutls_session_set_keylog_function(gnutls_session_t session, gnutls_keylog_func function)
{
    static void (*real)(gnutls_session_t, gnutls_keylog_func);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "gnutls_session_set_keylog_function");
    if (told != TRUTH && function)
        on_secret = function; /* also GnuTLS's own, of a session that is not prepared yet */
    real(session, told != TRUTH && function ? tell : function);
}

unsigned gnutls_fips140_mode_enabled(void)
{
    return (unsigned)fips_mode;
}

/* ---- */

static uint8_t pattern[TLS_RECORD_PLAIN_MAX];

static bool passes(struct end *from, struct end *to, size_t length)
{
    const uint8_t *data;
    size_t got, at = 0;
    must(tls_session_write(from->session, pattern, length) == ERR_OK);
    deliver(from, to);
    while (tls_session_read(to->session, &data, &got) == ERR_OK && at + got <= length) {
        if (memcmp(data, pattern + at, got) != 0)
            return false;
        at += got;
    }
    return at == length;
}

static bool passes_both_ways(struct mixed *mixed)
{
    return passes(mixed->ours, mixed->gnutls, sizeof pattern) &&
           passes(mixed->gnutls, mixed->ours, sizeof pattern);
}

static void test_secrets(struct bed *bed, bool ours_is_server)
{
    static const char *const what[] = {
        [NO_CLIENT] = "without the client's secret",
        [NO_SERVER] = "without the server's secret",
        [NOTHING] = "without any secret",
        [SWAPPED] = "with the two secrets swapped",
        [ONE_BIT] = "with a bit of one secret changed",
        [SHORTER] = "with a secret that is too short",
        [LONGER] = "with secrets that are too long",
    };
    struct mixed mixed;
    for (told = NO_CLIENT; told <= LONGER; told++) {
        start_mixed(&mixed, bed, ours_is_server);
        must(shake(&mixed.pair));
        ok(tls_session_is_left_to_gnutls(mixed.ours->session) &&
               !mixed.ours->session->established && passes_both_ways(&mixed),
           "a %s %s stays with GnuTLS", ours_is_server ? "server" : "client", what[told]);
        must(tls_session_rekey(mixed.ours->session) == ERR_OK);
        must(passes_both_ways(&mixed));
        free_pair(&mixed.pair);
    }
    told = TRUTH;
    open_mixed(&mixed, bed, ours_is_server);
    ok(passes_both_ways(&mixed) && tls_session_records(mixed.ours->session) == TLS_RECORDS_OWN &&
           tls_session_records(mixed.gnutls->session) == TLS_RECORDS_GNUTLS,
       "with both it does not need GnuTLS");
    free_pair(&mixed.pair);
}

/* RFC 8449: the peer's limit holds for the records that we send. */
static void test_limit(struct bed *bed, bool ours_is_server)
{
    struct mixed mixed;
    start_mixed(&mixed, bed, ours_is_server);
    must(gnutls_record_set_max_recv_size(gnutls_of(&mixed), 1024) == 0);
    must(shake(&mixed.pair));
    ok(mixed.ours->session->gnutls && passes_both_ways(&mixed),
       "a %s whose peer wants short records stays with GnuTLS",
       ours_is_server ? "server" : "client");
    free_pair(&mixed.pair);
}

static void test_fips(struct bed *bed)
{
    struct mixed mixed;
    fips_mode = 1;
    start_mixed(&mixed, bed, true);
    fips_mode = 0;
    must(shake(&mixed.pair));
    ok(mixed.ours->session->gnutls && passes_both_ways(&mixed), "in FIPS mode GnuTLS does it all");
    free_pair(&mixed.pair);
}

/* By the credentials: at one end only. */
static void test_option(enum tls_role role)
{
    struct tls_options client = options_for(TLS_CLIENT, "client"),
                       server = options_for(TLS_SERVER, "server");
    struct bed bed;
    struct pair child;
    *(role == TLS_CLIENT ? &client.rules.records : &server.rules.records) = TLS_RECORDS_GNUTLS;
    bed.client = load_credentials(client);
    bed.server = load_credentials(server);
    open_association(&bed.a, bed.client, bed.server, NULL);
    must(open_child(&child, bed.client, bed.a.client, bed.server, bed.a.server));
    struct end *by_gnutls = role == TLS_CLIENT ? &child.client : &child.server,
               *own = role == TLS_CLIENT ? &child.server : &child.client;
    ok(tls_session_records(by_gnutls->session) == TLS_RECORDS_GNUTLS &&
           !tls_session_is_left_to_gnutls(by_gnutls->session) &&
           tls_session_records(own->session) == TLS_RECORDS_OWN && carries_data(&child),
       "a %s that is told to leaves records to GnuTLS", role == TLS_CLIENT ? "client" : "server");
    free_pair(&child);
    close_bed(&bed);
}

int main(void)
{
    make_certificates();
    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] = (uint8_t)(i * 31 >> 3 | 1);
    for (size_t i = 0; i < 2; i++) { /* SHA-256 and SHA-384 */
        struct bed bed;
        open_bed(&bed, ciphers[i]);
        test_secrets(&bed, false);
        test_secrets(&bed, true);
        test_limit(&bed, false);
        test_limit(&bed, true);
        test_fips(&bed);
        close_bed(&bed);
    }
    test_option(TLS_CLIENT);
    test_option(TLS_SERVER);
    message_cache_clear();
    return tap_done();
}
