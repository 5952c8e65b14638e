/* A UDP socket that moves packets in bulk. */
#include "transport/udp/datagram.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/check.h"
#include "transport/udp/steer.h"

/* linux/errqueue.h and linux/udp.h clash with the C library's headers. */
#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#ifndef SOL_UDP
#define SOL_UDP 17
#endif

/* One read takes at most so many datagrams, each up to 64 KB (after GRO): 1 MB, a quarter of
 * SCTP's receive window, so that SACKs leave before the window closes. */
#define READ_DATAGRAMS 16
#define READ_SIZE      65536

/* Reads in one turn of the loop, so that other descriptors get their turn. */
#define READS_IN_TURN 4

/* For five thousand INITs, if all clients come at once. A flood makes each of them wait for so
 * many, some 30 ms. */
#define INITS_BUFFER (2 << 20)

/* The kernel doubles it and caps it at net.core.[rw]mem_max without CAP_NET_ADMIN. */
#define SOCKET_BUFFER (8 << 20)

/* One narrow path may refuse GSO; when it happens so often, asking again is waste. */
#define GSO_REFUSALS_MAX 64

/* A packet of a full record or more shares no call: the peer's processor begins with it while ours
 * makes the next. */
#define SENT_AT_ONCE 16384

struct reader {
    struct mmsghdr headers[READ_DATAGRAMS];
    struct iovec vectors[READ_DATAGRAMS];
    struct sockaddr_in6 from[READ_DATAGRAMS];
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct in6_pktinfo)) +
                   CMSG_SPACE(sizeof(struct in_pktinfo)) + 64];
    } control[READ_DATAGRAMS];
    uint8_t bytes[READ_DATAGRAMS][READ_SIZE];
};

/* 1 MB, used only during one call of take_bulk; shared by the sockets of a thread because that
 * memory should stay in the processor's cache. */
static _Thread_local struct reader *reader;
static _Thread_local unsigned reader_users;

static void reader_prepare(struct reader *r, int index)
{
    r->vectors[index] = (struct iovec){r->bytes[index], READ_SIZE};
    r->headers[index].msg_hdr = (struct msghdr){
        .msg_name = &r->from[index],
        .msg_namelen = sizeof r->from[index],
        .msg_iov = &r->vectors[index],
        .msg_iovlen = 1,
        .msg_control = &r->control[index],
        .msg_controllen = sizeof r->control[index],
    };
}

static struct address address_of(const struct sockaddr_in6 *from, socklen_t length)
{
    struct address address;
    memset(&address, 0, sizeof address);
    address.length = length < sizeof *from ? length : sizeof *from;
    memcpy(&address.in6, from, address.length);
    return address;
}

static void hand_on(struct datagram_socket *self, struct reader *r, int index)
{
    struct msghdr *header = &r->headers[index].msg_hdr;
    size_t length = r->headers[index].msg_len;
    if (self->cut.in || header->msg_flags & MSG_TRUNC || !length)
        return;
    struct address from = address_of(&r->from[index], header->msg_namelen);
    struct datagram_notes notes;
    memset(&notes, 0, sizeof notes);
    datagram_notes_read(&notes, header);
    size_t size = notes.joined ? notes.joined : length;
    for (size_t at = 0; at < length; at += size) {
        self->counters.packets_in++;
        self->events->on_packet(self, &from, &notes.own, r->bytes[index] + at,
                                length - at < size ? length - at : size);
    }
}

/* Returns how many datagrams there were, -1 when there is nothing more to read. */
static int take_bulk(struct datagram_socket *self, int fd)
{
    for (int i = 0; i < READ_DATAGRAMS; i++)
        reader_prepare(reader, i);
    int count = recvmmsg(fd, reader->headers, READ_DATAGRAMS, MSG_DONTWAIT, NULL);
    if (count < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? -1 : 0; /* 0: a queued ICMP error */
    self->counters.calls_in++;
    for (int i = 0; i < count; i++)
        hand_on(self, reader, i);
    self->events->on_batch_end(self);
    return count;
}

/* The kernel keeps the address of the datagram that an ICMP message answers. Only "port
 * unreachable" matters: everything else may pass (RFC 9260 appendix C). */
struct queued_error { /* struct sock_extended_err of linux/errqueue.h */
    uint32_t error;
    uint8_t origin, type, code, pad;
    uint32_t info, data;
};

static void take_errors(struct datagram_socket *self)
{
    for (;;) {
        struct sockaddr_in6 to = {0};
        union {
            struct cmsghdr align;
            char bytes[512];
        } control;
        struct msghdr header = {.msg_name = &to,
                                .msg_namelen = sizeof to,
                                .msg_control = &control,
                                .msg_controllen = sizeof control};
        if (recvmsg(self->fd.fd, &header, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
            return;
        struct address peer = address_of(&to, header.msg_namelen);
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c)) {
            struct queued_error queued;
            if (c->cmsg_len < CMSG_LEN(sizeof queued) ||
                !((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
                  (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR)))
                continue;
            memcpy(&queued, CMSG_DATA(c), sizeof queued);
            if (queued.error == ECONNREFUSED && !self->cut.in)
                self->events->on_refused(self, &peer);
        }
    }
}

static void on_events(struct loop_fd *fd, uint32_t events)
{
    struct datagram_socket *self = container_of(fd, struct datagram_socket, fd);
    if (events & EPOLLERR)
        take_errors(self);
    if (events & EPOLLIN)
        for (int i = 0; i < READS_IN_TURN && take_bulk(self, fd->fd) == READ_DATAGRAMS; i++)
            ;
    if (events & EPOLLOUT)
        datagram_flush(self);
}

/* So many in one turn of the loop and no more: beside the other socket, which has up to 4 MB then,
 * they take a tenth of the time, and what is more is dropped where it costs least. */
static void on_inits(struct loop_fd *fd, uint32_t events)
{
    if (events & EPOLLIN)
        take_bulk(container_of(fd, struct datagram_socket, inits), fd->fd);
}

/* ---- sending ---- */

static bool is_cut(const struct datagram_socket *self, size_t length)
{
    return self->cut.out || (self->cut.above && length > self->cut.above);
}

uint8_t *datagram_reserve(struct datagram_socket *self, const struct datagram_route *route,
                          size_t size)
{
    struct datagram_batch *batch = self->batch_count ? &self->batches[self->batch_count - 1] : NULL;
    uint8_t *room = batch && !self->gso_refused ? datagram_batch_room(batch, route, size) : NULL;
    self->reserved_new = !room;
    if (room)
        return room;
    if (self->batch_count == DATAGRAM_BATCHES)
        datagram_flush(self);
    if (self->batch_count == DATAGRAM_BATCHES || size > DATAGRAM_BATCH_SIZE) {
        self->counters.dropped_out++;
        return NULL;
    }
    batch = &self->batches[self->batch_count++];
    datagram_batch_begin(batch, route);
    return datagram_batch_room(batch, route, size);
}

void datagram_commit(struct datagram_socket *self, size_t length)
{
    if (is_cut(self, length)) {
        self->batch_count -= self->reserved_new;
        return;
    }
    datagram_batch_add(&self->batches[self->batch_count - 1], length);
    self->counters.packets_out++;
    if (length >= SENT_AT_ONCE)
        datagram_flush(self);
}

void datagram_send(struct datagram_socket *self, const struct datagram_route *route,
                   const void *packet, size_t length)
{
    uint8_t *room = datagram_reserve(self, route, length);
    if (!room)
        return;
    memcpy(room, packet, length);
    datagram_commit(self, length);
}

static void want_output(struct datagram_socket *self, bool wanted)
{
    if (self->waiting == wanted)
        return;
    self->waiting = wanted;
    loop_fd_modify(self->loop, &self->fd, EPOLLIN | (wanted ? EPOLLOUT : 0u));
}

/* The batches sent leave the array; each carries 64 KB, so only their number and the pointers
 * to their buffers move. */
static void forget_batches(struct datagram_socket *self, unsigned count)
{
    struct datagram_batch kept[DATAGRAM_BATCHES];
    memcpy(kept, self->batches, count * sizeof *kept);
    memmove(self->batches, self->batches + count, (self->batch_count - count) * sizeof *kept);
    memcpy(self->batches + self->batch_count - count, kept, count * sizeof *kept);
    self->batch_count -= count;
}

static void report(struct datagram_socket *self, const struct datagram_batch *batch, bool too_large)
{
    if (self->events->on_trouble)
        self->events->on_trouble(self, &batch->to, too_large);
}

/* One batch was refused. GSO fails with EIO where the device computes no checksums, with EINVAL
 * or EMSGSIZE where the route's MTU is below the packets: then each packet goes by itself. */
static bool give_up_or_split(struct datagram_socket *self, int error)
{
    struct datagram_batch *batch = &self->batches[0];
    if (error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS) {
        want_output(self, true);
        return false;
    }
    if (batch->packets > 1 && (error == EIO || error == EINVAL || error == EMSGSIZE)) {
        self->gso_refused |= error == EIO || ++self->gso_refusals >= GSO_REFUSALS_MAX;
        self->counters.dropped_out += datagram_batch_send_singly(batch, self->fd.fd);
        report(self, batch, error != EIO);
    } else if (error != ECONNREFUSED && error != EINTR) {
        self->refusal = error;
        self->counters.dropped_out += batch->packets;
        report(self, batch, error == EMSGSIZE);
    } else {
        return true; /* the error of an earlier packet: try again */
    }
    forget_batches(self, 1);
    return true;
}

void datagram_flush(struct datagram_socket *self)
{
    /* Each round sends, drops or consumes a queued ICMP error; more than so many errors in a
     * row means that the rest may wait for the next flush. */
    for (int round = 0; self->batch_count && round < 4 * DATAGRAM_BATCHES; round++) {
        int sent = datagram_batch_send(self->batches, self->batch_count, self->fd.fd);
        self->counters.calls_out++;
        if (sent > 0)
            forget_batches(self, (unsigned)sent);
        else if (!give_up_or_split(self, errno))
            return;
    }
    want_output(self, self->batch_count > 0);
}

/* Treatment of packets that are larger than a path takes. DONT: without DF, so that routers send
 * IP fragments of what was cut before a path became narrower. PROBE: with DF, and whatever ICMP may
 * have said about the path. */
static void set_discovery(int fd, sa_family_t family, int mode)
{
    setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &mode, sizeof mode);
    if (family == AF_INET6) /* the same numbers */
        setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &mode, sizeof mode);
}

void datagram_send_whole(struct datagram_socket *self, const struct datagram_route *route,
                         void *packet, size_t length)
{
    struct datagram_batch batch = {.to = route->to,
                                   .from = route->from,
                                   .length = (uint32_t)length,
                                   .segment = (uint32_t)length,
                                   .packets = 1,
                                   .bytes = packet};
    if (is_cut(self, length))
        return;
    sa_family_t family = self->local.any.sa_family;
    set_discovery(self->fd.fd, family, IP_PMTUDISC_PROBE);
    int sent = datagram_batch_send(&batch, 1, self->fd.fd);
    if (sent != 1 && (errno == ECONNREFUSED || errno == EINTR)) /* the error of an earlier packet */
        sent = datagram_batch_send(&batch, 1, self->fd.fd);
    set_discovery(self->fd.fd, family, IP_PMTUDISC_DONT);
    self->counters.calls_out++;
    self->counters.packets_out += sent == 1;
    self->counters.dropped_out += sent != 1;
}

/* ---- life ---- */

bool datagram_wire_address(const struct datagram_socket *self, const struct address *peer,
                           struct address *wire)
{
    sa_family_t own = self->local.any.sa_family, other = peer->any.sa_family;
    if (other != AF_INET && other != AF_INET6)
        return false;
    *wire = *peer;
    if (own == other)
        return true;
    if (own == AF_INET || self->ipv6_only)
        return false;
    memset(wire, 0, sizeof *wire);
    wire->length = sizeof wire->in6;
    wire->in6.sin6_family = AF_INET6;
    wire->in6.sin6_port = peer->in.sin_port;
    wire->in6.sin6_addr.s6_addr[10] = wire->in6.sin6_addr.s6_addr[11] = 0xff;
    memcpy(wire->in6.sin6_addr.s6_addr + 12, &peer->in.sin_addr, 4);
    return true;
}

struct address datagram_plain_address(const struct address *wire)
{
    if (wire->any.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&wire->in6.sin6_addr))
        return *wire;
    struct address plain;
    memset(&plain, 0, sizeof plain);
    plain.length = sizeof plain.in;
    plain.in.sin_family = AF_INET;
    plain.in.sin_port = wire->in6.sin6_port;
    memcpy(&plain.in.sin_addr, wire->in6.sin6_addr.s6_addr + 12, 4);
    return plain;
}

static void set_buffer(int fd, int forced, int ordinary, int size)
{
    if (setsockopt(fd, SOL_SOCKET, forced, &size, sizeof size))
        setsockopt(fd, SOL_SOCKET, ordinary, &size, sizeof size);
}

/* All of these improve matters and none is indispensable, so results are not looked at. */
static void set_options(const struct datagram_socket *self, int fd, sa_family_t family, bool inits)
{
    int on = 1, only = self->ipv6_only, own = self->wildcard;
    set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, inits ? INITS_BUFFER : SOCKET_BUFFER);
    if (family == AF_INET)
        setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &own, sizeof own);
    if (family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
        setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &own, sizeof own);
    }
    if (inits)
        return;
    set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, SOCKET_BUFFER);
    setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof on);
    set_discovery(fd, family, IP_PMTUDISC_DONT);
    setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on);
    if (family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof on);
}

static enum err fail(int fd, enum err reason, const char *what, const struct address *local,
                     char *why, size_t why_size)
{
    char words[128], text[ADDRESS_TEXT_MAX];
    const char *error = strerror_r(errno, words, sizeof words);
    snprintf(why, why_size, "%s %s: %s", what, address_format(local, text), error);
    if (fd >= 0)
        close(fd);
    return reason;
}

static bool is_wildcard(const struct address *local)
{
    static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff};
    if (local->any.sa_family == AF_INET)
        return local->in.sin_addr.s_addr == htonl(INADDR_ANY);
    return IN6_IS_ADDR_UNSPECIFIED(&local->in6.sin6_addr) ||
           !memcmp(&local->in6.sin6_addr, mapped, sizeof mapped);
}

/* 0, or -1 with errno. */
static int bind_or_share(const struct datagram_socket *self, int fd, const struct address *local)
{
    struct address address = *local;
    if (self->sharers && ((!self->sharer && steer_find_free(&address) < 0) || steer_join(fd) < 0))
        return -1;
    if (bind(fd, &address.any, address.length) < 0)
        return -1;
    return self->sharers && !self->sharer ? steer_by_tag(fd, self->sharers) : 0;
}

/* The other one of the pair, bound right behind it. 0, or -1 with errno. */
static int open_inits(struct datagram_socket *self)
{
    sa_family_t family = self->local.any.sa_family;
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    self->inits = (struct loop_fd){.on_events = on_inits, .fd = fd};
    if (fd < 0)
        return -1;
    set_options(self, fd, family, true);
    if (steer_join(fd) || bind(fd, &self->local.any, self->local.length) ||
        loop_fd_add(self->loop, &self->inits, EPOLLIN)) {
        close(fd);
        return -1;
    }
    return 0;
}

static void close_inits(struct datagram_socket *self)
{
    if (self->sharers)
        loop_fd_close(self->loop, &self->inits);
}

enum err datagram_open(struct datagram_socket *self, struct loop *loop, const struct address *local,
                       bool ipv6_only, char *why, size_t why_size)
{
    sa_family_t family = local->any.sa_family;
    if (family != AF_INET && family != AF_INET6) {
        snprintf(why, why_size, "UDP needs an IPv4 or IPv6 address");
        return ERR_TRANSPORT_ADDRESS;
    }
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail(fd, ERR_TRANSPORT_SOCKET, "UDP socket for", local, why, why_size);
    self->wildcard = is_wildcard(local);
    self->ipv6_only = ipv6_only;
    set_options(self, fd, family, false);
    if (bind_or_share(self, fd, local))
        return fail(fd, ERR_TRANSPORT_ADDRESS, "bind to", local, why, why_size);
    memset(&self->local, 0, sizeof self->local);
    self->local.length = sizeof self->local.in6;
    if (getsockname(fd, &self->local.any, &self->local.length))
        return fail(fd, ERR_TRANSPORT_SOCKET, "getsockname of", local, why, why_size);
    self->loop = loop;
    if (self->sharers && open_inits(self))
        return fail(fd, ERR_TRANSPORT_SOCKET, "socket for INITs at", local, why, why_size);
    self->fd = (struct loop_fd){.on_events = on_events, .fd = fd};
    if (loop_fd_add(loop, &self->fd, EPOLLIN)) {
        close_inits(self);
        return fail(fd, ERR_TRANSPORT_SOCKET, "epoll for", local, why, why_size);
    }
    self->batches = datagram_batch_new_array();
    if (!reader_users++)
        reader = check_alloc(sizeof *reader);
    return ERR_OK;
}

void datagram_close(struct datagram_socket *self)
{
    datagram_flush(self);
    close_inits(self);
    loop_fd_remove(self->loop, &self->fd);
    close(self->fd.fd);
    datagram_batch_free_array(self->batches);
    if (!--reader_users) {
        free(reader);
        reader = NULL;
    }
}
