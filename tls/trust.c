/* tls/trust.c: CAs, revocation lists, chains. */
#include "tls/credentials_private.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "tls/files.h"
#include "tls/wipe.h"

/* RSA from 2048 bits, no SHA-1: what GnuTLS calls 112 bits of security. */
#define VERIFY_FLAGS GNUTLS_PROFILE_TO_VFLAGS(GNUTLS_PROFILE_MEDIUM)

static const char *const ca_suffixes[] = {".pem", ".crt", ".cer", NULL};
static const char *const crl_suffixes[] = {".crl", ".pem", ".der", NULL};

/* Until when we know what an issuer has revoked. */
struct revocation {
    gnutls_datum_t issuer; /* DER of its name */
    int64_t from, until;   /* wall clock, seconds; of the newest list */
};

struct tls_trust {
    gnutls_x509_trust_list_t list;
    gnutls_x509_crt_t *authorities; /* only while loading; then the list owns them */
    unsigned authority_count;
    struct revocation *revocations;
    size_t revocation_count;
};

/* An end certificate in the list would be trusted as if a CA had signed it, so we insist. */
static enum err add_authority(struct tls_trust *trust, gnutls_x509_crt_t crt, unsigned number,
                              const char *path, struct tls_reason why)
{
    if (gnutls_x509_crt_get_ca_status(crt, NULL) <= 0) {
        gnutls_x509_crt_deinit(crt);
        return tls_reason_set(
            why,
            "certificate number %u in %s is not a CA certificate; \"ca\" needs the certificate "
            "that signed the peer's",
            number, path);
    }
    gnutls_x509_crt_t *more =
        check_resize(trust->authorities, (trust->authority_count + 1) * sizeof *more);
    trust->authorities = more;
    trust->authorities[trust->authority_count++] = crt;
    return ERR_OK;
}

static enum err load_authorities(struct tls_trust *trust, const char *path, struct tls_reason why)
{
    gnutls_datum_t pem = {0};
    gnutls_x509_crt_t *list;
    unsigned count;
    enum err result = tls_files_read(path, &pem.data, &pem.size, why);
    if (result != ERR_OK)
        return result;
    int rc = gnutls_x509_crt_list_import2(&list, &count, &pem, GNUTLS_X509_FMT_PEM, 0);
    tls_wipe_free(pem.data, pem.size);
    if (rc < 0)
        return tls_reason_set(why, "%s holds no usable CA certificate: %s", path,
                              gnutls_strerror(rc));
    if (!count)
        result = tls_reason_set(why, "%s holds no CA certificate", path);
    for (unsigned i = 0; i < count; i++) {
        if (result == ERR_OK)
            result = add_authority(trust, list[i], i + 1, path, why);
        else
            gnutls_x509_crt_deinit(list[i]);
    }
    gnutls_free(list);
    return result;
}

static enum err check_list(const struct tls_trust *trust, gnutls_x509_crl_t crl, const char *path,
                           struct tls_reason why)
{
    char date[32];
    unsigned status = 0;
    time_t now = time(NULL), from = gnutls_x509_crl_get_this_update(crl),
           until = gnutls_x509_crl_get_next_update(crl);
    if (now < from)
        return tls_reason_set(
            why, "the revocation list in %s is not valid before %s (or the clock is wrong)", path,
            tls_reason_date(from, date));
    if (until != (time_t)-1 && now > until)
        return tls_reason_set(why, "the revocation list in %s expired on %s", path,
                              tls_reason_date(until, date));
    int rc = gnutls_x509_crl_verify(crl, trust->authorities, trust->authority_count, VERIFY_FLAGS,
                                    &status);
    if (rc < 0 || status & GNUTLS_CERT_SIGNER_NOT_FOUND)
        return tls_reason_set(why, "the revocation list in %s belongs to no CA that we trust",
                              path);
    if (status)
        return tls_reason_set(why,
                              "the revocation list in %s is not properly signed by its CA, or that "
                              "may not sign such lists (key usage)",
                              path);
    return ERR_OK;
}

static struct revocation *find_revocation(const struct tls_trust *trust,
                                          const gnutls_datum_t *issuer)
{
    for (size_t i = 0; i < trust->revocation_count; i++) {
        struct revocation *one = &trust->revocations[i];
        if (one->issuer.size == issuer->size &&
            memcmp(one->issuer.data, issuer->data, issuer->size) == 0)
            return one;
    }
    return NULL;
}

/* False: a newer list of its CA is there already. */
static bool note_revocation(struct tls_trust *trust, gnutls_x509_crl_t crl)
{
    gnutls_datum_t issuer;
    must(gnutls_x509_crl_get_raw_issuer_dn(crl, &issuer) == 0);
    time_t next = gnutls_x509_crl_get_next_update(crl);
    int64_t from = gnutls_x509_crl_get_this_update(crl),
            until = next == (time_t)-1 ? INT64_MAX : next;
    struct revocation *one = find_revocation(trust, &issuer);
    if (one) {
        gnutls_free(issuer.data);
        if (from < one->from)
            return false;
        one->from = from;
        one->until = until;
        return true;
    }
    one = check_resize(trust->revocations, (trust->revocation_count + 1) * sizeof *one);
    trust->revocations = one;
    one[trust->revocation_count++] = (struct revocation){issuer, from, until};
    return true;
}

/* The lists of a file, PEM or DER. */
static enum err import_lists(const char *path, gnutls_x509_crl_t **list, unsigned *count,
                             struct tls_reason why)
{
    gnutls_datum_t text = {0};
    *count = 0;
    enum err result = tls_files_read(path, &text.data, &text.size, why);
    if (result != ERR_OK)
        return result;
    int rc = gnutls_x509_crl_list_import2(list, count, &text, GNUTLS_X509_FMT_PEM, 0);
    if (rc < 0)
        rc = gnutls_x509_crl_list_import2(list, count, &text, GNUTLS_X509_FMT_DER, 0);
    tls_wipe_free(text.data, text.size);
    if (rc < 0)
        return tls_reason_set(why, "%s holds no usable revocation list: %s", path,
                              gnutls_strerror(rc));
    return ERR_OK;
}

static enum err load_revocations(struct tls_trust *trust, const char *path, struct tls_reason why)
{
    gnutls_x509_crl_t *list;
    unsigned count;
    enum err result = import_lists(path, &list, &count, why);
    if (result != ERR_OK)
        return result;
    for (unsigned i = 0; i < count; i++) {
        if (result == ERR_OK)
            result = check_list(trust, list[i], path, why);
        if (result == ERR_OK && note_revocation(trust, list[i])) {
            /* The list owns it from here on, in the place of an older one of that CA. */
            must(gnutls_x509_trust_list_add_crls(trust->list, &list[i], 1, GNUTLS_TL_NO_DUPLICATES,
                                                 0) == 1);
        } else {
            gnutls_x509_crl_deinit(list[i]);
        }
    }
    gnutls_free(list);
    return result;
}

static enum err load_all(struct tls_trust *trust, const char *path, const char *const *suffixes,
                         enum err (*load)(struct tls_trust *, const char *, struct tls_reason),
                         struct tls_reason why)
{
    struct tls_files found;
    enum err result = tls_files_find(path, suffixes, &found, why);
    for (size_t i = 0; i < found.count && result == ERR_OK; i++)
        result = load(trust, found.paths[i], why);
    tls_files_clear(&found);
    return result;
}

enum err tls_trust_load(const char *ca, const char *crl, struct tls_trust **out,
                        struct tls_reason why)
{
    struct tls_trust *trust = check_alloc(sizeof *trust);
    check_made(gnutls_x509_trust_list_init(&trust->list, 0) == 0);
    enum err result = load_all(trust, ca, ca_suffixes, load_authorities, why);
    if (result == ERR_OK && crl)
        result = load_all(trust, crl, crl_suffixes, load_revocations, why);
    if (result != ERR_OK) {
        for (unsigned i = 0; i < trust->authority_count; i++)
            gnutls_x509_crt_deinit(trust->authorities[i]);
    } else {
        gnutls_x509_trust_list_add_cas(trust->list, trust->authorities, trust->authority_count,
                                       GNUTLS_TL_NO_DUPLICATES);
    }
    free(trust->authorities);
    trust->authorities = NULL;
    *out = trust;
    if (result != ERR_OK) {
        tls_trust_free(trust);
        *out = NULL;
    }
    return result;
}

void tls_trust_free(struct tls_trust *trust)
{
    if (!trust)
        return;
    gnutls_x509_trust_list_deinit(trust->list, 1);
    for (size_t i = 0; i < trust->revocation_count; i++)
        gnutls_free(trust->revocations[i].issuer.data);
    free(trust->revocations);
    free(trust);
}

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

static bool has_stale_list(const struct tls_trust *trust, gnutls_x509_crt_t *chain, unsigned count)
{
    int64_t now = time(NULL);
    for (unsigned i = 0; i < count; i++) {
        gnutls_datum_t issuer;
        if (gnutls_x509_crt_get_raw_issuer_dn(chain[i], &issuer) < 0)
            return true;
        const struct revocation *one = find_revocation(trust, &issuer);
        gnutls_free(issuer.data);
        if (one && now > one->until)
            return true;
    }
    return false;
}

bool tls_trust_accepts(const struct tls_trust *trust, struct gnutls_x509_crt_int **chain,
                       unsigned count, const char *purpose, int *alert, const char **text)
{
    char oid[64];
    snprintf(oid, sizeof oid, "%s", purpose);
    gnutls_typed_vdata_st wanted = {.type = GNUTLS_DT_KEY_PURPOSE_OID,
                                    .data = (unsigned char *)oid};
    unsigned status = 0;
    must(count && count <= TLS_CHAIN_MAX);
    *alert = GNUTLS_A_BAD_CERTIFICATE;
    *text = "it is not trusted";
    int rc = gnutls_x509_trust_list_verify_crt2(trust->list, chain, count, &wanted, 1, VERIFY_FLAGS,
                                                &status, NULL);
    if (rc < 0) {
        *text = gnutls_strerror(rc);
        return false;
    }
    for (size_t i = 0; status && i < sizeof faults / sizeof faults[0]; i++) {
        if (status & faults[i].status) {
            *text = faults[i].text;
            *alert = faults[i].alert;
            break;
        }
    }
    if (!status && has_stale_list(trust, chain, count)) {
        *text = "the revocation list of its CA has expired, so it may be revoked";
        *alert = GNUTLS_A_CERTIFICATE_UNKNOWN;
        return false;
    }
    return !status;
}

int64_t tls_trust_lists_until(const struct tls_trust *trust, char *ca, size_t ca_size)
{
    const struct revocation *first = NULL;
    for (size_t i = 0; trust && i < trust->revocation_count; i++)
        if (!first || trust->revocations[i].until < first->until)
            first = &trust->revocations[i];
    if (!first)
        return INT64_MAX;
    gnutls_datum_t name = {0};
    if (gnutls_x509_rdn_get2(&first->issuer, &name, 0) < 0)
        snprintf(ca, ca_size, "of a list");
    else
        snprintf(ca, ca_size, "\"%s\"", (char *)name.data);
    gnutls_free(name.data);
    return first->until;
}

struct gnutls_x509_trust_list_st *tls_trust_list(const struct tls_trust *trust)
{
    return trust->list;
}
