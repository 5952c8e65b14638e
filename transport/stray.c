#include "transport/stray.h"

#include <string.h>

#include "transport/packet.h"

/* RFC 9260 section 3.3.10. */
#define CAUSE_STALE_COOKIE 3

/* Flag of ABORT and SHUTDOWN COMPLETE: the tag is the receiver's own view of its peer's. */
#define FLAG_TAG_REFLECTED 1

#define INTERVAL_US (1000000 / STRAY_PER_SECOND)
#define BURST_US    1000000

static size_t length_at(const uint8_t *at)
{
    return (size_t)at[2] << 8 | at[3];
}

static size_t padded(size_t length)
{
    return (length + 3) & ~(size_t)3;
}

/* Causes lie behind each other like chunks: a head of four bytes, of which two are the length. */
static bool is_stale_cookie(const uint8_t *chunk)
{
    size_t length = length_at(chunk);
    for (size_t at = 4; at + 4 <= length; at += padded(length_at(chunk + at)))
        if ((chunk[at] << 8 | chunk[at + 1]) == CAUSE_STALE_COOKIE)
            return true;
    return false;
}

static uint32_t chunk_bit(const uint8_t *chunk)
{
    if (chunk[0] == PACKET_CHUNK_ERROR && !is_stale_cookie(chunk))
        return 0;
    return chunk[0] < 32 ? 1u << chunk[0] : 0;
}

static uint32_t chunks_of(const uint8_t *packet, size_t length)
{
    uint32_t bits = 0;
    for (size_t at = PACKET_HEADER; at < length; at += padded(length_at(packet + at)))
        bits |= chunk_bit(packet + at);
    return bits;
}

/* The order is that of section 8.4. One difference: it sends COOKIE ECHO to the checks of section
 * 5.1.5, which drop a cookie that does not verify. The key of each cookie went with the half-open
 * state that made it, so none can verify here, and an ABORT lets the peer begin anew at once. */
static uint8_t answer_to(uint32_t chunks)
{
    const uint32_t first_silent = 1u << PACKET_CHUNK_ABORT | 1u << PACKET_CHUNK_INIT,
                   silent = 1u << PACKET_CHUNK_SHUTDOWN_COMPLETE | 1u << PACKET_CHUNK_ERROR |
                            1u << PACKET_CHUNK_COOKIE_ACK;
    if (chunks & first_silent)
        return 0;
    if (chunks & 1u << PACKET_CHUNK_SHUTDOWN_ACK)
        return PACKET_CHUNK_SHUTDOWN_COMPLETE;
    return (chunks & silent) ? 0 : PACKET_CHUNK_ABORT;
}

bool stray_answer(const uint8_t *packet, size_t length, uint8_t answer[STRAY_ANSWER])
{
    uint8_t type = answer_to(chunks_of(packet, length));
    if (!type)
        return false;
    memcpy(answer, packet + 2, 2); /* the ports change places, the tag stays */
    memcpy(answer + 2, packet, 2);
    memcpy(answer + 4, packet + 4, 4);
    answer[PACKET_HEADER] = type;
    answer[PACKET_HEADER + 1] = FLAG_TAG_REFLECTED;
    answer[PACKET_HEADER + 2] = 0;
    answer[PACKET_HEADER + 3] = 4;
    packet_seal(answer, STRAY_ANSWER);
    return true;
}

bool stray_is_abort(const uint8_t *chunk, size_t length)
{
    return length == STRAY_ANSWER - PACKET_HEADER && chunk[0] == PACKET_CHUNK_ABORT &&
           chunk[1] & FLAG_TAG_REFLECTED;
}

bool stray_allow(struct stray_limit *limit, const struct path_key *peer, uint64_t now_us)
{
    bool repeated = limit->spent_until_us && now_us < limit->latest_us + STRAY_REPEAT_US &&
                    !memcmp(&limit->latest, peer, sizeof *peer);
    uint64_t spent_until = limit->spent_until_us > now_us ? limit->spent_until_us : now_us;
    if (repeated || spent_until + INTERVAL_US > now_us + BURST_US)
        return false;
    limit->spent_until_us = spent_until + INTERVAL_US;
    limit->latest_us = now_us;
    limit->latest = *peer;
    return true;
}
