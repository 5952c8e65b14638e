/* Packets go to the socket that their tag names. */
#include "transport/udp/steer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "tests/lib/tap.h"

#define COUNT 3

static int sockets[2 * COUNT]; /* pairs */

/* The index of the one that has a packet; -1: none. Takes it out. */
static int who_has_it(void)
{
    uint8_t packet[64];
    int who = -1;
    for (int i = 0; i < 2 * COUNT; i++)
        if (recv(sockets[i], packet, sizeof packet, MSG_DONTWAIT) > 0)
            who = who < 0 ? i : 2 * COUNT;
    return who;
}

static void send_tag(int from, const struct address *to, uint32_t tag)
{
    uint32_t packet[4] = {0, htonl(tag)};
    must(sendto(from, packet, sizeof packet, 0, &to->any, to->length) == sizeof packet);
}

static void open_all(struct address *address)
{
    for (int i = 0; i < 2 * COUNT; i++) {
        sockets[i] = socket(address->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        must(sockets[i] >= 0 && steer_join(sockets[i]) == 0);
        must(bind(sockets[i], &address->any, address->length) == 0);
    }
    ok(steer_by_tag(sockets[0], COUNT) == 0, "the kernel takes the program");
}

static void test_steering(struct address address, const char *family)
{
    struct address taken;
    ok(steer_find_free(&address) == 0 && address.in.sin_port, "%s: a free port", family);
    open_all(&address);
    int sender = socket(address.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    must(sender >= 0);
    bool right = true;
    for (uint32_t tag = 1; tag < 100; tag++) {
        send_tag(sender, &address, tag * 0x9e3779b9u);
        right = right && who_has_it() == 2 * (int)(tag * 0x9e3779b9u % COUNT);
    }
    send_tag(sender, &address, UINT32_MAX);
    ok(right && who_has_it() == 2 * (int)(UINT32_MAX % COUNT), "%s: each where its tag says",
       family);
    unsigned got[2 * COUNT + 1] = {0};
    for (int i = 0; i < 300; i++) {
        send_tag(sender, &address, 0);
        int who = who_has_it();
        got[who < 0 ? 2 * COUNT : who]++;
    }
    ok(!got[0] && !got[2] && !got[4] && !got[6], "%s: none without a tag comes there", family);
    ok(got[1] > 40 && got[3] > 40 && got[5] > 40, "%s: all others get of them (%u, %u, %u)", family,
       got[1], got[3], got[5]);
    taken = address;
    ok(steer_find_free(&taken) < 0 && errno == EADDRINUSE, "%s: nobody else finds it free", family);
    for (int i = 0; i < 2 * COUNT; i++)
        close(sockets[i]);
    close(sender);
}

int main(void)
{
    struct address ipv4 = {.length = sizeof(struct sockaddr_in)};
    ipv4.in =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct address ipv6 = {.length = sizeof(struct sockaddr_in6)};
    ipv6.in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    test_steering(ipv4, "IPv4");
    int probe = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (probe >= 0 && bind(probe, &ipv6.any, ipv6.length) == 0)
        test_steering(ipv6, "IPv6");
    else
        tap_skip("packets over IPv6", "this machine has no ::1");
    if (probe >= 0)
        close(probe);
    return tap_done();
}
