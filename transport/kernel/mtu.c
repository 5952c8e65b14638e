#include "transport/kernel/kernel.h"

#include "base/log.h"

/* An eighth of dead_after each: 4 s, if that is 15 s. When packets have become smaller, nothing is
 * sent again before the next time-out, which may have doubled to 10 s meanwhile. */
#define LOOKS_AT_FIRST   2
#define LOOKS_THEREAFTER 8

/* What every IPv6 link takes; then what any host takes (RFC 9260 section 8.3 and RFC 791: 576). */
static const uint32_t sizes[] = {1280, 576};
#define SIZES (sizeof sizes / sizeof *sizes)

/* Without a word from the peer it is no matter of large packets. */
static void count(struct kernel_association *self, const struct kernel_socket_traffic *now)
{
    const struct kernel_socket_traffic *before = &self->traffic;
    if (!before->unacknowledged || !now->unacknowledged || now->sacks != before->sacks)
        self->stuck_looks = 0;
    else if (now->packets != before->packets)
        self->stuck_looks++;
    self->traffic = *now;
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
    if (kernel_path_primary(self->fd.fd, &peer))
        address_format(&peer, text);
    log_write(LOG_WARNING, LOG_ABOUT(.address = text),
              "large packets vanish on the way: none above %u bytes from now on", size);
    kernel_socket_shrink(self->fd.fd, size);
}

void kernel_mtu_look(struct kernel_association *self, const struct kernel_socket_traffic *now)
{
    count(self, now);
    unsigned looks = self->smaller ? LOOKS_THEREAFTER : LOOKS_AT_FIRST;
    if (self->stuck_looks < looks || self->transport->options.mtu)
        return;
    self->stuck_looks = 0;
    if (self->smaller) /* what is cut already is too large for good: nobody cuts it up */
        remember(self->transport);
    if (self->smaller < SIZES)
        shrink(self, sizes[self->smaller++]);
    else
        kernel_association_end(self, ERR_TRANSPORT_LOST, "large packets vanish on the way");
}
