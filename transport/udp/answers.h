/* transport/udp/answers.h: the limit of answers to addresses of which nothing is known
 * (docs/PROTOCOL.md, S10). Source addresses can be forged, so each answer may be meant for somebody
 * who asked for nothing: there is one allowance for all kinds of them (INIT ACK, packets out of the
 * blue, probes and their answers on paths that are not confirmed), and one for each source: an
 * IPv4 address, a /64 of IPv6. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "transport/transport.h"
#include "transport/udp/path_table.h"

enum answers_kind {
    ANSWERS_INIT, /* INIT ACK */
    ANSWERS_OTHER,
};

/* No answer is larger than so many times its question. */
#define ANSWERS_FACTOR 3

/* In a second; as many at once after a second without any. The largest answer but INIT ACK has 80
 * bytes: 1.3 Mbit/s in all. To one source 1000 of all kinds: behind a NAT may be hundreds of
 * clients, who all come back after a restart (transport/udp/unverified.h). INIT ACKs keep nothing
 * and cost 2 us: where all sources together had fewer, a flood from forged ones would take them,
 * and a client's INIT would find none left. */
#define ANSWERS_PER_SECOND       2000
#define ANSWERS_OF_SOURCE        1000
#define ANSWERS_INITS_PER_SECOND 200000

/* Sources that share a place share an allowance; who has which place is not to be guessed. 100 000
 * forged ones a second take 2 answers of each. */
#define ANSWERS_SOURCES 65536

/* Several sockets that share an address each have a part of all this: of a source no less than
 * this, which a client that connects does not use up. */
#define ANSWERS_OF_SOURCE_LEAST 100

struct answers {
    uint64_t seed;
    unsigned per_second[ANSWERS_OTHER + 1], of_source; /* this one's part */
    uint64_t spent_until_ns[ANSWERS_OTHER + 1];        /* when all of the allowance will be back */
    uint64_t source_spent_until_ns[ANSWERS_SOURCES];
};

/* All other bytes zero. Thread: any. */
void answers_init(struct answers *self, const struct sctp_sharing *sharing);

/* True: one more may leave for this address, and is counted. */
bool answers_allow(struct answers *self, enum answers_kind kind, const struct address *to,
                   uint64_t now_us);

/* ---- answers of one kind ---- */

/* A packet "out of the blue" is well-formed, but of no association (RFC 9260 section 8.4;
 * sctp_listener_ootb chooses the answer). Without answers the peers of an endpoint that was
 * restarted learn of that only by its silence. An answer can end no association but one whose
 * verification tag the asker knew. */

/* Of one endpoint; as many at once after a second without any. A thousand peers of a restarted
 * server learn of it as soon as they ask: with 100 the last of 500 waited 9 s. Forged addresses
 * draw 130 Kbit/s at most. */
#define ANSWERS_OOTB_PER_SECOND 1000

/* Packets of one peer come in bulks, and one answer is enough for all of them: the next
 * is for when the first was lost. Less than the smallest retransmission time-out (200 ms). */
#define ANSWERS_REPEAT_US 100000

/* Nothing was answered yet: all zero but per_second. */
struct answers_limit {
    unsigned per_second;     /* ANSWERS_OOTB_PER_SECOND, or this one's part of it */
    uint64_t spent_until_us; /* when all of the allowance will have come back */
    uint64_t latest_us;
    struct path_key latest; /* peer of the latest answer */
};

/* True: one more answer may leave, to this peer and at this time, and is counted. */
bool answers_limit_allow(struct answers_limit *limit, const struct path_key *peer, uint64_t now_us);
