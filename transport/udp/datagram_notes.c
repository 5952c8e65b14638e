/* Control messages of a datagram that has come. */
#include "transport/udp/datagram_notes.h"

#include <string.h>

/* linux/udp.h clashes with the C library's headers. */
#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#ifndef SOL_UDP
#define SOL_UDP 17
#endif

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
