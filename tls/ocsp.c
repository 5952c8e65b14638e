/* tls/ocsp.c: our own OCSP response, and those of peers. */
#include "tls/credentials_private.h"

#include <gnutls/gnutls.h>
#include <gnutls/ocsp.h>
#include <gnutls/x509.h>
#include <time.h>

#include "base/check.h"
#include "tls/files.h"
#include "tls/wipe.h"

/* Validity of a response that does not say when the next comes; GnuTLS has 3 days too. */
#define VALID_S (3 * 24 * 3600)
/* Tolerated difference between the clocks of responders and ours. */
#define SKEW_S 300
/* status_request, among the features that a certificate promises (RFC 7633). */
#define STATUS_REQUEST 5

/* Returns the bad news of a response about its first certificate, or why it cannot be believed;
 * NULL: good. */
static const char *find_fault(gnutls_ocsp_resp_t response, gnutls_x509_crt_t crt, bool may_be_old,
                              bool *is_revoked)
{
    unsigned status;
    time_t from, until, now = time(NULL);
    *is_revoked = false;
    if (gnutls_ocsp_resp_get_status(response) != GNUTLS_OCSP_RESP_SUCCESSFUL)
        return "the OCSP response is an error message";
    if (gnutls_ocsp_resp_check_crt(response, 0, crt) < 0)
        return "the OCSP response is for another certificate";
    if (gnutls_ocsp_resp_get_single(response, 0, NULL, NULL, NULL, NULL, &status, &from, &until,
                                    NULL, NULL) < 0)
        return "the OCSP response cannot be read";
    *is_revoked = status == GNUTLS_OCSP_CERT_REVOKED;
    if (*is_revoked)
        return "the OCSP response says that it is revoked";
    if (status != GNUTLS_OCSP_CERT_GOOD)
        return "the OCSP response says that its CA does not know it";
    if (from > now + SKEW_S)
        return "the OCSP response is not valid yet";
    if (!may_be_old && now > (until == (time_t)-1 ? from + VALID_S : until))
        return "the OCSP response has expired";
    return NULL;
}

static int import(gnutls_ocsp_resp_t response, const gnutls_datum_t *text)
{
    int rc = gnutls_ocsp_resp_import2(response, text, GNUTLS_X509_FMT_DER);
    return rc < 0 ? gnutls_ocsp_resp_import2(response, text, GNUTLS_X509_FMT_PEM) : rc;
}

static enum err check_own(gnutls_ocsp_resp_t response, gnutls_x509_crt_t crt, const char *path,
                          struct tls_reason why)
{
    bool is_revoked;
    const char *fault = find_fault(response, crt, false, &is_revoked);
    return fault ? tls_reason_set(why, "%s cannot be stapled to our certificate: %s", path, fault)
                 : ERR_OK;
}

enum err tls_ocsp_load(struct gnutls_certificate_credentials_st *x509, const char *path,
                       struct tls_reason why)
{
    gnutls_datum_t text = {0}, der = {0};
    gnutls_ocsp_resp_t response;
    gnutls_x509_crt_t *own;
    unsigned count;
    enum err result = tls_files_read(path, &text.data, &text.size, why);
    if (result != ERR_OK)
        return result;
    check_made(gnutls_ocsp_resp_init(&response) == 0);
    must(gnutls_certificate_get_x509_crt(x509, 0, &own, &count) == 0);
    int rc = import(response, &text);
    if (rc < 0)
        result =
            tls_reason_set(why, "%s holds no usable OCSP response: %s", path, gnutls_strerror(rc));
    if (result == ERR_OK)
        result = check_own(response, own[0], path, why);
    if (result == ERR_OK) {
        check_made(gnutls_ocsp_resp_export2(response, &der, GNUTLS_X509_FMT_DER) == 0);
        rc = gnutls_certificate_set_ocsp_status_request_mem(x509, &der, 0, GNUTLS_X509_FMT_DER);
        if (rc < 0)
            result = tls_reason_set(why, "%s cannot be stapled to our certificate: %s", path,
                                    gnutls_strerror(rc));
    }
    for (unsigned i = 0; i < count; i++)
        gnutls_x509_crt_deinit(own[i]);
    gnutls_free(own);
    gnutls_ocsp_resp_deinit(response);
    gnutls_free(der.data);
    tls_wipe_free(text.data, text.size);
    return result;
}

/* True if issuer has really signed crt: the peer may put anything behind its certificate, also a CA
 * of its own that finds it good. */
static bool has_issued(gnutls_x509_crt_t issuer, gnutls_x509_crt_t crt)
{
    unsigned status;
    return gnutls_x509_crt_verify(crt, &issuer, 1, 0, &status) == 0 && !status;
}

/* True if it is signed by a CA that we trust, by its delegate, or by the issuer in the chain. */
static bool is_signed(const struct tls_trust *trust, gnutls_ocsp_resp_t response,
                      gnutls_x509_crt_t crt, gnutls_x509_crt_t issuer)
{
    unsigned status;
    if (gnutls_ocsp_resp_verify(response, tls_trust_list(trust), &status, 0) == 0 && !status)
        return true;
    return issuer && has_issued(issuer, crt) &&
           gnutls_ocsp_resp_verify_direct(response, issuer, &status, 0) == 0 && !status;
}

static bool is_good(const struct tls_trust *trust, const gnutls_datum_t *der, gnutls_x509_crt_t crt,
                    gnutls_x509_crt_t issuer, bool may_be_old, int *alert, const char **text)
{
    gnutls_ocsp_resp_t response;
    bool is_revoked = false;
    check_made(gnutls_ocsp_resp_init(&response) == 0);
    if (gnutls_ocsp_resp_import(response, der) < 0)
        *text = "the OCSP response cannot be read";
    else if (!is_signed(trust, response, crt, issuer))
        *text = "the OCSP response is not signed by its CA";
    else
        *text = find_fault(response, crt, may_be_old, &is_revoked);
    *alert = is_revoked ? GNUTLS_A_CERTIFICATE_REVOKED : GNUTLS_A_BAD_CERTIFICATE;
    gnutls_ocsp_resp_deinit(response);
    return !*text;
}

static bool promises_response(gnutls_x509_crt_t crt)
{
    gnutls_x509_tlsfeatures_t features;
    unsigned feature;
    bool found = false;
    check_made(gnutls_x509_tlsfeatures_init(&features) == 0);
    if (gnutls_x509_crt_get_tlsfeatures(crt, features, 0, NULL) == 0) {
        for (unsigned i = 0; gnutls_x509_tlsfeatures_get(features, i, &feature) == 0; i++)
            found = found || feature == STATUS_REQUEST;
    }
    gnutls_x509_tlsfeatures_deinit(features);
    return found;
}

bool tls_ocsp_accepts(const struct tls_trust *trust, enum tls_ocsp policy,
                      struct gnutls_session_int *session, struct gnutls_x509_crt_int **chain,
                      unsigned count, int *alert, const char **text)
{
    /* The response of a resumed session is that of its full handshake, and was good then. If none
     * is required, the peer need not come again because its response is old. */
    bool may_be_old = policy == TLS_OCSP_IF_STAPLED && gnutls_session_is_resumed(session);
    for (unsigned i = 0; i < count; i++) {
        gnutls_datum_t der;
        bool is_there = gnutls_ocsp_status_request_get2(session, i, &der) == 0 && der.size;
        if (is_there && !is_good(trust, &der, chain[i], i + 1 < count ? chain[i + 1] : NULL,
                                 may_be_old, alert, text))
            return false;
        if (i == 0 && !is_there && (policy == TLS_OCSP_REQUIRE || promises_response(chain[0]))) {
            *alert = GNUTLS_A_BAD_CERTIFICATE;
            *text = "no OCSP response came with it";
            return false;
        }
    }
    return true;
}
