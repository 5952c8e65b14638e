#include "transport/datagram_batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

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

void datagram_batch_begin(struct datagram_batch *batch, const struct address *to,
                          const void *packet, size_t length)
{
    batch->to.length = to->length;
    memcpy(&batch->to.in6, &to->in6, sizeof to->in6);
    batch->length = batch->segment = (uint32_t)length;
    batch->packets = 1;
    batch->closed = false;
    memcpy(batch->bytes, packet, length);
}

bool datagram_batch_append(struct datagram_batch *batch, const struct address *to,
                           const void *packet, size_t length)
{
    if (batch->closed || length > batch->segment || batch->packets == SEGMENTS_MAX ||
        batch->length + length > DATAGRAM_BATCH_SIZE || batch->to.length != to->length ||
        memcmp(&batch->to.any, &to->any, to->length))
        return false;
    memcpy(batch->bytes + batch->length, packet, length);
    batch->length += (uint32_t)length;
    batch->packets++;
    batch->closed = length < batch->segment;
    return true;
}

union segment_control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(uint16_t))];
};

static void describe(struct datagram_batch *batch, struct msghdr *header, struct iovec *vector,
                     union segment_control *control)
{
    *vector = (struct iovec){batch->bytes, batch->length};
    *header = (struct msghdr){.msg_name = &batch->to.any,
                              .msg_namelen = batch->to.length,
                              .msg_iov = vector,
                              .msg_iovlen = 1};
    if (batch->packets == 1)
        return;
    memset(control, 0, sizeof *control);
    header->msg_control = control;
    header->msg_controllen = sizeof control->bytes;
    struct cmsghdr *c = CMSG_FIRSTHDR(header);
    c->cmsg_level = SOL_UDP;
    c->cmsg_type = UDP_SEGMENT;
    c->cmsg_len = CMSG_LEN(sizeof(uint16_t));
    uint16_t segment = (uint16_t)batch->segment;
    memcpy(CMSG_DATA(c), &segment, sizeof segment);
}

int datagram_batch_send(struct datagram_batch *batches, unsigned count, int fd)
{
    struct mmsghdr headers[DATAGRAM_BATCHES] = {0};
    struct iovec vectors[DATAGRAM_BATCHES];
    union segment_control controls[DATAGRAM_BATCHES];
    for (unsigned i = 0; i < count; i++)
        describe(&batches[i], &headers[i].msg_hdr, &vectors[i], &controls[i]);
    return sendmmsg(fd, headers, count, MSG_DONTWAIT);
}

unsigned datagram_batch_send_singly(const struct datagram_batch *batch, int fd)
{
    unsigned lost = 0;
    for (uint32_t at = 0; at < batch->length; at += batch->segment) {
        uint32_t left = batch->length - at;
        ssize_t sent = sendto(fd, batch->bytes + at, left < batch->segment ? left : batch->segment,
                              MSG_DONTWAIT, &batch->to.any, batch->to.length);
        lost += sent < 0;
    }
    return lost;
}
