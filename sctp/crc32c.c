/* CRC32c by carry-less products, by CRC instructions, or by tables. */
#include "sctp/crc32c.h"

#include <endian.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#endif

/* The Castagnoli polynomial, bits reversed. */
#define POLYNOMIAL 0x82f63b78u

/* Bytes of each of the three streams. The instruction has a latency of 3 cycles and a throughput
 * of 1, so three independent streams run at three times the speed of one. 1452-byte packets take
 * one round of the short ones, packets on loopback (33 KB) mostly long ones. */
#define SHORT_STREAM 256
#define LONG_STREAM  2048

/* Of the checksum in a packet. */
#define FIELD_AT (CRC32C_FIELD_END - 4)

/* Filled once; read-only afterwards. slices[k][b]: CRC of byte b followed by k zero bytes.
 * skip_*[k][b]: what byte k of a CRC contributes after SHORT_ or LONG_STREAM zero bytes. */
static uint32_t slices[8][256];
static uint32_t skip_short[4][256], skip_long[4][256];
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

static uint32_t zero_bytes(uint32_t crc, size_t count)
{
    while (count--)
        crc = crc >> 8 ^ slices[0][crc & 0xff];
    return crc;
}

/* The operator "append count zero bytes" is linear, so its effect on a whole CRC is the sum of
 * its effects on single bits. */
static void fill_skip(uint32_t skip[4][256], size_t count)
{
    uint32_t of_bit[32];
    for (int bit = 0; bit < 32; bit++)
        of_bit[bit] = zero_bytes(1u << bit, count);
    for (int byte = 0; byte < 4; byte++)
        for (int value = 0; value < 256; value++) {
            uint32_t sum = 0;
            for (int bit = 0; bit < 8; bit++)
                sum ^= value >> bit & 1 ? of_bit[byte * 8 + bit] : 0;
            skip[byte][value] = sum;
        }
}

static void fill_tables(void)
{
    for (uint32_t value = 0; value < 256; value++) {
        uint32_t crc = value;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ POLYNOMIAL : crc >> 1;
        slices[0][value] = crc;
    }
    for (int slice = 1; slice < 8; slice++)
        for (int value = 0; value < 256; value++)
            slices[slice][value] =
                slices[slice - 1][value] >> 8 ^ slices[0][slices[slice - 1][value] & 0xff];
    fill_skip(skip_short, SHORT_STREAM);
    fill_skip(skip_long, LONG_STREAM);
}

static inline uint64_t load64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static uint32_t by_tables(uint32_t crc, const uint8_t *at, size_t length)
{
    pthread_once(&tables_once, fill_tables);
    for (; length >= 8; at += 8, length -= 8) {
        uint64_t word = le64toh(load64(at)) ^ crc;
        crc = 0;
        for (int byte = 0; byte < 8; byte++)
            crc ^= slices[7 - byte][word >> 8 * byte & 0xff];
    }
    for (; length; at++, length--)
        crc = crc >> 8 ^ slices[0][(crc ^ *at) & 0xff];
    return crc;
}

uint32_t crc32c_portable(const void *data, size_t length)
{
    return htole32(~by_tables(UINT32_MAX, data, length));
}

#if defined(__x86_64__)
#define HARDWARE
#define TARGET       __attribute__((target("sse4.2")))
#define STEP8(c, at) _mm_crc32_u64((c), load64(at))
#define STEP1(c, at) _mm_crc32_u8((uint32_t)(c), *(at))
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#define HARDWARE
#define TARGET
#define STEP8(c, at) __crc32cd((uint32_t)(c), load64(at))
#define STEP1(c, at) __crc32cb((uint32_t)(c), *(at))
#endif

#ifdef HARDWARE

static inline uint32_t skip(uint32_t table[4][256], uint32_t crc)
{
    return table[0][crc & 0xff] ^ table[1][crc >> 8 & 0xff] ^ table[2][crc >> 16 & 0xff] ^
           table[3][crc >> 24];
}

/* Three streams of `stream` bytes each, joined by advancing the earlier sums over the later
 * bytes. Returns the CRC after 3 * stream bytes. */
TARGET static inline uint32_t three_streams(uint32_t crc, const uint8_t *at, size_t stream,
                                            uint32_t table[4][256])
{
    uint64_t first = crc, second = 0, third = 0;
    for (const uint8_t *end = at + stream; at < end; at += 8) {
        first = STEP8(first, at);
        second = STEP8(second, at + stream);
        third = STEP8(third, at + 2 * stream);
    }
    return skip(table, skip(table, (uint32_t)first) ^ (uint32_t)second) ^ (uint32_t)third;
}

TARGET static uint32_t advance(uint32_t crc, const uint8_t *at, size_t length)
{
    if (length >= 3 * SHORT_STREAM)
        pthread_once(&tables_once, fill_tables);
    for (; length >= 3 * LONG_STREAM; at += 3 * LONG_STREAM, length -= 3 * LONG_STREAM)
        crc = three_streams(crc, at, LONG_STREAM, skip_long);
    for (; length >= 3 * SHORT_STREAM; at += 3 * SHORT_STREAM, length -= 3 * SHORT_STREAM)
        crc = three_streams(crc, at, SHORT_STREAM, skip_short);
    uint64_t wide = crc;
    for (; length >= 8; at += 8, length -= 8)
        wide = STEP8(wide, at);
    crc = (uint32_t)wide;
    for (; length; at++, length--)
        crc = STEP1(crc, at);
    return crc;
}

#if defined(__x86_64__)

#define FOLD_LEAST 256 /* four times 64 */

/* Carry-less products of 64 bytes each (Gopal et al., "Fast CRC computation using PCLMULQDQ"): what
 * comes a number of bits later has the same remainder as what it is added to. */
#define FOLD __attribute__((target("avx512f,vpclmulqdq,sse4.2")))

FOLD static inline __m512i fold(__m512i sum, __m512i by, __m512i later)
{
    return _mm512_ternarylogic_epi64(_mm512_clmulepi64_epi128(sum, by, 0x00),
                                     _mm512_clmulepi64_epi128(sum, by, 0x11), later, 0x96);
}

/* Powers of x for that many bits, for the two halves of 128 bits. */
#define BY_512  _mm512_set4_epi32(0, (int)0x9e4addf8, 0, 0x740eef02)
#define BY_1024 _mm512_set4_epi32(0, 0x0d3b6092, 0, 0x6992cea2)
#define BY_1536 _mm512_set4_epi32(0, (int)0xab7aff2a, 0, (int)0xa87ab8a8)
#define BY_2048 _mm512_set4_epi32(0, (int)0xb9e02b86, 0, (int)0xdcb17aa4)
/* Each lane on the last one: by 384, 256, 128 bits. */
#define TO_LAST                                                                                    \
    _mm512_setr_epi32(0x1c291d04, 0, (int)0xddc0152b, 0, 0x3da6d0cb, 0, (int)0xba4fc28e, 0,        \
                      (int)0xf20c0dfe, 0, 0x493c7d27, 0, 0, 0, 0, 0)

FOLD static uint32_t finish_fold(__m512i sum)
{
    uint64_t lanes[8];
    _mm512_storeu_si512(lanes, fold(sum, TO_LAST, _mm512_maskz_mov_epi64(0xc0, sum)));
    uint64_t crc = _mm_crc32_u64(0, lanes[0] ^ lanes[2] ^ lanes[4] ^ lanes[6]);
    return (uint32_t)_mm_crc32_u64(crc, lanes[1] ^ lanes[3] ^ lanes[5] ^ lanes[7]);
}

/* A multiple of 4 bytes, at least FOLD_LEAST. Zeros before the first bytes, to which the CRC so far
 * is added, change nothing: so the first 64 bytes are filled up with them, and all others are
 * whole. */
FOLD static uint32_t by_folding(uint32_t crc, const uint8_t *at, size_t length)
{
    unsigned zeros = (unsigned)(-length % 64 / 4);
    __mmask16 rest = (__mmask16)(0xffffu << zeros);
    const uint8_t *end = at + length;
    at -= 4 * zeros;
    __m512i a = _mm512_xor_si512(_mm512_maskz_loadu_epi32(rest, at),
                                 _mm512_maskz_set1_epi32((__mmask16)(1u << zeros), (int)crc));
    __m512i b = _mm512_loadu_si512(at + 64), c = _mm512_loadu_si512(at + 128),
            d = _mm512_loadu_si512(at + 192);
    for (at += 256; end - at >= 256; at += 256) {
        a = fold(a, BY_2048, _mm512_loadu_si512(at));
        b = fold(b, BY_2048, _mm512_loadu_si512(at + 64));
        c = fold(c, BY_2048, _mm512_loadu_si512(at + 128));
        d = fold(d, BY_2048, _mm512_loadu_si512(at + 192));
    }
    d = fold(a, BY_1536, fold(b, BY_1024, fold(c, BY_512, d)));
    for (; at < end; at += 64)
        d = fold(d, BY_512, _mm512_loadu_si512(at));
    return finish_fold(d);
}

TARGET static uint32_t by_instructions(uint32_t crc, const uint8_t *at, size_t length)
{
    if (length < FOLD_LEAST || !__builtin_cpu_supports("avx512f") ||
        !__builtin_cpu_supports("vpclmulqdq"))
        return advance(crc, at, length);
    for (; length % 4; at++, length--)
        crc = STEP1(crc, at);
    return by_folding(crc, at, length);
}

#else
#define by_instructions advance
#endif

static bool has_instruction(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("sse4.2");
#else
    return true; /* this file was compiled for such processors only */
#endif
}

static uint32_t proceed(uint32_t crc, const uint8_t *at, size_t length)
{
    return has_instruction() ? by_instructions(crc, at, length) : by_tables(crc, at, length);
}

#else

static uint32_t proceed(uint32_t crc, const uint8_t *at, size_t length)
{
    return by_tables(crc, at, length);
}

#endif

uint32_t crc32c_compute(const void *data, size_t length)
{
    return htole32(~proceed(UINT32_MAX, data, length));
}

uint32_t crc32c_packet(const void *packet, size_t length)
{
    uint8_t head[CRC32C_FIELD_END] = {0};
    memcpy(head, packet, FIELD_AT);
    uint32_t crc = proceed(UINT32_MAX, head, sizeof head);
    return htole32(~proceed(crc, (const uint8_t *)packet + sizeof head, length - sizeof head));
}
