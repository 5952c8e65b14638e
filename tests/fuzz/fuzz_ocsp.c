/* OCSP responses that a peer staples to its certificate, and those in a file of our own. First
 * byte: whose certificate and which policy; the rest is the response. An accepted response has a
 * signed part that is one of the good ones: no other can be made without the CA's key. */
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/ocsp.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "tests/fuzz/ocsp_world.h"
#include "tls/credentials_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { REVOKED = 1, REQUIRE = 2, RESUMED = 4, LONG_CHAIN = 8 };

static gnutls_datum_t stapled;
static bool is_resumed;

/* ---- in place of GnuTLS's and of the clock ---- */

time_t time(time_t *now)
{
    if (now)
        *now = OCSP_NOW_S;
    return OCSP_NOW_S;
}

int gnutls_ocsp_status_request_get2(gnutls_session_t session, unsigned index,
                                    gnutls_datum_t *response)
{
    (void)session;
    *response = stapled;
    return index == 0 && stapled.size ? 0 : GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE;
}

int gnutls_session_is_resumed(gnutls_session_t session)
{
    (void)session;
    return is_resumed;
}

/* ---- what is signed ---- */

struct part {
    const uint8_t *at;
    size_t size;
};

/* The value of the DER element at the beginning of part, which becomes what follows it. */
static bool enter(struct part *part, struct part *value)
{
    size_t head = 2, size;
    if (part->size < 2)
        return false;
    size = part->at[1];
    if (size & 0x80) {
        head += size & 0x7f;
        if (head > 6 || part->size < head)
            return false;
        size = 0;
        for (size_t i = 2; i < head; i++)
            size = size << 8 | part->at[i];
    }
    if (size > part->size - head)
        return false;
    *value = (struct part){part->at + head, size};
    *part = (struct part){part->at + head + size, part->size - head - size};
    return true;
}

static bool is_good(const gnutls_datum_t *der)
{
    struct part response = {der->data, der->size}, outer, wrapped, pair, skipped, octets, basic;
    uint8_t hash[32];
    if (!enter(&response, &outer) || !enter(&outer, &skipped) || !enter(&outer, &wrapped) ||
        !enter(&wrapped, &pair) || !enter(&pair, &skipped) || !enter(&pair, &octets) ||
        !enter(&octets, &basic))
        return false;
    const uint8_t *begin = basic.at;
    if (!enter(&basic, &skipped))
        return false;
    must(gnutls_hash_fast(GNUTLS_DIG_SHA256, begin, (size_t)(basic.at - begin), hash) == 0);
    for (size_t i = 0; i < sizeof ocsp_good / sizeof *ocsp_good; i++)
        if (!memcmp(hash, ocsp_good[i], sizeof hash))
            return true;
    return false;
}

/* As GnuTLS writes what it has read: it takes more than DER. */
static bool is_good_again(const gnutls_datum_t *bytes)
{
    gnutls_ocsp_resp_t response;
    gnutls_datum_t der = {0};
    must(gnutls_ocsp_resp_init(&response) == 0);
    bool good = (gnutls_ocsp_resp_import2(response, bytes, GNUTLS_X509_FMT_DER) == 0 ||
                 gnutls_ocsp_resp_import2(response, bytes, GNUTLS_X509_FMT_PEM) == 0) &&
                gnutls_ocsp_resp_export2(response, &der, GNUTLS_X509_FMT_DER) == 0 && is_good(&der);
    gnutls_free(der.data);
    gnutls_ocsp_resp_deinit(response);
    return good;
}

/* ---- the world ---- */

static gnutls_x509_crt_t ca, leaf, revoked;
static struct tls_trust *trust;
static gnutls_certificate_credentials_t credentials;

static gnutls_x509_crt_t import(const uint8_t *der, size_t size)
{
    gnutls_x509_crt_t crt;
    gnutls_datum_t datum = {(unsigned char *)(uintptr_t)der, (unsigned)size};
    must(gnutls_x509_crt_init(&crt) == 0);
    must(gnutls_x509_crt_import(crt, &datum, GNUTLS_X509_FMT_DER) == 0);
    return crt;
}

/* A file that needs no name; path has room for 32 bytes. */
static int make_file(const void *bytes, size_t size, char *path)
{
    int fd = memfd_create("file", MFD_CLOEXEC);
    must(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    snprintf(path, 32, "/proc/self/fd/%d", fd);
    return fd;
}

static void make_world(void)
{
    char path[32], text[300];
    gnutls_datum_t pem;
    if (trust)
        return;
    ca = import(ocsp_ca, sizeof ocsp_ca);
    leaf = import(ocsp_leaf, sizeof ocsp_leaf);
    revoked = import(ocsp_revoked, sizeof ocsp_revoked);
    must(gnutls_x509_crt_export2(ca, GNUTLS_X509_FMT_PEM, &pem) == 0);
    int fd = make_file(pem.data, pem.size, path);
    must(tls_trust_load(path, NULL, &trust,
                        (struct tls_reason){.text = text, .size = sizeof text}) == ERR_OK);
    close(fd);
    gnutls_free(pem.data);
    gnutls_x509_privkey_t key; /* of nobody: it signs nothing */
    must(gnutls_x509_privkey_init(&key) == 0);
    must(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                      GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0) == 0);
    must(gnutls_certificate_allocate_credentials(&credentials) == 0);
    gnutls_certificate_set_flags(credentials, GNUTLS_CERTIFICATE_SKIP_KEY_CERT_MATCH);
    must(gnutls_certificate_set_x509_key(credentials, &leaf, 1, key) >= 0);
    gnutls_x509_privkey_deinit(key);
}

static void check_stapled(uint8_t about)
{
    gnutls_x509_crt_t chain[] = {about & REVOKED ? revoked : leaf, ca};
    const char *text = NULL;
    int alert = 0;
    is_resumed = about & RESUMED;
    bool accepted =
        tls_ocsp_accepts(trust, about & REQUIRE ? TLS_OCSP_REQUIRE : TLS_OCSP_IF_STAPLED, NULL,
                         chain, about & LONG_CHAIN ? 2 : 1, &alert, &text);
    must(accepted || (text && alert));
    /* The other certificate has the feature of RFC 7633: it must come with one, too. */
    must(!accepted || !(about & REVOKED));
    must(!accepted || (stapled.size ? is_good_again(&stapled) : !(about & REQUIRE)));
}

static void check_own(void)
{
    char path[32], text[300] = "";
    int fd = make_file(stapled.data, stapled.size, path);
    enum err e =
        tls_ocsp_load(credentials, path, (struct tls_reason){.text = text, .size = sizeof text});
    must(e == ERR_OK || (e == ERR_TLS_CREDENTIALS && text[0]));
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    make_world();
    stapled = (gnutls_datum_t){malloc(size), (unsigned)(size - 1)};
    must(stapled.data);
    memcpy(stapled.data, data + 1, size - 1);
    check_stapled(data[0]);
    check_own();
    free(stapled.data);
    return 0;
}
