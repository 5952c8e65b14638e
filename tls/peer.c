#include "tls/peer.h"

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "tls/known.h"
#include "tls/pin.h"
#include "tls/psk.h"
#include "tls/trust.h"

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

/* Whether a PSK was used in this handshake, or in that of the master. */
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
    const char *name = credentials->role == TLS_CLIENT ? tls_psk_chosen(credentials->psk)
                                                       : gnutls_psk_server_get_username(session);
    const uint8_t *proof = name ? tls_psk_proof(credentials->psk, name) : NULL;
    if (!proof || !has_used_psk(session))
        return NULL;
    struct tls_identity *identity = tls_identity_new(TLS_IDENTITY_PSK);
    tls_identity_set_label(identity, name, strlen(name));
    tls_identity_add_proof(identity, proof, TLS_PIN_SIZE);
    return identity;
}

struct tls_identity *tls_peer_shown(const struct tls_credentials *credentials,
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

struct tls_identity *tls_peer_shown_again(const struct tls_credentials *credentials,
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

static enum err name_certificate(struct tls_identity *identity, char *why, size_t why_size)
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
        snprintf(why, why_size, "the peer's certificate cannot be read: %s", gnutls_strerror(rc));
        gnutls_x509_crt_deinit(leaf);
        return ERR_TLS_PEER_UNVERIFIED;
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
    return ERR_OK;
}

static enum err name_raw_key(const struct tls_credentials *credentials,
                             struct tls_identity *identity, char *why, size_t why_size)
{
    uint8_t pin[TLS_PIN_SIZE];
    tls_pin_of(identity->proofs[0].data, identity->proofs[0].size, pin);
    const char *name = tls_known_name(credentials->known, pin);
    if (name)
        tls_identity_add_name(identity, TLS_NAME_KNOWN, name, strlen(name));
    tls_identity_set_pin(identity, pin);
    if (name)
        return ERR_OK;
    char known[TLS_NAME_MAX + TLS_PIN_TEXT_SIZE + 32];
    tls_known_describe(credentials->known, known, sizeof known);
    snprintf(why, why_size, "the peer's key is %s, which is not among the known keys (%s)",
             identity->label, known);
    return ERR_TLS_PEER_UNVERIFIED;
}

static enum err name_psk(const struct tls_credentials *credentials, struct tls_identity *identity,
                         char *why, size_t why_size)
{
    const uint8_t *proof = tls_psk_proof(credentials->psk, identity->label);
    const char *fault = !proof ? "there is no pre-shared key of that name"
                        : memcmp(proof, identity->proofs[0].data, TLS_PIN_SIZE) != 0
                            ? "its pre-shared key is another now"
                            : NULL;
    if (fault) {
        snprintf(why, why_size, "the peer is \"%s\": %s", identity->label, fault);
        return ERR_TLS_PEER_UNVERIFIED;
    }
    tls_identity_add_name(identity, TLS_NAME_KNOWN, identity->label, strlen(identity->label));
    return ERR_OK;
}

enum err tls_peer_name(const struct tls_credentials *credentials, struct tls_identity *identity,
                       char *why, size_t why_size)
{
    switch (identity->kind) {
    case TLS_IDENTITY_RAW_KEY:
        return name_raw_key(credentials, identity, why, why_size);
    case TLS_IDENTITY_PSK:
        return name_psk(credentials, identity, why, why_size);
    case TLS_IDENTITY_CERTIFICATE:
    case TLS_IDENTITY_PINNED:
        break;
    }
    return name_certificate(identity, why, why_size);
}
