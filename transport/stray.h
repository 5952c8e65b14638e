/* transport/stray.h: the answer to packets that are "out of the blue": well-formed, but of no
 * association (RFC 9260 section 8.4). Without it the peers of an endpoint that was restarted learn
 * of that only by its silence.
 *
 * Source addresses can be forged, so an answer must not be worth asking for: it is never larger
 * than the packet, nor are there more than STRAY_PER_SECOND of them. It can end no association
 * but one whose verification tag the asker knew. Knows neither sockets nor usrsctp. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/path.h"

/* Bytes of an answer: header and an empty chunk, which is also the smallest packet there is. */
#define STRAY_ANSWER 16

/* Of one endpoint; as many at once after a second without any. A thousand peers of a restarted
 * server learn of it within 10 s, and who forges addresses gets 13 Kbit/s out of it. */
#define STRAY_PER_SECOND 100

/* What is under way from one peer comes in bulks, and one answer is enough for all of it: the next
 * is for when the first was lost. Less than the smallest retransmission time-out (200 ms). */
#define STRAY_REPEAT_US 100000

/* All zero: nothing was answered yet. */
struct stray_limit {
    uint64_t spent_until_us; /* when all of the allowance will have come back */
    uint64_t latest_us;
    struct path_key latest; /* peer of the latest answer */
};

/* Makes the sealed answer to a packet that passed packet_check: ABORT with the tag reflected,
 * SHUTDOWN COMPLETE for a SHUTDOWN ACK. False for what must get none: ABORT, SHUTDOWN COMPLETE,
 * COOKIE ACK, ERROR for a stale cookie, and INIT, which the caller answers or not. Thread: any. */
bool stray_answer(const uint8_t *packet, size_t length, uint8_t answer[STRAY_ANSWER]);

/* Whether an ABORT chunk, of length bytes with its header, is such an answer of the peer's. */
bool stray_is_abort(const uint8_t *chunk, size_t length);

/* Whether one more answer may leave, to this peer and at this time; counts it if so. */
bool stray_allow(struct stray_limit *limit, const struct path_key *peer, uint64_t now_us);
