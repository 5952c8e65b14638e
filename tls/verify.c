#include "tls/verify.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"

/* In the order in which a person should hear them. */
static const struct {
    unsigned status;
    int alert;
    const char *text;
} faults[] = {
    {GNUTLS_CERT_SIGNER_NOT_FOUND, GNUTLS_A_UNKNOWN_CA, "it is not signed by a CA that we trust"},
    {GNUTLS_CERT_SIGNER_NOT_CA, GNUTLS_A_UNKNOWN_CA, "its signer is not a CA"},
    {GNUTLS_CERT_EXPIRED, GNUTLS_A_CERTIFICATE_EXPIRED, "it has expired"},
    {GNUTLS_CERT_NOT_ACTIVATED, GNUTLS_A_CERTIFICATE_EXPIRED, "it is not valid yet"},
    {GNUTLS_CERT_REVOKED, GNUTLS_A_CERTIFICATE_REVOKED, "it is revoked"},
    {GNUTLS_CERT_PURPOSE_MISMATCH, GNUTLS_A_UNSUPPORTED_CERTIFICATE,
     "it is not meant for this role (extended key usage)"},
    {GNUTLS_CERT_INSECURE_ALGORITHM, GNUTLS_A_BAD_CERTIFICATE, "its algorithm is too weak"},
    {GNUTLS_CERT_SIGNATURE_FAILURE, GNUTLS_A_BAD_CERTIFICATE, "its signature is wrong"},
    {GNUTLS_CERT_SIGNER_CONSTRAINTS_FAILURE, GNUTLS_A_BAD_CERTIFICATE,
     "it violates a constraint of its signer"},
};

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

/* The index-th DNS name, or false when there are no more. One with a NUL inside, or too long, is
 * given as "": it must match nothing. */
static bool dns_name(gnutls_x509_crt_t leaf, unsigned index, char name[static TLS_NAME_MAX])
{
    size_t size = TLS_NAME_MAX - 1;
    int type = gnutls_x509_crt_get_subject_alt_name(leaf, index, name, &size, NULL);
    if (type < 0 && type != GNUTLS_E_SHORT_MEMORY_BUFFER)
        return false;
    if (type != GNUTLS_SAN_DNSNAME || size >= TLS_NAME_MAX || memchr(name, 0, size))
        name[0] = 0;
    else
        name[size] = 0;
    return true;
}

static bool common_name(gnutls_x509_crt_t leaf, char name[static TLS_NAME_MAX])
{
    size_t size = TLS_NAME_MAX - 1;
    int rc = gnutls_x509_crt_get_dn_by_oid(leaf, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name, &size);
    if (rc < 0 || size >= TLS_NAME_MAX || memchr(name, 0, size)) {
        name[0] = 0;
        return false;
    }
    name[size] = 0;
    return true;
}

static void first_name(gnutls_x509_crt_t leaf, char name[static TLS_NAME_MAX])
{
    for (unsigned i = 0; dns_name(leaf, i, name); i++) {
        if (name[0])
            return;
    }
    common_name(leaf, name);
}

static bool is_listed(const struct tls_credentials *credentials, const char *name)
{
    for (size_t i = 0; name[0] && i < credentials->allow_count; i++) {
        if (strcasecmp(name, credentials->allow[i]) == 0)
            return true;
    }
    return false;
}

static bool is_allowed(const struct tls_credentials *credentials, gnutls_x509_crt_t leaf)
{
    char name[TLS_NAME_MAX];
    if (!credentials->allow_count)
        return true;
    for (unsigned i = 0; dns_name(leaf, i, name); i++) {
        if (is_listed(credentials, name))
            return true;
    }
    return common_name(leaf, name) && is_listed(credentials, name);
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

static void check_name(const struct tls_credentials *credentials, gnutls_x509_crt_t leaf,
                       struct tls_verdict *verdict)
{
    char allowed[TLS_NAME_MAX];
    if (credentials->role == TLS_CLIENT) {
        /* Compares with the addresses of the certificate when peer is one. */
        if (!gnutls_x509_crt_check_hostname(leaf, credentials->peer))
            refuse(verdict, ERR_TLS_PEER_NAME, GNUTLS_A_BAD_CERTIFICATE,
                   "the peer's certificate is for \"%s\", \"%s\" was expected", verdict->name,
                   credentials->peer);
    } else if (!is_allowed(credentials, leaf)) {
        list_allowed(credentials, allowed, sizeof allowed);
        refuse(verdict, ERR_TLS_PEER_NAME, GNUTLS_A_ACCESS_DENIED,
               "the peer's certificate is for \"%s\", allowed is %s", verdict->name, allowed);
    }
}

static void check_chain(const struct tls_credentials *credentials, gnutls_session_t session,
                        struct tls_verdict *verdict)
{
    const char *purpose =
        credentials->role == TLS_CLIENT ? GNUTLS_KP_TLS_WWW_SERVER : GNUTLS_KP_TLS_WWW_CLIENT;
    gnutls_typed_vdata_st wanted = {.type = GNUTLS_DT_KEY_PURPOSE_OID};
    char oid[64];
    snprintf(oid, sizeof oid, "%s", purpose);
    wanted.data = (unsigned char *)oid;
    unsigned status = 0;
    int rc = gnutls_certificate_verify_peers(session, &wanted, 1, &status);
    if (rc < 0) {
        refuse(verdict, ERR_TLS_PEER_UNVERIFIED, GNUTLS_A_BAD_CERTIFICATE,
               "the peer's certificate cannot be verified: %s", gnutls_strerror(rc));
        return;
    }
    if (!status)
        return;
    const char *text = "it is not trusted";
    int alert = GNUTLS_A_BAD_CERTIFICATE;
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        if (status & faults[i].status) {
            text = faults[i].text;
            alert = faults[i].alert;
            break;
        }
    }
    refuse(verdict, ERR_TLS_PEER_UNVERIFIED, alert, "the peer's certificate (\"%s\"): %s",
           verdict->name, text);
}

void tls_verify_peer(const struct tls_credentials *credentials, gnutls_session_t session,
                     struct tls_verdict *verdict)
{
    memset(verdict, 0, sizeof *verdict);
    unsigned count = 0;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);
    if (!chain || !count ||
        gnutls_certificate_type_get2(session, GNUTLS_CTYPE_PEERS) != GNUTLS_CRT_X509) {
        refuse(verdict, ERR_TLS_NO_CERTIFICATE, GNUTLS_A_CERTIFICATE_REQUIRED,
               "the peer sent no certificate");
        return;
    }
    gnutls_x509_crt_t leaf;
    must(gnutls_x509_crt_init(&leaf) == 0);
    int rc = gnutls_x509_crt_import(leaf, &chain[0], GNUTLS_X509_FMT_DER);
    if (rc < 0) {
        refuse(verdict, ERR_TLS_PEER_UNVERIFIED, GNUTLS_A_BAD_CERTIFICATE,
               "the peer's certificate cannot be read: %s", gnutls_strerror(rc));
    } else {
        first_name(leaf, verdict->name);
        check_chain(credentials, session, verdict);
        if (verdict->err == ERR_OK)
            check_name(credentials, leaf, verdict);
    }
    gnutls_x509_crt_deinit(leaf);
}
