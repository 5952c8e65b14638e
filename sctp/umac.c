/* UMAC-128 with AVX2, or by nettle. */
#include "sctp/umac.h"

#include <endian.h>
#include <nettle/umac.h>
#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

static void by_nettle(struct umac128_ctx *key, const uint8_t *nonce, const uint8_t *head,
                      const uint8_t *rest, size_t length, uint8_t *tag)
{
    umac128_set_nonce(key, SCTP_UMAC_NONCE, nonce);
    umac128_update(key, SCTP_UMAC_HEAD, head);
    umac128_update(key, length, rest);
    umac128_digest(key, SCTP_UMAC_TAG, tag);
}

#if defined(__x86_64__)

/* Four hashes at once; the key of each begins 16 bytes behind that of the one before it. */
#define HASHES 4
#define GROUP  32 /* bytes that are multiplied with each other */

#define AVX2 __attribute__((target("avx2")))

/* ---- section 5.2: NH ---- */

struct sums {
    __m256i of[HASHES / 2]; /* two hashes, two sums each */
};

AVX2 static inline __m256i twice(const uint8_t *at)
{
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)at));
}

AVX2 static inline __m256i keyed(__m256i words, const uint32_t *key)
{
    return _mm256_add_epi32(words, _mm256_loadu_si256((const __m256i *)(const void *)key));
}

AVX2 static inline void add_group(struct sums *sums, const uint32_t *key, const uint8_t *at)
{
    __m256i first = twice(at), second = twice(at + GROUP / 2);
    for (int i = 0; i < HASHES / 2; i++) {
        __m256i a = keyed(first, key + 8 * i), b = keyed(second, key + 8 * i + 4);
        __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(a, 32), _mm256_srli_epi64(b, 32));
        sums->of[i] = _mm256_add_epi64(sums->of[i], _mm256_add_epi64(_mm256_mul_epu32(a, b), odd));
    }
}

AVX2 static inline void add_groups(struct sums *sums, const uint32_t **key, const uint8_t **at,
                                   size_t length)
{
    struct sums sum = *sums;
    for (const uint8_t *end = *at + length; *at != end; *at += GROUP, *key += GROUP / 4)
        add_group(&sum, *key, *at);
    *sums = sum;
}

/* ---- section 5.3: polynomials over the blocks, modulo 2^64 - 59 ---- */

#define OFFSET UINT64_C(59)
#define PRIME  (-OFFSET)

static uint64_t multiply(uint64_t key, uint64_t y)
{
    unsigned __int128 product = (unsigned __int128)key * y;
    uint64_t low = (uint64_t)product, high = (uint64_t)(product >> 64) * OFFSET;
    low += high;
    return low < high ? low + OFFSET : low;
}

static uint64_t append(uint64_t key, uint64_t y, uint64_t value)
{
    if (value >> 32 == UINT32_MAX) {
        y = multiply(key, y);
        y = y ? y - 1 : PRIME - 1;
        value -= OFFSET;
    }
    y = multiply(key, y) + value;
    return y < value ? y + OFFSET : y;
}

/* One block of a message. */
AVX2 static void append_block(const struct umac128_ctx *key, uint64_t y[HASHES], bool only,
                              const struct sums *sums, size_t length)
{
    for (int i = 0; i < HASHES; i++) {
        uint64_t halves[4];
        _mm256_storeu_si256((__m256i *)(void *)halves, sums->of[i / 2]);
        uint64_t value = halves[i % 2 * 2] + halves[i % 2 * 2 + 1] + 8 * length;
        const uint32_t *k = key->l2_key + 6 * i;
        y[i] = only ? value : append(((uint64_t)k[0] << 32) | k[1], y[i], value);
    }
}

/* ---- section 5.4: down to 32 bits ---- */

static uint32_t shorten(const uint64_t *key, uint64_t y)
{
    uint64_t sum = 0;
    for (int i = 3; i >= 0; i--, y >>= 16)
        sum += (y & 0xffff) * key[4 + i];
    return htobe32((uint32_t)(sum % UINT64_C(0xffffffffb)));
}

static void finish(const struct umac128_ctx *key, const uint8_t *nonce, bool only,
                   const uint64_t y[HASHES], uint8_t *tag)
{
    uint8_t block[AES_BLOCK_SIZE] = {0};
    uint32_t words[HASHES];
    memcpy(block, nonce, SCTP_UMAC_NONCE);
    aes128_encrypt(&key->pdf_key, sizeof words, (uint8_t *)words, block);
    for (int i = 0; i < HASHES; i++) {
        uint64_t reduced = !only && y[i] >= PRIME ? y[i] - PRIME : y[i];
        words[i] ^= key->l3_key2[i] ^ shorten(key->l3_key1 + 8 * (size_t)i, reduced);
    }
    memcpy(tag, words, sizeof words);
}

/* Its rest, filled up with zeros. */
AVX2 static void add_rest(struct sums *sums, const uint32_t *key, const uint8_t *at, size_t length)
{
    uint8_t group[GROUP] = {0};
    memcpy(group, at, length);
    add_group(sums, key, group);
}

AVX2 static void by_avx2(const struct umac128_ctx *key, const uint8_t *nonce, const uint8_t *head,
                         const uint8_t *rest, size_t length, uint8_t *tag)
{
    bool only = length <= UMAC_BLOCK_SIZE - SCTP_UMAC_HEAD;
    uint64_t y[HASHES] = {1, 1, 1, 1};
    size_t done = SCTP_UMAC_HEAD; /* of a block */
    const uint32_t *at = key->l1_key;
    struct sums sums = {0};
    add_groups(&sums, &at, &head, SCTP_UMAC_HEAD);
    do {
        size_t more = UMAC_BLOCK_SIZE - done < length ? UMAC_BLOCK_SIZE - done : length;
        add_groups(&sums, &at, &rest, more / GROUP * GROUP);
        if (more % GROUP)
            add_rest(&sums, at, rest, more % GROUP);
        append_block(key, y, only, &sums, done + more);
        length -= more;
        done = 0;
        at = key->l1_key;
        sums = (struct sums){0};
    } while (length);
    finish(key, nonce, only, y, tag);
}

#endif

void sctp_umac(struct umac128_ctx *key, const uint8_t nonce[static SCTP_UMAC_NONCE],
               const uint8_t head[static SCTP_UMAC_HEAD], const uint8_t *rest, size_t length,
               uint8_t tag[static SCTP_UMAC_TAG])
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) {
        by_avx2(key, nonce, head, rest, length, tag);
        return;
    }
#endif
    by_nettle(key, nonce, head, rest, length, tag);
}
