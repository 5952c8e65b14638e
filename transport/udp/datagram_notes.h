/* transport/udp/datagram_notes.h: control messages of a datagram: the size of the packets
 * that UDP_GRO joined, the own address at which it came (IP_PKTINFO). Pure. */
#pragma once

#include <stddef.h>
#include <sys/socket.h>

#include "base/address.h"

struct datagram_notes {
    size_t joined;      /* 0: it is one packet */
    struct address own; /* length 0: not told; else the bytes behind its length are as they were */
};

/* Of a header that recvmsg has filled. */
void datagram_notes_read(struct datagram_notes *notes, struct msghdr *header);
