/* transport/answers.h: how much an endpoint says to addresses of which nothing is known
 * (docs/PROTOCOL.md, S10). Source addresses can be forged, so each answer may be meant for somebody
 * who asked for nothing: there is one allowance for all kinds of them (INIT ACK, what is out of the
 * blue, probes and their answers on paths that are not confirmed), and one for each source: an
 * IPv4 address, a /64 of IPv6. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

/* No answer is larger than so many times its question. */
#define ANSWERS_FACTOR 3

/* In a second; as many at once after a second without any. The largest answer has about 120 bytes:
 * 2 Mbit/s in all, 100 kbit/s to one source, behind which may be a NAT with many clients. */
#define ANSWERS_PER_SECOND 2000
#define ANSWERS_OF_SOURCE  100

/* Sources that share a place share an allowance; who has which place is not to be guessed. */
#define ANSWERS_SOURCES 4096

struct answers {
    uint64_t seed;
    uint64_t spent_until_us; /* when all of the allowance will have come back */
    uint64_t source_spent_until_us[ANSWERS_SOURCES];
};

/* All other bytes zero. Thread: any. */
void answers_init(struct answers *self);

/* Whether one more may leave for this address; counts it if so. */
bool answers_allow(struct answers *self, const struct address *to, uint64_t now_us);
