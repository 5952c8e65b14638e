/* The paths of an association, as the kernel has them. */
#include "transport/kernel/kernel.h"

#include <netinet/in.h>
#include <netinet/sctp.h>
#include <string.h>
#include <sys/socket.h>

#include "base/check.h"

#define SCHEDULER_ROUND_ROBIN 2 /* as in kernel/socket.c */

static enum path_state state_of(int32_t state)
{
    switch (state) {
    case SCTP_ACTIVE:
        return PATH_ACTIVE;
    case SCTP_PF:
        return PATH_FAILING;
    case SCTP_UNCONFIRMED:
        return PATH_UNCONFIRMED;
    default: /* SCTP_INACTIVE, SCTP_UNKNOWN */
        return PATH_INACTIVE;
    }
}

/* The kernel's own value is in steps of its clock, 1 to 10 ms, and 0 below that: we have measured
 * the handshake, or say the least that it can say. */
static uint32_t round_trip(const struct kernel_association *self, uint32_t srtt)
{
    if (srtt || !self->handshake_rtt_us)
        return kernel_state_round_trip(srtt ? srtt : 1);
    return self->handshake_rtt_us;
}

static bool look_at(const struct kernel_association *self, struct path_status *path)
{
    struct sctp_paddrinfo info = {0};
    socklen_t size = sizeof info;
    memcpy(&info.spinfo_address, &path->address.any, path->address.length);
    if (getsockopt(self->fd.fd, IPPROTO_SCTP, SCTP_GET_PEER_ADDR_INFO, &info, &size))
        return false;
    path->state = state_of(info.spinfo_state);
    path->mtu = info.spinfo_mtu;
    path->congestion_window = info.spinfo_cwnd;
    if (path->state != PATH_UNCONFIRMED)
        path->rtt_us = round_trip(self, info.spinfo_srtt);
    return true;
}

/* The kernel does not say which path it sends on, but how it chooses (net/sctp/associola.c,
 * sctp_select_active_and_retran_path): the primary one while it is active, else an active one
 * (of several the one heard from last, which is not told: the first is named here), else a failing
 * one, else the primary. */
static void mark_in_use(struct kernel_association *self, struct path_status *paths, size_t count)
{
    struct address primary = {0};
    size_t in_use = 0, best = 0;
    static const size_t rank[] = {
        [PATH_ACTIVE] = 3, [PATH_FAILING] = 2, [PATH_INACTIVE] = 0, [PATH_UNCONFIRMED] = 0};
    kernel_state_primary(self->fd.fd, &primary);
    for (size_t i = 0; i < count; i++) {
        bool is_primary = address_equal(&paths[i].address, &primary);
        size_t score = 2 * rank[paths[i].state] + is_primary + 1;
        if (score > best) {
            best = score;
            in_use = i;
        }
    }
    if (count)
        paths[in_use].in_use = true;
}

static size_t look(struct kernel_association *self,
                   struct path_status paths[TRANSPORT_ADDRESSES_MAX])
{
    struct sockaddr *packed = NULL;
    size_t found = 0;
    int count = self->fd.fd < 0 ? 0 : sctp_getpaddrs(self->fd.fd, 0, &packed);
    const char *next = (const char *)packed;
    for (int i = 0; i < count && found < TRANSPORT_ADDRESSES_MAX; i++) {
        paths[found] = (struct path_status){.address = kernel_state_address(next)};
        next += paths[found].address.length;
        found += look_at(self, &paths[found]);
    }
    if (count > 0)
        sctp_freepaddrs(packed);
    mark_in_use(self, paths, found);
    return found;
}

static const struct path_status *known(const struct kernel_association *self,
                                       const struct path_status *path)
{
    for (size_t i = 0; i < self->paths.count; i++)
        if (address_equal(&self->paths.list[i].address, &path->address))
            return &self->paths.list[i];
    return NULL;
}

/* The events of the kernel tell of one path, and not which is used instead: so all are looked at.
 */
void kernel_path_look(struct kernel_association *self)
{
    struct path_status paths[TRANSPORT_ADDRESSES_MAX];
    bool changed[TRANSPORT_ADDRESSES_MAX];
    if (!association_is_up(&self->base) || !self->base.events->on_path)
        return;
    size_t count = look(self, paths);
    for (size_t i = 0; i < count; i++) {
        const struct path_status *before = known(self, &paths[i]);
        changed[i] =
            !before || before->state != paths[i].state || (paths[i].in_use && !before->in_use);
    }
    memcpy(self->paths.list, paths, count * sizeof *paths);
    self->paths.count = count;
    for (size_t i = 0; i < count && self->base.state != ASSOCIATION_ENDED; i++)
        if (changed[i])
            self->base.events->on_path(self->base.events, &paths[i]);
}

static const char *scheduler_name(int fd)
{
    struct sctp_assoc_value scheduler = {0};
    socklen_t size = sizeof scheduler;
    bool known_one = !getsockopt(fd, IPPROTO_SCTP, SCTP_STREAM_SCHEDULER, &scheduler, &size);
    return known_one && scheduler.assoc_value == SCHEDULER_ROUND_ROBIN ? "round-robin"
                                                                       : "first-come";
}

void kernel_path_status(struct association *association, struct association_status *status)
{
    struct kernel_association *self = container_of(association, struct kernel_association, base);
    struct sctp_assoc_stats stats = {0};
    socklen_t size = sizeof stats;
    *status = (struct association_status){.streams = self->streams,
                                          .scheduler = scheduler_name(self->fd.fd)};
    if (!getsockopt(self->fd.fd, IPPROTO_SCTP, SCTP_GET_ASSOC_STATS, &stats, &size))
        status->retransmissions = stats.sas_rtxchunks;
    status->path_count = look(self, status->paths);
}
