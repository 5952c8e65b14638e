/* Paths that lose their large packets without a word. */
#include "transport/kernel/kernel.h"

#include "base/log.h"

/* An eighth of dead_after each: 4 s, if that is 15 s. When packets have become smaller, nothing is
 * sent again before the next time-out, which may have doubled to 10 s meanwhile. */
#define LOOKS_AT_FIRST   2
#define LOOKS_THEREAFTER 8

/* Every IPv6 link takes the first, any host the second (RFC 9260 section 8.3 and RFC 791: 576). */
static const uint32_t sizes[] = {1280, 576};
#define SIZES (sizeof sizes / sizeof *sizes)

/* Without a word from the peer it is no matter of large packets. */
static void count(struct kernel_association *self, const struct kernel_traffic *now)
{
    const struct kernel_traffic *before = &self->life.traffic;
    if (!before->unacknowledged || !now->unacknowledged || now->sacks != before->sacks)
        self->life.stuck_looks = 0;
    else if (now->packets != before->packets)
        self->life.stuck_looks++;
    self->life.traffic = *now;
}

/* For associations that begin later. */
static void remember(struct kernel *transport)
{
    kernel_socket_shrink(transport->endpoint.fd, sizes[0]);
    if (transport->options.mtu_found)
        *transport->options.mtu_found = sizes[0];
}

static void shrink(struct kernel_association *self, uint32_t size)
{
    char text[ADDRESS_TEXT_MAX] = "";
    struct address peer;
    if (kernel_state_primary(self->fd.fd, &peer))
        address_format(&peer, text);
    log_write(LOG_WARNING, LOG_ABOUT(.address = text),
              "large packets vanish on the way: none above %u bytes from now on", size);
    kernel_socket_shrink(self->fd.fd, size);
}

void kernel_mtu_look(struct kernel_association *self, const struct kernel_traffic *now)
{
    count(self, now);
    unsigned looks = self->life.smaller ? LOOKS_THEREAFTER : LOOKS_AT_FIRST;
    if (self->life.stuck_looks < looks || self->transport->options.mtu)
        return;
    self->life.stuck_looks = 0;
    if (self->life.smaller) /* chunks that were cut already stay too large: nobody cuts them up */
        remember(self->transport);
    if (self->life.smaller < SIZES)
        shrink(self, sizes[self->life.smaller++]);
    else
        kernel_life_end(self, ERR_TRANSPORT_LOST, "large packets vanish on the way");
}
