/* tls/vaes_gcm.c: AES-GCM by Intel's library. */
#include "tls/vaes_gcm.h"

#include <stdlib.h>

#ifndef WITHOUT_IPSEC_MB

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <intel-ipsec-mb.h>
#include <pthread.h>
#include <stdalign.h>

#include "base/check.h"

struct tls_vaes_gcm {
    alignas(64) struct gcm_key_data key;
    aes_gcm_enc_dec_t encrypt, decrypt;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static IMB_MGR *library; /* written once, under `once`; NULL: it cannot be used */

/* The library's own choice asks for the same: without all of these it would take narrower code, or,
 * not knowing some of them missing, none. FIPS mode wants GnuTLS's own ciphers, and its variable
 * says which instructions are not to be used. */
static bool has_instructions(const IMB_MGR *manager)
{
    return __builtin_cpu_supports("avx512f") && /* and the system saves its registers */
           (manager->features & IMB_CPUFLAGS_AVX512_T2) == IMB_CPUFLAGS_AVX512_T2;
}

static void find_library(void)
{
    if (getenv("GNUTLS_CPUID_OVERRIDE") || gnutls_fips140_mode_enabled())
        return;
    IMB_MGR *manager = alloc_mb_mgr(0);
    if (!manager)
        return;
    if (has_instructions(manager)) {
        init_mb_mgr_avx512(manager);
        if (imb_get_errno(manager) == 0 && (manager->features & IMB_FEATURE_SELF_TEST_PASS))
            library = manager;
    }
    if (!library)
        free_mb_mgr(manager);
}

bool tls_vaes_gcm_is_here(void)
{
    pthread_once(&once, find_library);
    return library;
}

struct tls_vaes_gcm *tls_vaes_gcm_new(const uint8_t *key, size_t size)
{
    if (!tls_vaes_gcm_is_here() || (size != 16 && size != 32))
        return NULL;
    struct tls_vaes_gcm *self = aligned_alloc(alignof(struct tls_vaes_gcm), sizeof *self);
    check_made(self);
    (size == 32 ? library->gcm256_pre : library->gcm128_pre)(key, &self->key);
    self->encrypt = size == 32 ? library->gcm256_enc : library->gcm128_enc;
    self->decrypt = size == 32 ? library->gcm256_dec : library->gcm128_dec;
    return self;
}

void tls_vaes_gcm_free(struct tls_vaes_gcm *self)
{
    if (self)
        gnutls_memset(self, 0, sizeof *self);
    free(self);
}

/* The context is wiped: it holds key stream, and what the tag is made of. */
void tls_vaes_gcm_seal(const struct tls_vaes_gcm *self, const uint8_t nonce[12],
                       const uint8_t *header, size_t header_size, uint8_t *text, size_t length)
{
    struct gcm_context_data context;
    self->encrypt(&self->key, &context, text, text, length, nonce, header, header_size,
                  text + length, TLS_VAES_GCM_TAG);
    gnutls_memset(&context, 0, sizeof context);
}

bool tls_vaes_gcm_open(const struct tls_vaes_gcm *self, const uint8_t nonce[12],
                       const uint8_t *header, size_t header_size, uint8_t *text, size_t length)
{
    struct gcm_context_data context;
    uint8_t tag[TLS_VAES_GCM_TAG];
    self->decrypt(&self->key, &context, text, text, length, nonce, header, header_size, tag,
                  sizeof tag);
    bool fits = gnutls_memcmp(tag, text + length, sizeof tag) == 0;
    gnutls_memset(&context, 0, sizeof context);
    gnutls_memset(tag, 0, sizeof tag); /* of a forged record it would be the right one */
    return fits;
}

#else

bool tls_vaes_gcm_is_here(void)
{
    return false;
}

struct tls_vaes_gcm *tls_vaes_gcm_new(const uint8_t *key, size_t size)
{
    (void)key, (void)size;
    return NULL;
}

void tls_vaes_gcm_free(struct tls_vaes_gcm *self)
{
    (void)self;
}

void tls_vaes_gcm_seal(const struct tls_vaes_gcm *self, const uint8_t nonce[12],
                       const uint8_t *header, size_t header_size, uint8_t *text, size_t length)
{
    (void)self, (void)nonce, (void)header, (void)header_size, (void)text, (void)length;
    abort(); /* there is no key */
}

bool tls_vaes_gcm_open(const struct tls_vaes_gcm *self, const uint8_t nonce[12],
                       const uint8_t *header, size_t header_size, uint8_t *text, size_t length)
{
    (void)self, (void)nonce, (void)header, (void)header_size, (void)text, (void)length;
    abort();
}

#endif
