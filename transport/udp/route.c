/* The size of packets to a peer, as the kernel knows it. */
#include "transport/udp/route.h"

#include <netinet/in.h>
#include <netinet/ip.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

/* linux/in.h and linux/in6.h, which cannot be included beside netinet/in.h. */
#ifndef IP_MTU
#define IP_MTU 14
#endif
#ifndef IPV6_MTU
#define IPV6_MTU 24
#endif

#define UDP_HEADER  8
#define IPV4_HEADER 20
#define IPV6_HEADER 40

/* Left free on ordinary routes for what the kernel does not see: PPPoE (8 bytes), GRE or IPIP
 * (20 to 24) on the way. Probes find out whether that is needed. 1500 gives 1452 bytes of payload
 * for IPv4. */
#define SLACK 20

/* When the route tells nothing (IPv6 guarantees 1280). */
#define SAFE_MTU 1280

/* Below the 65507 bytes of a datagram. */
#define PAYLOAD_MAX 65000

/* The loopback device takes 64 KB. Three messages of a full TLS record each (16406 bytes and 16 of
 * chunk header) fit a packet of this size, and some short ones: 64 KB of a connection are four
 * records and 16 bytes. 8 datagrams fit a socket buffer of net.core.rmem_max's default of 208 KB
 * (docs/decisions/016). */
#define PAYLOAD_LOOPBACK 50300

static bool is_ipv4(const struct address *peer)
{
    return peer->any.sa_family == AF_INET || IN6_IS_ADDR_V4MAPPED(&peer->in6.sin6_addr);
}

static struct sockaddr_in unmapped(const struct address *peer)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = peer->in6.sin6_port};
    memcpy(&in.sin_addr, peer->in6.sin6_addr.s6_addr + 12, 4);
    return peer->any.sa_family == AF_INET ? peer->in : in;
}

uint32_t route_overhead(const struct address *peer)
{
    return UDP_HEADER + (is_ipv4(peer) ? IPV4_HEADER : IPV6_HEADER);
}

/* The kernel tells the MTU of the route of a connected socket; nothing is sent. 0: unknown. */
static uint32_t ask_kernel(const struct address *peer)
{
    bool ipv4 = is_ipv4(peer);
    int fd = socket(ipv4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return 0;
    int mtu = 0;
    socklen_t length = sizeof mtu;
    struct sockaddr_in in = ipv4 ? unmapped(peer) : (struct sockaddr_in){0};
    int connected = ipv4 ? connect(fd, (struct sockaddr *)&in, sizeof in)
                         : connect(fd, &peer->any, peer->length);
    if (connected ||
        getsockopt(fd, ipv4 ? IPPROTO_IP : IPPROTO_IPV6, ipv4 ? IP_MTU : IPV6_MTU, &mtu, &length))
        mtu = 0;
    close(fd);
    return mtu > 0 ? (uint32_t)mtu : 0;
}

static uint32_t payload_within(uint32_t mtu, uint32_t without)
{
    if (mtu < without + ROUTE_PAYLOAD_MIN)
        return ROUTE_PAYLOAD_MIN;
    return mtu - without < PAYLOAD_MAX ? mtu - without : PAYLOAD_MAX;
}

static uint32_t payload(const struct address *peer, uint32_t mtu, uint32_t slack)
{
    if (mtu)
        return payload_within(mtu, route_overhead(peer));
    mtu = ask_kernel(peer);
    if (!mtu)
        mtu = SAFE_MTU;
    if (mtu >= 65535) /* loopback: 65536 */
        return PAYLOAD_LOOPBACK;
    return payload_within(mtu, route_overhead(peer) + (mtu > SAFE_MTU + slack ? slack : 0));
}

uint32_t route_payload(const struct address *peer, uint32_t mtu)
{
    return payload(peer, mtu, SLACK);
}

uint32_t route_ceiling(const struct address *peer, uint32_t mtu)
{
    return payload(peer, mtu, 0);
}
