/* tests/memory/memory.h: the transport for tests: both ends in one process (on one loop or on two),
 * with injected delay, small send queues and loss of the association. Seeded, so that a run can
 * be repeated. Addresses are any numeric address; the port names the endpoint. */
#pragma once

#include <stdint.h>

#include "transport/transport.h"

struct memory_faults {
    uint64_t seed;
    uint64_t delay_us;      /* each way */
    uint64_t jitter_us;     /* added at random; order within a stream stays */
    uint32_t queue_bytes;   /* send says ERR_AGAIN beyond this; 0: 256 KiB */
    uint32_t again_percent; /* sends that say ERR_AGAIN for no reason */
    uint64_t
        lose_after; /* associations vanish (ERR_TRANSPORT_LOST) after as many messages; 0: never */
};

extern const struct transport_ops memory_ops;

/* For transports opened afterwards on this process. Thread: any, before they are opened. */
void memory_set_faults(const struct memory_faults *faults);
