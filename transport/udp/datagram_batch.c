/* Packets to one peer that leave in one GSO send, and the control messages of datagrams. */
#include "transport/udp/datagram_batch.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

/* linux/udp.h clashes with the C library's headers. */
#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef SOL_UDP
#define SOL_UDP 17
#endif

/* UDP_MAX_SEGMENTS of kernels before 6.9. */
#define SEGMENTS_MAX 64

struct datagram_batch *datagram_batch_new_array(void)
{
    struct datagram_batch *batches = check_alloc(DATAGRAM_BATCHES * sizeof *batches);
    for (int i = 0; i < DATAGRAM_BATCHES; i++)
        batches[i].bytes = check_alloc(DATAGRAM_BATCH_SIZE);
    return batches;
}

void datagram_batch_free_array(struct datagram_batch *batches)
{
    for (int i = 0; i < DATAGRAM_BATCHES; i++)
        free(batches[i].bytes);
    free(batches);
}

static void copy_address(struct address *to, const struct address *from)
{
    to->length = from->length;
    memcpy(&to->in6, &from->in6, sizeof from->in6);
}

static bool same_address(const struct address *a, const struct address *b)
{
    return a->length == b->length && !memcmp(&a->any, &b->any, a->length);
}

void datagram_batch_begin(struct datagram_batch *batch, const struct datagram_route *route)
{
    copy_address(&batch->to, &route->to);
    copy_address(&batch->from, &route->from);
    batch->length = batch->segment = batch->packets = 0;
    batch->closed = !route->gso;
}

uint8_t *datagram_batch_room(struct datagram_batch *batch, const struct datagram_route *route,
                             size_t size)
{
    if (batch->packets &&
        (batch->closed || !route->gso || size > batch->segment || batch->packets == SEGMENTS_MAX ||
         batch->length + size > DATAGRAM_BATCH_SIZE || !same_address(&batch->to, &route->to) ||
         !same_address(&batch->from, &route->from)))
        return NULL;
    return batch->bytes + batch->length;
}

void datagram_batch_add(struct datagram_batch *batch, size_t length)
{
    if (!batch->packets)
        batch->segment = (uint32_t)length;
    batch->length += (uint32_t)length;
    batch->packets++;
    batch->closed = batch->closed || length < batch->segment;
}

/* Control messages of a batch: UDP_SEGMENT, IP_PKTINFO or IPV6_PKTINFO. */
union controls {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(uint16_t)) + CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

static void add_control(struct msghdr *header, int level, int type, const void *data, size_t size)
{
    struct cmsghdr *c =
        (struct cmsghdr *)(void *)((char *)header->msg_control + header->msg_controllen);
    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(c), data, size);
    header->msg_controllen += CMSG_SPACE(size);
}

static void add_source(struct msghdr *header, const struct address *from)
{
    if (from->any.sa_family == AF_INET) {
        struct in_pktinfo info = {.ipi_spec_dst = from->in.sin_addr};
        add_control(header, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    } else {
        struct in6_pktinfo info = {.ipi6_addr = from->in6.sin6_addr,
                                   .ipi6_ifindex = from->in6.sin6_scope_id};
        add_control(header, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
    }
}

static void describe(struct datagram_batch *batch, struct msghdr *header, struct iovec *vector,
                     union controls *controls)
{
    *vector = (struct iovec){batch->bytes, batch->length};
    *header = (struct msghdr){.msg_name = &batch->to.any,
                              .msg_namelen = batch->to.length,
                              .msg_iov = vector,
                              .msg_iovlen = 1};
    if (batch->packets == 1 && !batch->from.length)
        return;
    memset(controls, 0, sizeof *controls);
    header->msg_control = controls;
    if (batch->from.length)
        add_source(header, &batch->from);
    uint16_t segment = (uint16_t)batch->segment;
    if (batch->packets > 1)
        add_control(header, SOL_UDP, UDP_SEGMENT, &segment, sizeof segment);
}

int datagram_batch_send(struct datagram_batch *batches, unsigned count, int fd)
{
    struct mmsghdr headers[DATAGRAM_BATCHES] = {0};
    struct iovec vectors[DATAGRAM_BATCHES];
    union controls controls[DATAGRAM_BATCHES];
    for (unsigned i = 0; i < count; i++)
        describe(&batches[i], &headers[i].msg_hdr, &vectors[i], &controls[i]);
    return sendmmsg(fd, headers, count, MSG_DONTWAIT);
}

unsigned datagram_batch_send_singly(struct datagram_batch *batch, int fd)
{
    unsigned lost = 0;
    for (uint32_t at = 0; at < batch->length; at += batch->segment) {
        uint32_t left = batch->length - at;
        struct datagram_batch one = *batch;
        one.bytes += at;
        one.length = left < batch->segment ? left : batch->segment;
        one.packets = 1;
        lost += datagram_batch_send(&one, 1, fd) != 1;
    }
    return lost;
}

/* ---- in ---- */

static void note_own4(struct datagram_notes *notes, const struct cmsghdr *c)
{
    struct in_pktinfo info;
    memcpy(&info, CMSG_DATA(c), sizeof info);
    notes->own.length = sizeof notes->own.in;
    notes->own.in.sin_family = AF_INET;
    notes->own.in.sin_addr = info.ipi_addr;
}

static void note_own6(struct datagram_notes *notes, const struct cmsghdr *c)
{
    struct in6_pktinfo info;
    memcpy(&info, CMSG_DATA(c), sizeof info);
    notes->own.length = sizeof notes->own.in6;
    notes->own.in6.sin6_family = AF_INET6;
    notes->own.in6.sin6_addr = info.ipi6_addr;
    if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
        notes->own.in6.sin6_scope_id = info.ipi6_ifindex;
}

void datagram_notes_read(struct datagram_notes *notes, struct msghdr *header)
{
    notes->joined = 0;
    notes->own.length = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c))
        if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
            int size;
            memcpy(&size, CMSG_DATA(c), sizeof size);
            notes->joined = size > 0 ? (size_t)size : 0;
        } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            note_own4(notes, c);
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            note_own6(notes, c);
        }
}
