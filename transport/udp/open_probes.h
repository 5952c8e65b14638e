/* transport/udp/open_probes.h: the probes of a path that can still be answered: the latest
 * sixteen. Pure. */
#pragma once

#include <stdint.h>

#include "transport/udp/probe.h"

/* One every eighth of a round trip at most: two round trips. */
#define UDP_OPEN_PROBES 16

/* All zero: none. Owns: whoever has it, udp_open_probes_fini. */
struct udp_open_probes {
    struct udp_open_probe {
        uint8_t nonce[PROBE_NONCE];
        uint64_t sent_us; /* 0: answered, or none */
    } * open;             /* NULL: none was ever sent */
    unsigned next;
};

void udp_open_probes_fini(struct udp_open_probes *self);

void udp_open_probes_add(struct udp_open_probes *self, const uint8_t nonce[PROBE_NONCE],
                         uint64_t now_us);
/* When the one with this nonce was sent; 0: there is none. */
uint64_t udp_open_probes_find(const struct udp_open_probes *self, const uint8_t nonce[PROBE_NONCE]);
/* Those that were sent until then count no more. Returns when the oldest of the others was sent; 0:
 * there is none. */
uint64_t udp_open_probes_close(struct udp_open_probes *self, uint64_t until_us);
