/* An association as the kernel sees it. */
#include "transport/kernel/socket.h"

#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/sctp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

static bool get_status(int fd, struct sctp_status *status)
{
    socklen_t size = sizeof *status;
    *status = (struct sctp_status){0};
    return !getsockopt(fd, IPPROTO_SCTP, SCTP_STATUS, status, &size);
}

uint16_t kernel_state_streams(int fd)
{
    struct sctp_status status;
    if (!get_status(fd, &status))
        return 0;
    return status.sstat_outstrms < status.sstat_instrms ? status.sstat_outstrms
                                                        : status.sstat_instrms;
}

/* In jiffies, whatever RFC 6458 section 8.2.1 says (net/sctp/socket.c); the resolution of the
 * coarse clock is one of them, 1 to 10 ms. */
uint32_t kernel_state_round_trip(uint32_t srtt)
{
    struct timespec jiffy = {.tv_nsec = 4000000};
    clock_getres(CLOCK_MONOTONIC_COARSE, &jiffy);
    return srtt * (uint32_t)(jiffy.tv_nsec / 1000);
}

/* A round trip of 0 is one that is shorter than a step, or none that was measured yet. */
static bool has_measured(int fd, const struct sctp_status *status)
{
    struct sctp_rtoinfo rto = {0};
    socklen_t size = sizeof rto;
    return !getsockopt(fd, IPPROTO_SCTP, SCTP_RTOINFO, &rto, &size) &&
           status->sstat_primary.spinfo_rto != rto.srto_initial;
}

/* Each byte of data counts about twice: the kernel counts the memory that chunks take. Measured
 * with 6.1: 1.74 times in messages of 1400 bytes, 1.75 of 16384, 2.06 of 1200, 2.23 of 1604. Rather
 * too little than too much: a window that only seems full does not grow. */
static size_t data_of(size_t memory)
{
    return memory * 4 / 9;
}

struct kernel_state kernel_state_look(int fd)
{
    struct kernel_state state = {0};
    uint32_t memory[SK_MEMINFO_VARS] = {0};
    socklen_t size = sizeof memory;
    struct sctp_status status;
    if (!getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, &size))
        state.queued = data_of(memory[SK_MEMINFO_WMEM_QUEUED]);
    if (get_status(fd, &status)) {
        state.congestion_window = status.sstat_primary.spinfo_cwnd;
        state.chunk = status.sstat_fragmentation_point;
        state.rtt_us = kernel_state_round_trip(status.sstat_primary.spinfo_srtt);
        if (!state.rtt_us && has_measured(fd, &status))
            state.rtt_us = 1;
    }
    return state;
}

struct kernel_traffic kernel_state_traffic(int fd)
{
    struct sctp_assoc_stats stats = {0};
    struct sctp_status status;
    socklen_t size = sizeof stats;
    if (getsockopt(fd, IPPROTO_SCTP, SCTP_GET_ASSOC_STATS, &stats, &size) ||
        !get_status(fd, &status))
        return (struct kernel_traffic){0};
    return (struct kernel_traffic){.packets = stats.sas_ipackets,
                                   .sacks = stats.sas_isacks,
                                   .unacknowledged = status.sstat_unackdata};
}

static socklen_t address_size(const struct sockaddr *address)
{
    return address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                          : sizeof(struct sockaddr_in);
}

struct address kernel_state_address(const void *packed)
{
    struct address address = {.length = address_size(packed)};
    memcpy(&address.any, packed, address.length);
    return address;
}

bool kernel_state_primary(int fd, struct address *address)
{
    struct sctp_status status;
    if (!get_status(fd, &status))
        return false;
    *address = kernel_state_address(&status.sstat_primary.spinfo_address);
    return true;
}
