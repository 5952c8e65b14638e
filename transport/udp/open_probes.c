/* The open probes of a path. */
#include "transport/udp/open_probes.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

void udp_open_probes_fini(struct udp_open_probes *self)
{
    free(self->open);
    *self = (struct udp_open_probes){0};
}

void udp_open_probes_add(struct udp_open_probes *self, const uint8_t nonce[PROBE_NONCE],
                         uint64_t now_us)
{
    if (!self->open)
        self->open = check_alloc(UDP_OPEN_PROBES * sizeof *self->open);
    struct udp_open_probe *probe = &self->open[self->next++ % UDP_OPEN_PROBES];
    memcpy(probe->nonce, nonce, PROBE_NONCE);
    probe->sent_us = now_us;
}

uint64_t udp_open_probes_find(const struct udp_open_probes *self, const uint8_t nonce[PROBE_NONCE])
{
    for (unsigned i = 0; self->open && i < UDP_OPEN_PROBES; i++)
        if (self->open[i].sent_us && !memcmp(self->open[i].nonce, nonce, PROBE_NONCE))
            return self->open[i].sent_us;
    return 0;
}

uint64_t udp_open_probes_close(struct udp_open_probes *self, uint64_t until_us)
{
    uint64_t oldest_us = 0;
    for (unsigned i = 0; self->open && i < UDP_OPEN_PROBES; i++) {
        uint64_t sent_us = self->open[i].sent_us;
        if (sent_us <= until_us)
            self->open[i].sent_us = 0;
        else if (!oldest_us || sent_us < oldest_us)
            oldest_us = sent_us;
    }
    return oldest_us;
}
