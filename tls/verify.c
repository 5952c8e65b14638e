#include "tls/verify.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/quote.h"
#include "tls/ocsp.h"
#include "tls/peer.h"
#include "tls/trust.h"

static void refuse(struct tls_verdict *verdict, enum err err, int alert, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static void refuse(struct tls_verdict *verdict, enum err err, int alert, const char *format, ...)
{
    verdict->err = err;
    verdict->alert = alert;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(verdict->detail, sizeof verdict->detail, format, arguments);
    va_end(arguments);
}

/* "a", "b", "c": cut where the text is full. */
static void list_allowed(const struct tls_credentials *credentials, char *text, size_t size)
{
    size_t used = 0;
    text[0] = 0;
    for (size_t i = 0; i < credentials->allow_count && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s\"%s\"", i ? ", " : "",
                                 credentials->allow[i]);
}

/* A host is compared with the certificate by GnuTLS: it knows of IDNA and of stars in them. */
static bool is_expected(const struct tls_credentials *credentials,
                        const struct tls_identity *identity, gnutls_x509_crt_t leaf)
{
    const char *peer = credentials->peer;
    bool is_host = !strstr(peer, "://") && !strchr(peer, '*') && strncmp(peer, "sha256:", 7) != 0;
    if (leaf && identity->kind == TLS_IDENTITY_CERTIFICATE && is_host)
        return gnutls_x509_crt_check_hostname(leaf, peer);
    return tls_identity_matches(identity, &peer, 1);
}

static void check_name(const struct tls_credentials *credentials,
                       const struct tls_identity *identity, gnutls_x509_crt_t leaf,
                       struct tls_verdict *verdict)
{
    char seen[TLS_NAME_MAX * 2], allowed[TLS_NAME_MAX];
    tls_identity_describe(identity, seen, sizeof seen);
    if (credentials->role == TLS_CLIENT) {
        if (credentials->peer && !is_expected(credentials, identity, leaf))
            refuse(verdict, ERR_TLS_PEER_NAME, GNUTLS_A_BAD_CERTIFICATE,
                   "the peer is %s; \"%s\" was expected", seen, credentials->peer);
    } else if (credentials->allow_count &&
               !tls_identity_matches(identity, (const char *const *)credentials->allow,
                                     credentials->allow_count)) {
        list_allowed(credentials, allowed, sizeof allowed);
        refuse(verdict, ERR_TLS_PEER_NAME, GNUTLS_A_ACCESS_DENIED, "the peer is %s; allowed is %s",
               seen, allowed);
    }
}

static bool is_pinned(const struct tls_credentials *credentials,
                      const struct tls_identity *identity)
{
    for (size_t i = 0; i < credentials->pin_count; i++) {
        if (memcmp(credentials->pins[i], identity->pin, TLS_PIN_SIZE) == 0)
            return true;
    }
    return !credentials->pin_count;
}

static void check_dates(gnutls_x509_crt_t leaf, const char *seen, struct tls_verdict *verdict)
{
    time_t now = time(NULL);
    if (now > gnutls_x509_crt_get_expiration_time(leaf) ||
        now < gnutls_x509_crt_get_activation_time(leaf))
        refuse(verdict, ERR_TLS_PEER_UNVERIFIED, GNUTLS_A_CERTIFICATE_EXPIRED,
               "the peer's certificate: it has expired or is not valid yet (%s)", seen);
}

/* Which certificate it was, so that a person finds it: every name, pin, issuer. */
static void describe(const struct tls_identity *identity, gnutls_x509_crt_t leaf, char *text,
                     size_t size)
{
    char issuer[TLS_NAME_MAX], quoted[QUOTE_ROOM(TLS_NAME_MAX)];
    size_t issuer_size = sizeof issuer;
    tls_identity_describe(identity, text, size);
    size_t used = strlen(text);
    if (gnutls_x509_crt_get_issuer_dn(leaf, issuer, &issuer_size) >= 0)
        snprintf(text + used, size - used, ", issued by %s",
                 quote_bytes(quoted, sizeof quoted, issuer, issuer_size));
}

/* session: NULL when there is none to ask for OCSP responses. */
static void check_chain(const struct tls_credentials *credentials,
                        const struct tls_identity *identity, gnutls_x509_crt_t *chain,
                        unsigned count, gnutls_session_t session, struct tls_verdict *verdict)
{
    const char *purpose =
        credentials->role == TLS_CLIENT ? GNUTLS_KP_TLS_WWW_SERVER : GNUTLS_KP_TLS_WWW_CLIENT;
    int alert;
    const char *text;
    char seen[TLS_NAME_MAX * 2];
    describe(identity, chain[0], seen, sizeof seen);
    if (!credentials->trust)
        check_dates(chain[0], seen, verdict);
    else if (!tls_trust_accepts(credentials->trust, chain, count, purpose, &alert, &text) ||
             (session && !tls_ocsp_accepts(credentials->trust, credentials->ocsp, session, chain,
                                           count, &alert, &text)))
        refuse(verdict, ERR_TLS_PEER_UNVERIFIED, alert, "the peer's certificate: %s (%s)", text,
               seen);
    if (verdict->err != ERR_OK || is_pinned(credentials, identity))
        return;
    tls_identity_describe(identity, seen, sizeof seen);
    refuse(verdict, ERR_TLS_PEER_UNVERIFIED, GNUTLS_A_CERTIFICATE_UNKNOWN,
           "the peer is %s; its key is none of the %zu pinned", seen, credentials->pin_count);
}

static int import_chain(const struct tls_identity *identity, gnutls_x509_crt_t *chain,
                        unsigned *count)
{
    int rc = 0;
    for (*count = 0; *count < identity->proof_count && rc >= 0; ++*count) {
        const struct tls_proof *proof = &identity->proofs[*count];
        gnutls_datum_t der = {proof->data, (unsigned)proof->size};
        check_made(gnutls_x509_crt_init(&chain[*count]) == 0);
        rc = gnutls_x509_crt_import(chain[*count], &der, GNUTLS_X509_FMT_DER);
    }
    return rc;
}

static void judge_certificate(const struct tls_credentials *credentials,
                              const struct tls_identity *identity, gnutls_session_t session,
                              struct tls_verdict *verdict)
{
    gnutls_x509_crt_t chain[TLS_CHAIN_MAX];
    unsigned count;
    if (identity->proof_count > TLS_CHAIN_MAX) {
        refuse(verdict, ERR_TLS_PEER_UNVERIFIED, GNUTLS_A_BAD_CERTIFICATE,
               "the peer's chain has more than %d certificates", TLS_CHAIN_MAX);
        return;
    }
    int rc = import_chain(identity, chain, &count);
    if (rc < 0)
        refuse(verdict, ERR_TLS_PEER_UNVERIFIED, GNUTLS_A_BAD_CERTIFICATE,
               "the peer's certificate cannot be read: %s", gnutls_strerror(rc));
    else
        check_chain(credentials, identity, chain, count, session, verdict);
    if (verdict->err == ERR_OK)
        check_name(credentials, identity, chain[0], verdict);
    for (unsigned i = 0; i < count; i++)
        gnutls_x509_crt_deinit(chain[i]);
}

/* Consumes identity. */
static void judge(const struct tls_credentials *credentials, struct tls_identity *identity,
                  gnutls_session_t session, struct tls_verdict *verdict)
{
    verdict->err = tls_peer_name(credentials, identity, verdict->detail, sizeof verdict->detail);
    verdict->alert = GNUTLS_A_CERTIFICATE_UNKNOWN;
    if (verdict->err == ERR_OK && credentials->mode == TLS_MODE_CERTIFICATES)
        judge_certificate(credentials, identity, session, verdict);
    else if (verdict->err == ERR_OK)
        check_name(credentials, identity, NULL, verdict);
    if (verdict->err == ERR_OK)
        verdict->identity = identity;
    else
        tls_identity_unref(identity);
}

void tls_verify_peer(const struct tls_credentials *credentials, gnutls_session_t session,
                     struct tls_verdict *verdict)
{
    memset(verdict, 0, sizeof *verdict);
    struct tls_identity *shown = tls_peer_shown(credentials, session);
    if (shown)
        judge(credentials, shown, session, verdict);
    else if (credentials->mode == TLS_MODE_PSK)
        refuse(verdict, ERR_TLS_PEER_UNVERIFIED, GNUTLS_A_UNKNOWN_PSK_IDENTITY,
               "the peer did not use a pre-shared key that we have");
    else
        refuse(verdict, ERR_TLS_NO_CERTIFICATE, GNUTLS_A_CERTIFICATE_REQUIRED,
               "the peer sent no %s",
               credentials->mode == TLS_MODE_RAW_KEYS ? "raw public key" : "certificate");
}

void tls_verify_again(const struct tls_credentials *credentials,
                      const struct tls_identity *identity, struct tls_verdict *verdict)
{
    memset(verdict, 0, sizeof *verdict);
    struct tls_identity *shown = tls_peer_shown_again(credentials, identity);
    if (shown)
        judge(credentials, shown, NULL, verdict);
    else
        refuse(verdict, ERR_TLS_PEER_UNVERIFIED, 0,
               "peers are known in another way now (certificate, raw key, pre-shared key)");
}
