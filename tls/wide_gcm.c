#include "tls/wide_gcm.h"

#include <stdlib.h>

#if __has_include(<intel-ipsec-mb.h>)

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <intel-ipsec-mb.h>
#include <pthread.h>
#include <stdalign.h>

#include "base/check.h"

struct tls_wide_gcm {
    alignas(64) struct gcm_key_data key;
    bool is_256;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static IMB_MGR *library; /* written once, under `once`; NULL: it cannot be used */

/* The processor is asked first: the library would run its tests on any. FIPS mode wants GnuTLS's
 * own ciphers, and its variable says which instructions are not to be used. */
static void find_library(void)
{
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512vl") ||
        !__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("vpclmulqdq") ||
        getenv("GNUTLS_CPUID_OVERRIDE") || gnutls_fips140_mode_enabled())
        return;
    library = alloc_mb_mgr(0);
    if (!library)
        return;
    init_mb_mgr_avx512(library);
    if (imb_get_errno(library) == 0 && (library->features & IMB_FEATURE_VAES) &&
        (library->features & IMB_FEATURE_SELF_TEST_PASS))
        return;
    free_mb_mgr(library);
    library = NULL;
}

bool tls_wide_gcm_is_here(void)
{
    pthread_once(&once, find_library);
    return library;
}

struct tls_wide_gcm *tls_wide_gcm_new(const uint8_t *key, size_t size)
{
    if (!tls_wide_gcm_is_here() || (size != 16 && size != 32))
        return NULL;
    struct tls_wide_gcm *self = aligned_alloc(alignof(struct tls_wide_gcm), sizeof *self);
    must(self);
    self->is_256 = size == 32;
    if (self->is_256)
        IMB_AES256_GCM_PRE(library, key, &self->key);
    else
        IMB_AES128_GCM_PRE(library, key, &self->key);
    return self;
}

void tls_wide_gcm_free(struct tls_wide_gcm *self)
{
    if (self)
        gnutls_memset(self, 0, sizeof *self);
    free(self);
}

void tls_wide_gcm_seal(const struct tls_wide_gcm *self, const uint8_t nonce[12],
                       const uint8_t *header, size_t header_size, uint8_t *text, size_t length)
{
    struct gcm_context_data context;
    if (self->is_256)
        IMB_AES256_GCM_ENC(library, &self->key, &context, text, text, length, nonce, header,
                           header_size, text + length, TLS_WIDE_GCM_TAG);
    else
        IMB_AES128_GCM_ENC(library, &self->key, &context, text, text, length, nonce, header,
                           header_size, text + length, TLS_WIDE_GCM_TAG);
}

bool tls_wide_gcm_open(const struct tls_wide_gcm *self, const uint8_t nonce[12],
                       const uint8_t *header, size_t header_size, uint8_t *text, size_t length)
{
    struct gcm_context_data context;
    uint8_t tag[TLS_WIDE_GCM_TAG];
    if (self->is_256)
        IMB_AES256_GCM_DEC(library, &self->key, &context, text, text, length, nonce, header,
                           header_size, tag, sizeof tag);
    else
        IMB_AES128_GCM_DEC(library, &self->key, &context, text, text, length, nonce, header,
                           header_size, tag, sizeof tag);
    return gnutls_memcmp(tag, text + length, sizeof tag) == 0;
}

#else

bool tls_wide_gcm_is_here(void)
{
    return false;
}

struct tls_wide_gcm *tls_wide_gcm_new(const uint8_t *key, size_t size)
{
    (void)key, (void)size;
    return NULL;
}

void tls_wide_gcm_free(struct tls_wide_gcm *self)
{
    (void)self;
}

void tls_wide_gcm_seal(const struct tls_wide_gcm *self, const uint8_t nonce[12],
                       const uint8_t *header, size_t header_size, uint8_t *text, size_t length)
{
    (void)self, (void)nonce, (void)header, (void)header_size, (void)text, (void)length;
    abort(); /* there is no key */
}

bool tls_wide_gcm_open(const struct tls_wide_gcm *self, const uint8_t nonce[12],
                       const uint8_t *header, size_t header_size, uint8_t *text, size_t length)
{
    (void)self, (void)nonce, (void)header, (void)header_size, (void)text, (void)length;
    abort();
}

#endif
