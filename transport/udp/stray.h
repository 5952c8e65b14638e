/* transport/udp/stray.h: the limit of answers to packets "out of the blue": well-formed, but
 * of no association (RFC 9260 section 8.4; what is answered, sctp_listener_ootb says). Without
 * answers the peers of an endpoint that was restarted learn of that only by its silence.
 *
 * Source addresses can be forged, so an answer must not be worth asking for: it is never larger
 * than the packet, nor are there more than STRAY_PER_SECOND of them. It can end no association
 * but one whose verification tag the asker knew. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "transport/udp/path_table.h"

/* Of one endpoint; as many at once after a second without any. A thousand peers of a restarted
 * server learn of it as soon as they ask: with 100 the last of 500 waited 9 s. Forged addresses
 * draw 130 Kbit/s at most. */
#define STRAY_PER_SECOND 1000

/* Packets of one peer come in bulks, and one answer is enough for all of them: the next
 * is for when the first was lost. Less than the smallest retransmission time-out (200 ms). */
#define STRAY_REPEAT_US 100000

/* Nothing was answered yet: all zero but per_second. */
struct stray_limit {
    unsigned per_second;     /* STRAY_PER_SECOND, or this one's part of it */
    uint64_t spent_until_us; /* when all of the allowance will have come back */
    uint64_t latest_us;
    struct path_key latest; /* peer of the latest answer */
};

/* True: one more answer may leave, to this peer and at this time, and is counted. */
bool stray_allow(struct stray_limit *limit, const struct path_key *peer, uint64_t now_us);
