/* The ciphers of records give what others published: NIST's vectors for AES-GCM and AES-CCM, those
 * of RFC 7539, BoringSSL and OpenSSL for ChaCha20-Poly1305, from Debian's package
 * python3-cryptography-vectors. GnuTLS's ciphers, and the wide AES-GCM where it is. */
#include <ctype.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "tests/lib/tap.h"
#include "tls/vaes_gcm.h"

#define FOLDER "/usr/lib/python3/dist-packages/cryptography_vectors/ciphers/"

struct bytes {
    uint8_t at[70000];
    size_t size;
};

struct vector {
    struct bytes key, nonce, header, plain, sealed, tag;
    size_t header_size, plain_size; /* as the file says beside them; SIZE_MAX: it does not */
    bool is_begun, fails;
};

static struct {
    size_t gnutls, wide, wrong;
} count;

/* ---- what is asked ---- */

static gnutls_cipher_algorithm_t cipher_of(const char *file, const struct vector *vector)
{
    bool is_128 = vector->key.size == 16;
    if (strstr(file, "ChaCha"))
        return GNUTLS_CIPHER_CHACHA20_POLY1305;
    if (strstr(file, "GCM"))
        return is_128 ? GNUTLS_CIPHER_AES_128_GCM : GNUTLS_CIPHER_AES_256_GCM;
    if (vector->tag.size == 16)
        return is_128 ? GNUTLS_CIPHER_AES_128_CCM : GNUTLS_CIPHER_AES_256_CCM;
    return is_128 ? GNUTLS_CIPHER_AES_128_CCM_8 : GNUTLS_CIPHER_AES_256_CCM_8;
}

static bool fits_gnutls(gnutls_aead_cipher_hd_t cipher, const struct vector *v)
{
    static uint8_t sealed[80000], plain[80000];
    size_t size = sizeof sealed, all = v->plain.size + v->tag.size;
    if (!v->fails && (gnutls_aead_cipher_encrypt(cipher, v->nonce.at, v->nonce.size, v->header.at,
                                                 v->header.size, v->tag.size, v->plain.at,
                                                 v->plain.size, sealed, &size) != 0 ||
                      size != all || memcmp(sealed, v->sealed.at, v->sealed.size) != 0 ||
                      memcmp(sealed + v->sealed.size, v->tag.at, v->tag.size) != 0))
        return false;
    memcpy(sealed, v->sealed.at, v->sealed.size);
    memcpy(sealed + v->sealed.size, v->tag.at, v->tag.size);
    size = sizeof plain;
    bool opens = gnutls_aead_cipher_decrypt(cipher, v->nonce.at, v->nonce.size, v->header.at,
                                            v->header.size, v->tag.size, sealed,
                                            v->sealed.size + v->tag.size, plain, &size) == 0;
    return opens ? !v->fails && size == v->plain.size && memcmp(plain, v->plain.at, size) == 0
                 : v->fails;
}

static bool fits_wide(const struct vector *v)
{
    static uint8_t text[80000];
    struct tls_vaes_gcm *gcm = tls_vaes_gcm_new(v->key.at, v->key.size);
    bool fits = true;
    must(gcm);
    if (!v->fails) {
        memcpy(text, v->plain.at, v->plain.size);
        tls_vaes_gcm_seal(gcm, v->nonce.at, v->header.at, v->header.size, text, v->plain.size);
        fits = memcmp(text, v->sealed.at, v->sealed.size) == 0 &&
               memcmp(text + v->sealed.size, v->tag.at, TLS_VAES_GCM_TAG) == 0;
    }
    memcpy(text, v->sealed.at, v->sealed.size);
    memcpy(text + v->sealed.size, v->tag.at, TLS_VAES_GCM_TAG);
    bool opens =
        tls_vaes_gcm_open(gcm, v->nonce.at, v->header.at, v->header.size, text, v->sealed.size);
    tls_vaes_gcm_free(gcm);
    return fits && (opens ? !v->fails && memcmp(text, v->plain.at, v->plain.size) == 0 : v->fails);
}

/* TLS has nonces of 12 bytes, and tags of 16 or with CCM also 8. */
static bool is_of_tls(const char *file, const struct vector *v)
{
    bool is_ccm = strstr(file, "CCM");
    return (v->nonce.size == 12 || (is_ccm && v->nonce.size == 13)) &&
           (v->tag.size == 16 || (is_ccm && v->tag.size == 8));
}

/* Sizes that a file says beside what it gives: CCM's are "00" where there is nothing, and the tag
 * stands at the end of the text. */
static void apply_sizes(struct vector *v)
{
    if (v->header_size != SIZE_MAX)
        v->header.size = v->header_size;
    if (v->plain_size == SIZE_MAX)
        return;
    v->plain.size = v->plain_size;
    if (v->sealed.size < v->plain_size)
        return;
    v->tag.size = v->sealed.size - v->plain_size;
    memcpy(v->tag.at, v->sealed.at + v->plain_size, v->tag.size);
    v->sealed.size = v->plain_size;
}

static void check(const char *file, struct vector *v)
{
    if (!v->is_begun)
        return;
    v->is_begun = false;
    if (strstr(file, "CCM"))
        apply_sizes(v);
    if (!is_of_tls(file, v))
        return;
    gnutls_aead_cipher_hd_t cipher;
    gnutls_datum_t key = {v->key.at, (unsigned)v->key.size};
    must(gnutls_aead_cipher_init(&cipher, cipher_of(file, v), &key) == 0);
    count.gnutls++;
    count.wrong += !fits_gnutls(cipher, v);
    gnutls_aead_cipher_deinit(cipher);
    if (strstr(file, "GCM") && tls_vaes_gcm_is_here()) {
        count.wide++;
        count.wrong += !fits_wide(v);
    }
}

/* ---- the files ---- */

static void take_bytes(struct bytes *bytes, const char *text)
{
    size_t length = strlen(text);
    bytes->size = 0;
    must(length < sizeof bytes->at);
    if (*text == '"') {
        bytes->size = length - 2;
        memcpy(bytes->at, text + 1, length - 2);
        return;
    }
    for (; isxdigit((unsigned char)text[0]) && isxdigit((unsigned char)text[1]); text += 2) {
        char digits[] = {text[0], text[1], 0};
        bytes->at[bytes->size++] = (uint8_t)strtoul(digits, NULL, 16);
    }
}

static void take_value(struct vector *v, const char *name, const char *value)
{
    const struct {
        const char *names; /* each between blanks */
        struct bytes *bytes;
        size_t *number;
    } fields[] = {
        {" key ", &v->key, NULL},
        {" iv nonce ", &v->nonce, NULL},
        {" aad ad adata ", &v->header, NULL},
        {" pt in payload plaintext ", &v->plain, NULL},
        {" ct ciphertext ", &v->sealed, NULL},
        {" tag ", &v->tag, NULL},
        {" alen ", NULL, &v->header_size},
        {" plen ", NULL, &v->plain_size},
    };
    char wanted[32];
    snprintf(wanted, sizeof wanted, " %s ", name);
    if (strcmp(name, "result") == 0)
        v->fails = strncasecmp(value, "pass", 4) != 0;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (!strstr(fields[i].names, wanted))
            continue;
        if (fields[i].bytes)
            take_bytes(fields[i].bytes, value);
        else
            *fields[i].number = strtoul(value, NULL, 10);
    }
}

/* "Name = value". */
static void take_pair(const char *file, struct vector *v, char *line)
{
    char *equals = strchr(line, '='), *end, name[24] = "";
    if (!equals)
        return;
    for (size_t i = 0; i < sizeof name - 1 && isalnum((unsigned char)line[i]); i++)
        name[i] = (char)tolower((unsigned char)line[i]);
    for (equals++; *equals == ' ';)
        equals++;
    for (end = equals + strlen(equals); end > equals && isspace((unsigned char)end[-1]);)
        *--end = 0;
    if (strcmp(name, "count") == 0) {
        check(file, v);
        v->is_begun = true;
        v->fails = false;
        v->plain.size = v->sealed.size = 0;
    } else {
        take_value(v, name, equals);
    }
}

static void take_line(const char *file, struct vector *v, char *line)
{
    if (*line == '#')
        return;
    if (strncmp(line, "FAIL", 4) == 0)
        v->fails = true;
    if (*line != '[') {
        take_pair(file, v, line);
        return;
    }
    check(file, v); /* the rest is of another kind */
    for (char *part, *rest = line + 1; (part = strtok_r(rest, ",]", &rest));) {
        while (*part == ' ')
            part++;
        take_pair(file, v, part);
    }
}

static void read_file(const char *name, size_t least)
{
    static struct vector vector;
    char path[256], *line = NULL;
    size_t capacity = 0;
    memset(&vector, 0, sizeof vector);
    memset(&count, 0, sizeof count);
    vector.header_size = vector.plain_size = SIZE_MAX;
    snprintf(path, sizeof path, FOLDER "%s", name);
    FILE *file = fopen(path, "r");
    while (file && getline(&line, &capacity, file) > 0)
        take_line(name, &vector, line);
    check(name, &vector);
    free(line);
    if (file)
        fclose(file);
    ok(!count.wrong && count.gnutls >= least,
       "%s: %zu vectors for GnuTLS, %zu for the wide AES-GCM, wrong %zu", name, count.gnutls,
       count.wide, count.wrong);
}

int main(void)
{
    if (access(FOLDER, F_OK) != 0) {
        tap_skip("published vectors", "the package python3-cryptography-vectors is not installed");
        return tap_done();
    }
    static const struct {
        const char *name;
        size_t least; /* for TLS */
    } files[] = {
        {"AES/GCM/gcmEncryptExtIV128.rsp", 375},
        {"AES/GCM/gcmEncryptExtIV256.rsp", 375},
        {"AES/GCM/gcmDecrypt128.rsp", 375},
        {"AES/GCM/gcmDecrypt256.rsp", 375},
        {"AES/CCM/VNT128.rsp", 10},
        {"AES/CCM/VNT256.rsp", 10},
        {"AES/CCM/VADT128.rsp", 300},
        {"AES/CCM/VTT128.rsp", 20},
        {"AES/CCM/VPT128.rsp", 200},
        {"AES/CCM/DVPT128.rsp", 50},
        {"AES/CCM/DVPT256.rsp", 50},
        {"ChaCha20Poly1305/boringssl.txt", 60},
        {"ChaCha20Poly1305/openssl.txt", 3},
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        read_file(files[i].name, files[i].least);
    return tap_done();
}
