/* tests/unit/tls/certificates.h: a CA and certificates of every kind of trouble, made with GnuTLS
 * into a directory of their own that goes away at exit. */
#pragma once

#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"

#define DAY 86400

struct certificate_spec {
    const char *file; /* file.pem and file.key */
    const char *cn;
    const char *dns, *dns2; /* NULL: none */
    const char *ip;         /* four bytes, NULL: none */
    const char *purpose;    /* NULL: both */
    int from_days, until_days;
    bool by_other_ca;
    bool is_long;        /* 20 KB: more than one record and one message */
    const char *uri;     /* NULL: none */
    bool must_staple;    /* RFC 7633 */
    const char *raw_san; /* DER of the extension: GnuTLS itself writes no NUL into a name */
    size_t raw_san_size;
};

static char certificates_directory[64];
static const char *certificates_made[128];
static int certificates_count;

static inline const char *path_of(const char *name)
{
    static char paths[512][160];
    static int next;
    char *path = paths[next++ % 512];
    snprintf(path, sizeof paths[0], "%s/%s", certificates_directory, name);
    return path;
}

static inline void remove_certificates(void)
{
    while (certificates_count)
        remove(path_of(certificates_made[--certificates_count]));
    rmdir(certificates_directory);
}

/* A file, or a directory after what is in it. */
static inline void remove_at_exit(const char *name)
{
    for (int i = 0; i < certificates_count; i++) {
        if (strcmp(certificates_made[i], name) == 0)
            return;
    }
    must(certificates_count < 128);
    certificates_made[certificates_count++] = check_strdup(name);
}

static inline void write_file(const char *name, const void *data, size_t size)
{
    FILE *file = fopen(path_of(name), "w");
    must(file && fwrite(data, 1, size, file) == size && fclose(file) == 0);
    remove_at_exit(name);
}

static inline void write_object(const char *base, const char *suffix, gnutls_datum_t *pem)
{
    char name[80];
    snprintf(name, sizeof name, "%s%s", base, suffix);
    write_file(name, pem->data, pem->size);
    gnutls_free(pem->data);
}

static inline gnutls_x509_privkey_t new_key(void)
{
    gnutls_x509_privkey_t key;
    must(gnutls_x509_privkey_init(&key) == 0);
    must(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                      GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0) == 0);
    return key;
}

static inline gnutls_x509_crt_t new_certificate(gnutls_x509_privkey_t key, const char *cn,
                                                int from_days, int until_days)
{
    static unsigned char serial[4] = {1, 0, 0, 0};
    gnutls_x509_crt_t crt;
    must(gnutls_x509_crt_init(&crt) == 0);
    serial[3]++;
    must(gnutls_x509_crt_set_version(crt, 3) == 0);
    must(gnutls_x509_crt_set_serial(crt, serial, sizeof serial) == 0);
    must(gnutls_x509_crt_set_activation_time(crt, time(NULL) + from_days * DAY) == 0);
    must(gnutls_x509_crt_set_expiration_time(crt, time(NULL) + until_days * DAY) == 0);
    must(gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, cn,
                                       (unsigned)strlen(cn)) == 0);
    must(gnutls_x509_crt_set_key(crt, key) == 0);
    return crt;
}

struct authority {
    gnutls_x509_crt_t crt;
    gnutls_x509_privkey_t key;
};

static inline void write_pair(const char *base, gnutls_x509_crt_t crt, gnutls_x509_privkey_t key)
{
    gnutls_datum_t pem;
    must(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem) == 0);
    write_object(base, ".pem", &pem);
    must(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem) == 0);
    write_object(base, ".key", &pem);
}

static inline struct authority new_authority(const char *file)
{
    struct authority ca = {.key = new_key()};
    ca.crt = new_certificate(ca.key, file, -10, 3650);
    must(gnutls_x509_crt_set_ca_status(ca.crt, 1) == 0);
    must(gnutls_x509_crt_set_key_usage(ca.crt, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN) ==
         0);
    must(gnutls_x509_crt_sign2(ca.crt, ca.crt, ca.key, GNUTLS_DIG_SHA256, 0) == 0);
    write_pair(file, ca.crt, ca.key);
    return ca;
}

static inline gnutls_datum_t load_object(const char *base, const char *suffix)
{
    char name[80];
    gnutls_datum_t pem;
    snprintf(name, sizeof name, "%s%s", base, suffix);
    must(gnutls_load_file(path_of(name), &pem) == 0);
    return pem;
}

static inline gnutls_x509_crt_t load_certificate(const char *file)
{
    gnutls_x509_crt_t crt;
    gnutls_datum_t pem = load_object(file, ".pem");
    must(gnutls_x509_crt_init(&crt) == 0);
    must(gnutls_x509_crt_import(crt, &pem, GNUTLS_X509_FMT_PEM) == 0);
    gnutls_free(pem.data);
    return crt;
}

static inline struct authority load_authority(const char *file)
{
    struct authority ca = {.crt = load_certificate(file)};
    gnutls_datum_t pem = load_object(file, ".key");
    must(gnutls_x509_privkey_init(&ca.key) == 0);
    must(gnutls_x509_privkey_import(ca.key, &pem, GNUTLS_X509_FMT_PEM) == 0);
    gnutls_free(pem.data);
    return ca;
}

static inline void free_authority(struct authority *ca)
{
    gnutls_x509_crt_deinit(ca->crt);
    gnutls_x509_privkey_deinit(ca->key);
}

static inline void issue(struct authority *ca, const struct certificate_spec *spec)
{
    gnutls_x509_privkey_t key = new_key();
    gnutls_x509_crt_t crt = new_certificate(key, spec->cn, spec->from_days ? spec->from_days : -1,
                                            spec->until_days ? spec->until_days : 365);
    const char *dns[] = {spec->dns, spec->dns2};
    for (int i = 0; i < 2; i++) {
        if (dns[i])
            must(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, dns[i],
                                                      (unsigned)strlen(dns[i]),
                                                      GNUTLS_FSAN_APPEND) == 0);
    }
    if (spec->raw_san)
        must(gnutls_x509_crt_set_extension_by_oid(crt, "2.5.29.17", spec->raw_san,
                                                  spec->raw_san_size, 0) == 0);
    if (spec->uri)
        must(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_URI, spec->uri,
                                                  (unsigned)strlen(spec->uri),
                                                  GNUTLS_FSAN_APPEND) == 0);
    if (spec->must_staple)
        must(gnutls_x509_crt_set_extension_by_oid(crt, "1.3.6.1.5.5.7.1.24", "\x30\x03\x02\x01\x05",
                                                  5, 0) == 0);
    if (spec->ip)
        must(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, spec->ip, 4,
                                                  GNUTLS_FSAN_APPEND) == 0);
    static char padding[20000];
    if (spec->is_long)
        must(gnutls_x509_crt_set_extension_by_oid(crt, "1.2.3.4", padding, sizeof padding, 0) == 0);
    must(gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE) == 0);
    if (!spec->purpose || strcmp(spec->purpose, GNUTLS_KP_TLS_WWW_SERVER) == 0)
        must(gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0) == 0);
    if (!spec->purpose || strcmp(spec->purpose, GNUTLS_KP_TLS_WWW_CLIENT) == 0)
        must(gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_CLIENT, 0) == 0);
    must(gnutls_x509_crt_sign2(crt, ca->crt, ca->key, GNUTLS_DIG_SHA256, 0) == 0);
    write_pair(spec->file, crt, key);
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_privkey_deinit(key);
}

static const struct certificate_spec certificate_specs[] = {
    {.file = "long-server", .cn = "server.example", .dns = "server.example", .is_long = true},
    {.file = "long-client", .cn = "client.example", .dns = "client.example", .is_long = true},
    {.file = "server", .cn = "server.example", .dns = "server.example", .ip = "\x7f\0\0\1"},
    {.file = "client", .cn = "client.example", .dns = "client.example", .dns2 = "second.example"},
    {.file = "client2", .cn = "other.example", .dns = "other.example"},
    {.file = "cn-only", .cn = "only-cn.example"},
    {.file = "nul",
     .cn = "evil",
     .raw_san = "\x30\x16\x82\x14"
                "client.example\0.evil",
     .raw_san_size = 24},
    {.file = "expired",
     .cn = "server.example",
     .dns = "server.example",
     .from_days = -9,
     .until_days = -2},
    {.file = "future", .cn = "server.example", .dns = "server.example", .from_days = 5},
    {.file = "short", .cn = "server.example", .dns = "server.example", .until_days = 2},
    {.file = "foreign", .cn = "client.example", .dns = "client.example", .by_other_ca = true},
    {.file = "server-only",
     .cn = "client.example",
     .dns = "client.example",
     .purpose = GNUTLS_KP_TLS_WWW_SERVER},
    {.file = "client-only",
     .cn = "server.example",
     .dns = "server.example",
     .purpose = GNUTLS_KP_TLS_WWW_CLIENT},
};

/* ca, ca2, and all of the above. */
static inline void make_certificates(void)
{
    const char *parent = getenv("TMPDIR");
    snprintf(certificates_directory, sizeof certificates_directory, "%s/hawser-tls-XXXXXX",
             parent && strlen(parent) < 40 ? parent : "/tmp");
    must(mkdtemp(certificates_directory));
    atexit(remove_certificates);
    struct authority ca = new_authority("ca"), other = new_authority("ca2");
    for (size_t i = 0; i < sizeof certificate_specs / sizeof certificate_specs[0]; i++)
        issue(certificate_specs[i].by_other_ca ? &other : &ca, &certificate_specs[i]);
    free_authority(&ca);
    free_authority(&other);
}
