/* tls/verify.c: names a peer by what it has shown, and accepts it or not. */
#include "tls/credentials_private.h"

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/quote.h"

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

static enum tls_identity_kind kind_of(const struct tls_credentials *credentials)
{
    switch (credentials->mode) {
    case TLS_MODE_RAW_KEYS:
        return TLS_IDENTITY_RAW_KEY;
    case TLS_MODE_PSK:
        return TLS_IDENTITY_PSK;
    case TLS_MODE_CERTIFICATES:
        break;
    }
    return credentials->trust ? TLS_IDENTITY_CERTIFICATE : TLS_IDENTITY_PINNED;
}

/* True if a PSK was used in this handshake, or in that of the master. */
static bool has_used_psk(gnutls_session_t session)
{
    switch (gnutls_kx_get(session)) {
    case GNUTLS_KX_ECDHE_PSK:
    case GNUTLS_KX_DHE_PSK:
    case GNUTLS_KX_PSK:
        return true;
    default:
        return gnutls_session_is_resumed(session);
    }
}

static struct tls_identity *show_psk(const struct tls_credentials *credentials,
                                     gnutls_session_t session)
{
    const char *name = credentials->rules.role == TLS_CLIENT
                           ? tls_psk_chosen(credentials->psk)
                           : gnutls_psk_server_get_username(session);
    const struct tls_known_key *key =
        name ? tls_known_keys_find(credentials->known, name, strlen(name)) : NULL;
    if (!key || !has_used_psk(session))
        return NULL;
    struct tls_identity *identity = tls_identity_new(TLS_IDENTITY_PSK);
    tls_identity_set_label(identity, name, strlen(name));
    tls_identity_add_proof(identity, key->pin, sizeof key->pin);
    return identity;
}

static struct tls_identity *show(const struct tls_credentials *credentials,
                                 struct gnutls_session_int *session)
{
    if (credentials->mode == TLS_MODE_PSK)
        return show_psk(credentials, session);
    unsigned count = 0;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);
    gnutls_certificate_type_t wanted =
        credentials->mode == TLS_MODE_RAW_KEYS ? GNUTLS_CRT_RAWPK : GNUTLS_CRT_X509;
    if (!chain || !count || gnutls_certificate_type_get2(session, GNUTLS_CTYPE_PEERS) != wanted)
        return NULL;
    struct tls_identity *identity = tls_identity_new(kind_of(credentials));
    for (unsigned i = 0; i < count && i <= TLS_CHAIN_MAX; i++)
        tls_identity_add_proof(identity, chain[i].data, chain[i].size);
    return identity;
}

static bool is_certificate(enum tls_identity_kind kind)
{
    return kind == TLS_IDENTITY_CERTIFICATE || kind == TLS_IDENTITY_PINNED;
}

static struct tls_identity *show_again(const struct tls_credentials *credentials,
                                       const struct tls_identity *identity)
{
    enum tls_identity_kind kind = kind_of(credentials);
    if (kind != identity->kind && !(is_certificate(kind) && is_certificate(identity->kind)))
        return NULL;
    struct tls_identity *again = tls_identity_new(kind);
    if (kind == TLS_IDENTITY_PSK)
        tls_identity_set_label(again, identity->label, strlen(identity->label));
    for (size_t i = 0; i < identity->proof_count; i++)
        tls_identity_add_proof(again, identity->proofs[i].data, identity->proofs[i].size);
    return again;
}

static void add_address(struct tls_identity *identity, const char *bytes, size_t size)
{
    char text[INET6_ADDRSTRLEN];
    if ((size == 4 || size == 16) &&
        inet_ntop(size == 4 ? AF_INET : AF_INET6, bytes, text, sizeof text))
        tls_identity_add_name(identity, TLS_NAME_IP, text, strlen(text));
}

/* Returns whether the certificate has any alternative name, one that we understand or not. */
static bool add_alternative_names(struct tls_identity *identity, gnutls_x509_crt_t leaf)
{
    char name[TLS_NAME_MAX];
    bool has_any = false;
    for (unsigned i = 0; i < 4 * TLS_IDENTITY_NAMES_MAX; i++) {
        size_t size = sizeof name;
        int type = gnutls_x509_crt_get_subject_alt_name(leaf, i, name, &size, NULL);
        if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
            break;
        has_any = true;
        if (type == GNUTLS_SAN_DNSNAME)
            tls_identity_add_name(identity, TLS_NAME_DNS, name, size);
        else if (type == GNUTLS_SAN_URI)
            tls_identity_add_name(identity, TLS_NAME_URI, name, size);
        else if (type == GNUTLS_SAN_IPADDRESS)
            add_address(identity, name, size);
    }
    return has_any;
}

static void name_certificate(struct tls_identity *identity, struct tls_verdict *verdict)
{
    uint8_t pin[TLS_PIN_SIZE];
    char name[TLS_NAME_MAX];
    size_t size = sizeof pin;
    gnutls_datum_t der = {identity->proofs[0].data, (unsigned)identity->proofs[0].size};
    gnutls_x509_crt_t leaf;
    check_made(gnutls_x509_crt_init(&leaf) == 0);
    int rc = gnutls_x509_crt_import(leaf, &der, GNUTLS_X509_FMT_DER);
    if (rc >= 0)
        rc = gnutls_x509_crt_get_key_id(leaf, GNUTLS_KEYID_USE_SHA256, pin, &size);
    if (rc < 0) {
        refuse(verdict, ERR_TLS_PEER_UNVERIFIED, GNUTLS_A_CERTIFICATE_UNKNOWN,
               "the peer's certificate cannot be read: %s", gnutls_strerror(rc));
        gnutls_x509_crt_deinit(leaf);
        return;
    }
    /* Nobody vouches for what a certificate says that is known by its key alone. */
    if (identity->kind == TLS_IDENTITY_CERTIFICATE) {
        bool has_names = add_alternative_names(identity, leaf);
        size = sizeof name;
        rc = gnutls_x509_crt_get_dn_by_oid(leaf, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name, &size);
        if (rc >= 0 && has_names)
            tls_identity_set_label(identity, name, size);
        else if (rc >= 0)
            tls_identity_add_name(identity, TLS_NAME_COMMON, name, size);
    }
    tls_identity_set_pin(identity, pin);
    gnutls_x509_crt_deinit(leaf);
}

static void name_raw_key(const struct tls_credentials *credentials, struct tls_identity *identity,
                         struct tls_verdict *verdict)
{
    uint8_t pin[TLS_PIN_SIZE];
    tls_pin_of(identity->proofs[0].data, identity->proofs[0].size, pin);
    const char *name = tls_known_keys_name(credentials->known, pin);
    if (name)
        tls_identity_add_name(identity, TLS_NAME_KNOWN, name, strlen(name));
    tls_identity_set_pin(identity, pin);
    if (name)
        return;
    char known[TLS_NAME_MAX + TLS_PIN_TEXT_SIZE + 32];
    tls_known_keys_describe(credentials->known, known, sizeof known);
    refuse(verdict, ERR_TLS_PEER_UNVERIFIED, GNUTLS_A_CERTIFICATE_UNKNOWN,
           "the peer's key is %s, which is not among the known keys (%s)", identity->label, known);
}

static void name_psk(const struct tls_credentials *credentials, struct tls_identity *identity,
                     struct tls_verdict *verdict)
{
    const char *name = identity->label;
    const struct tls_known_key *key = tls_known_keys_find(credentials->known, name, strlen(name));
    if (key && memcmp(key->pin, identity->proofs[0].data, TLS_PIN_SIZE) == 0)
        tls_identity_add_name(identity, TLS_NAME_KNOWN, name, strlen(name));
    else
        refuse(verdict, ERR_TLS_PEER_UNVERIFIED, GNUTLS_A_CERTIFICATE_UNKNOWN,
               "the peer is \"%s\": %s", name,
               key ? "its pre-shared key has changed" : "there is no pre-shared key of that name");
}

void tls_verify_name(const struct tls_credentials *credentials, struct tls_identity *identity,
                     struct tls_verdict *verdict)
{
    if (identity->kind == TLS_IDENTITY_RAW_KEY)
        name_raw_key(credentials, identity, verdict);
    else if (identity->kind == TLS_IDENTITY_PSK)
        name_psk(credentials, identity, verdict);
    else
        name_certificate(identity, verdict);
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
    if (credentials->rules.role == TLS_CLIENT) {
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

/* Describes a certificate so that a person finds it: every name, pin, issuer. */
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
        credentials->rules.role == TLS_CLIENT ? GNUTLS_KP_TLS_WWW_SERVER : GNUTLS_KP_TLS_WWW_CLIENT;
    int alert;
    const char *text;
    char seen[TLS_NAME_MAX * 2];
    describe(identity, chain[0], seen, sizeof seen);
    if (!credentials->trust)
        check_dates(chain[0], seen, verdict);
    else if (!tls_trust_accepts(credentials->trust, chain, count, purpose, &alert, &text) ||
             (session && !tls_ocsp_accepts(credentials->trust, credentials->rules.ocsp, session,
                                           chain, count, &alert, &text)))
        refuse(verdict, ERR_TLS_PEER_UNVERIFIED, alert, "the peer's certificate: %s (%s)", text,
               seen);
    if (verdict->err != ERR_OK || is_pinned(credentials, identity))
        return;
    tls_identity_describe(identity, seen, sizeof seen);
    refuse(verdict, ERR_TLS_PEER_UNVERIFIED, GNUTLS_A_CERTIFICATE_UNKNOWN,
           "the peer is %s; its key matches none of the pins (%zu)", seen, credentials->pin_count);
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
    tls_verify_name(credentials, identity, verdict);
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
    struct tls_identity *shown = show(credentials, session);
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
    struct tls_identity *shown = show_again(credentials, identity);
    if (shown)
        judge(credentials, shown, NULL, verdict);
    else
        refuse(verdict, ERR_TLS_PEER_UNVERIFIED, 0,
               "peers are now authenticated in another way (certificate, raw key, pre-shared key)");
}
