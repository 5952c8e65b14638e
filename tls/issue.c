/* tls/issue.c: makes certificate authorities, certificates and raw key pairs. */
#include "tls/issue.h"

#include <arpa/inet.h>
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "tls/identity.h"
#include "tls/wipe.h"

/* A certificate made just now must be valid on hosts whose clocks are a little behind. */
#define BACKDATED_S 3600

struct tls_issue {
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t cert;
    gnutls_datum_t key_pem, cert_pem;
    time_t expires;
};

/* 127 random bits: positive, and long enough never to meet twice (RFC 5280 section 4.1.2.2). */
static void set_serial(gnutls_x509_crt_t cert)
{
    unsigned char serial[16];
    must(gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof serial) == 0);
    serial[0] = (serial[0] & 0x7f) | 0x40;
    check_made(gnutls_x509_crt_set_serial(cert, serial, sizeof serial) == 0);
}

/* A new key, and the parts that every certificate has. */
static int make_cert(struct tls_issue *issue, const char *name, unsigned days)
{
    unsigned char id[64];
    size_t size = sizeof id;
    time_t now = time(NULL);
    issue->expires = now + (time_t)days * 24 * 3600;
    check_made(gnutls_x509_privkey_init(&issue->key) == 0);
    check_made(gnutls_x509_crt_init(&issue->cert) == 0);
    check_made(gnutls_x509_crt_set_version(issue->cert, 3) == 0);
    set_serial(issue->cert);
    int rc = gnutls_x509_privkey_generate(issue->key, GNUTLS_PK_ECDSA,
                                          GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
    if (rc >= 0)
        rc = gnutls_x509_crt_set_activation_time(issue->cert, now - BACKDATED_S);
    if (rc >= 0)
        rc = gnutls_x509_crt_set_expiration_time(issue->cert, issue->expires);
    if (rc >= 0)
        rc = gnutls_x509_crt_set_dn_by_oid(issue->cert, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                           (unsigned)strlen(name));
    if (rc >= 0)
        rc = gnutls_x509_crt_set_key(issue->cert, issue->key);
    if (rc >= 0)
        rc = gnutls_x509_crt_get_key_id(issue->cert, GNUTLS_KEYID_USE_SHA1, id, &size);
    return rc < 0 ? rc : gnutls_x509_crt_set_subject_key_id(issue->cert, id, size);
}

/* An address, a URI, else a DNS name. */
static int add_host(gnutls_x509_crt_t cert, const char *host)
{
    unsigned char address[16];
    int is_v6 = inet_pton(AF_INET6, host, address) == 1;
    if (is_v6 || inet_pton(AF_INET, host, address) == 1)
        return gnutls_x509_crt_set_subject_alt_name(cert, GNUTLS_SAN_IPADDRESS, address,
                                                    is_v6 ? 16 : 4, GNUTLS_FSAN_APPEND);
    return gnutls_x509_crt_set_subject_alt_name(
        cert, strstr(host, "://") ? GNUTLS_SAN_URI : GNUTLS_SAN_DNSNAME, host,
        (unsigned)strlen(host), GNUTLS_FSAN_APPEND);
}

static int sign(struct tls_issue *issue, const struct tls_issue *signer)
{
    unsigned char id[64];
    size_t size = sizeof id;
    int rc = gnutls_x509_crt_get_subject_key_id(signer->cert, id, &size, NULL);
    if (rc >= 0)
        rc = gnutls_x509_crt_set_authority_key_id(issue->cert, id, size);
    if (rc >= 0)
        rc = gnutls_x509_crt_sign2(issue->cert, signer->cert, signer->key, GNUTLS_DIG_SHA256, 0);
    if (rc >= 0)
        rc = gnutls_x509_crt_export2(issue->cert, GNUTLS_X509_FMT_PEM, &issue->cert_pem);
    if (rc >= 0)
        rc = gnutls_x509_privkey_export2_pkcs8(issue->key, GNUTLS_X509_FMT_PEM, NULL,
                                               GNUTLS_PKCS_PLAIN, &issue->key_pem);
    return rc;
}

/* Hands issue out, or frees it and says why. */
static enum err finish(struct tls_issue *issue, int rc, const char *name, struct tls_issue **out,
                       char *why, size_t why_size)
{
    *out = rc < 0 ? NULL : issue;
    if (rc >= 0)
        return ERR_OK;
    snprintf(why, why_size, "cannot make the certificate of \"%s\": %s", name, gnutls_strerror(rc));
    tls_issue_free(issue);
    return ERR_TLS_CREDENTIALS;
}

enum err tls_issue_ca(const char *name, unsigned days, struct tls_issue **ca, char *why,
                      size_t why_size)
{
    struct tls_issue *issue = check_alloc(sizeof *issue);
    int rc = make_cert(issue, name, days);
    if (rc >= 0)
        rc = gnutls_x509_crt_set_basic_constraints(issue->cert, 1, 0);
    if (rc >= 0)
        rc = gnutls_x509_crt_set_key_usage(issue->cert,
                                           GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN);
    if (rc >= 0)
        rc = sign(issue, issue);
    return finish(issue, rc, name, ca, why, why_size);
}

enum err tls_issue_endpoint(const struct tls_issue *ca, const struct tls_issue_request *request,
                            struct tls_issue **endpoint, char *why, size_t why_size)
{
    struct tls_issue *issue = check_alloc(sizeof *issue);
    int rc = make_cert(issue, request->name, request->days);
    if (rc >= 0)
        rc = add_host(issue->cert, request->name);
    for (size_t i = 0; i < request->host_count && rc >= 0; i++)
        rc = add_host(issue->cert, request->hosts[i]);
    if (rc >= 0)
        rc = gnutls_x509_crt_set_basic_constraints(issue->cert, 0, -1);
    if (rc >= 0)
        rc = gnutls_x509_crt_set_key_usage(issue->cert, GNUTLS_KEY_DIGITAL_SIGNATURE);
    if (rc >= 0)
        rc = gnutls_x509_crt_set_key_purpose_oid(
            issue->cert,
            request->role == TLS_SERVER ? GNUTLS_KP_TLS_WWW_SERVER : GNUTLS_KP_TLS_WWW_CLIENT, 0);
    if (rc >= 0)
        rc = sign(issue, ca);
    return finish(issue, rc, request->name, endpoint, why, why_size);
}

void tls_issue_free(struct tls_issue *issue)
{
    if (!issue)
        return;
    tls_wipe_free(issue->key_pem.data, issue->key_pem.size);
    gnutls_free(issue->cert_pem.data);
    if (issue->cert)
        gnutls_x509_crt_deinit(issue->cert);
    if (issue->key)
        gnutls_x509_privkey_deinit(issue->key);
    free(issue);
}

/* GnuTLS ends PEM texts with a NUL that size does not count. */
const char *tls_issue_cert_pem(const struct tls_issue *issue)
{
    return (const char *)issue->cert_pem.data;
}

const char *tls_issue_key_pem(const struct tls_issue *issue)
{
    return (const char *)issue->key_pem.data;
}

time_t tls_issue_expires(const struct tls_issue *issue)
{
    return issue->expires;
}

static int describe(gnutls_x509_privkey_t private, struct tls_issue_pair *pair)
{
    gnutls_privkey_t key;
    gnutls_pubkey_t public;
    gnutls_datum_t der = {0}, text = {0};
    uint8_t pin[TLS_PIN_SIZE];
    check_made(gnutls_privkey_init(&key) == 0 && gnutls_pubkey_init(&public) == 0);
    int rc = gnutls_privkey_import_x509(key, private, 0);
    if (rc >= 0)
        rc = gnutls_pubkey_import_privkey(public, key, GNUTLS_KEY_DIGITAL_SIGNATURE, 0);
    if (rc >= 0)
        rc = gnutls_pubkey_export2(public, GNUTLS_X509_FMT_DER, &der);
    if (rc >= 0)
        rc = gnutls_base64_encode2(&der, &text);
    if (rc >= 0) {
        tls_pin_of(der.data, der.size, pin);
        tls_pin_format(pin, pair->pin);
        pair->public_key = check_strdup((const char *)text.data);
    }
    gnutls_free(der.data);
    gnutls_free(text.data);
    gnutls_pubkey_deinit(public);
    gnutls_privkey_deinit(key);
    return rc;
}

enum err tls_issue_pair(struct tls_issue_pair *pair, char *why, size_t why_size)
{
    gnutls_x509_privkey_t key;
    gnutls_datum_t pem = {0};
    memset(pair, 0, sizeof *pair);
    check_made(gnutls_x509_privkey_init(&key) == 0);
    int rc = gnutls_x509_privkey_generate(key, GNUTLS_PK_EDDSA_ED25519,
                                          GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_ED25519), 0);
    if (rc >= 0)
        rc = describe(key, pair);
    if (rc >= 0)
        rc = gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN,
                                               &pem);
    gnutls_x509_privkey_deinit(key);
    if (rc >= 0) {
        pair->key_pem = (char *)pem.data;
        return ERR_OK;
    }
    tls_issue_pair_clear(pair);
    snprintf(why, why_size, "cannot make a key: %s", gnutls_strerror(rc));
    return ERR_TLS_CREDENTIALS;
}

void tls_issue_pair_clear(struct tls_issue_pair *pair)
{
    tls_wipe_free(pair->key_pem, pair->key_pem ? strlen(pair->key_pem) : 0);
    free(pair->public_key);
    memset(pair, 0, sizeof *pair);
}
