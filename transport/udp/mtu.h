/* transport/udp/mtu.h: the largest datagram that passes a path, found by probes (RFC 8899 in
 * spirit; docs/decisions/014-path-mtu.md). Pure: the clock is passed in, probes are sent by others.
 *
 *   IDLE --start--> SEARCHING --> DONE --suspicion, 60 s--> VERIFYING --answer--> DONE
 *                       ^                                       |
 *                       +-- larger packets lost, small ones not +
 *                       +-- 600 s since the last search --------+
 * While not even small packets are answered, it tries again every 10 s.
 *
 * A search begins with a size that always passes. First the largest that can be and the one that
 * the route suggests are asked for, then twice all the sizes that are common. Each answer counts at
 * once. All sizes are bytes of UDP payload, multiples of 4 as SCTP's packets are. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "transport/udp/probe.h"

/* Probes of a round at most, and those that can still be answered: two rounds. */
#define UDP_MTU_ROUND 19
#define UDP_MTU_OPEN  (2 * UDP_MTU_ROUND)

/* Larger sizes are looked for again after so long (RFC 8899 section 5.1.1, PMTU_RAISE_TIMER), and
 * the size in use is confirmed after so long. */
#define UDP_MTU_RAISE_US   (600ull * 1000 * 1000)
#define UDP_MTU_CONFIRM_US (60ull * 1000 * 1000)
/* Losses make us verify at most so often. */
#define UDP_MTU_SUSPECT_US (1000ull * 1000)

enum udp_mtu_state { UDP_MTU_IDLE, UDP_MTU_SEARCHING, UDP_MTU_DONE, UDP_MTU_VERIFYING };

struct udp_mtu_limits {
    uint32_t overhead; /* of IP and UDP */
    uint32_t floor;    /* the smallest that can be used */
    uint32_t guess;    /* the size that the route suggests */
    uint32_t ceiling;  /* the largest */
};

struct udp_mtu {
    uint32_t size;       /* of the largest packets to be sent */
    unsigned blackholes; /* times that it was found too large */
    enum udp_mtu_state state;

    /* private; times are 0 for never */
    struct udp_mtu_limits limits;
    uint32_t base;
    uint32_t passed; /* the largest that was answered in this search; 0: none */
    bool small;      /* a small probe was answered in it */
    unsigned round;
    uint64_t due_us, searched_us, verified_us;
    struct {
        uint8_t nonce[PROBE_NONCE];
        uint32_t size; /* 0: answered, or none */
    } open[UDP_MTU_OPEN];
    unsigned next_open;
};

/* IDLE; size: 1280 bytes less overhead, which every IPv6 path takes, or the ceiling. */
void udp_mtu_init(struct udp_mtu *self, const struct udp_mtu_limits *limits);

/* Begins to search: the path works, the peer answers sized probes. A no-op unless IDLE. */
void udp_mtu_start(struct udp_mtu *self, uint64_t now_us);
/* Large packets were lost, or the system says that they do not fit, or the path was away. */
void udp_mtu_suspect(struct udp_mtu *self, uint64_t now_us);
/* No probes any more, and this size: the peer is another SCTP. */
void udp_mtu_stop(struct udp_mtu *self, uint32_t size);

/* Time passes. answer_us: an answer should be here after so long. Returns how many probes are to be
 * sent now, of which sizes (PROBE_SIZE: a small one); udp_mtu_probed for each. size may change. */
unsigned udp_mtu_tick(struct udp_mtu *self, uint64_t now_us, uint64_t answer_us,
                      uint32_t sizes[UDP_MTU_ROUND]);
/* When to tick next; UINT64_MAX: not before something happens. */
uint64_t udp_mtu_next(const struct udp_mtu *self);

void udp_mtu_probed(struct udp_mtu *self, uint32_t size, const uint8_t nonce[PROBE_NONCE]);
/* False: to no open probe. size may change. */
bool udp_mtu_answered(struct udp_mtu *self, const uint8_t nonce[PROBE_NONCE], uint64_t now_us);
