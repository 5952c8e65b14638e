/* Life of an association of the kernel's SCTP: its beginning, its events, its silence. */
#include "transport/kernel/kernel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/check.h"
#include "sctp/auth_chunks.h"

/* Silence is found out within this share of dead_after more. */
#define LOOKS 8

/* ---- the beginning ---- */

static void on_events(struct loop_fd *fd, uint32_t events);
static void on_timer(struct loop_timer *timer);

/* NULL with errno when epoll cannot watch fd; -1 is none. */
static struct kernel_association *new_association(struct kernel *transport, int fd)
{
    struct kernel_association *self = check_alloc(sizeof *self);
    self->transport = transport;
    self->fd = (struct loop_fd){.on_events = on_events, .fd = fd};
    self->life.timer = (struct loop_timer){.on_expire = on_timer};
    self->life.begun_us = self->life.heard_us = loop_now(transport->base.loop);
    self->interest = EPOLLIN;
    if (fd >= 0 && loop_fd_add(transport->base.loop, &self->fd, self->interest)) {
        free(self);
        return NULL;
    }
    self->inbox = message_new(MESSAGE_MAX);
    self->inbox->length = 0;
    kernel_send_init(self);
    association_init(&self->base, &transport->base);
    return self;
}

static void set_timer(struct kernel_association *self, uint64_t after_us)
{
    loop_timer_set(self->transport->base.loop, &self->life.timer,
                   loop_now(self->transport->base.loop) + after_us);
}

static void set_look_timer(struct kernel_association *self)
{
    set_timer(self, self->transport->options.dead_after_us / LOOKS + 1);
}

/* From the endpoint, or, when that has an association with this peer already, from a port that the
 * kernel chooses. */
static int connect_from(const struct kernel *transport, const struct address *remotes, size_t count)
{
    int fd = kernel_socket_connect(transport->endpoint.fd, remotes, count);
    if (fd >= 0 || (errno != EADDRNOTAVAIL && errno != EISCONN && errno != EALREADY))
        return fd;
    struct address locals[TRANSPORT_ADDRESSES_MAX];
    char why[256];
    memcpy(locals, transport->locals, sizeof locals);
    for (size_t i = 0; i < transport->local_count; i++)
        locals[i].in.sin_port = 0;
    int other =
        kernel_socket_open(&transport->options, locals, transport->local_count, why, sizeof why);
    if (other < 0)
        return -1;
    fd = kernel_socket_connect(other, remotes, count);
    int error = errno;
    close(other);
    errno = error;
    return fd;
}

static bool can_reach(const struct kernel *transport, const struct address *remote)
{
    int family = remote->any.sa_family;
    for (size_t i = 0; i < transport->local_count; i++) {
        const struct address *local = &transport->locals[i];
        if (local->any.sa_family == family)
            return true;
        if (family == AF_INET && local->any.sa_family == AF_INET6 &&
            IN6_IS_ADDR_UNSPECIFIED(&local->in6.sin6_addr))
            return true;
    }
    return false;
}

enum err kernel_association_connect(struct transport *transport, const struct address *remotes,
                                    size_t remote_count, struct association_events *events,
                                    struct association **association)
{
    struct kernel *kernel = container_of(transport, struct kernel, base);
    struct address reachable[TRANSPORT_ADDRESSES_MAX];
    size_t reachable_count = 0;
    must(remote_count > 0 && remote_count <= TRANSPORT_ADDRESSES_MAX);
    for (size_t i = 0; i < remote_count; i++)
        if (can_reach(kernel, &remotes[i]))
            reachable[reachable_count++] = remotes[i];
    if (!reachable_count)
        return ERR_TRANSPORT_ADDRESS;
    int fd = connect_from(kernel, reachable, reachable_count);
    if (fd < 0 && errno != ECONNREFUSED)
        return errno == EINVAL ? ERR_TRANSPORT_ADDRESS : ERR_TRANSPORT_SOCKET;
    struct kernel_association *self = new_association(kernel, fd);
    if (!self) {
        int error = errno;
        close(fd);
        errno = error;
        return ERR_TRANSPORT_SOCKET;
    }
    self->base.events = events;
    set_timer(self, kernel->options.connect_timeout_us);
    if (fd < 0)
        kernel_life_end(self, ERR_TRANSPORT_REFUSED, KERNEL_NOBODY);
    *association = &self->base;
    return ERR_OK;
}

/* ---- up ---- */

static void up(struct kernel_association *self, const struct address *peer)
{
    struct kernel *transport = self->transport;
    self->streams = kernel_state_streams(self->fd.fd);
    if (!self->streams)
        return; /* ended meanwhile: the next notification says why */
    if (transport->options.auth && !kernel_auth_agreed(self->fd.fd)) {
        if (!self->base.events)
            association_tell_unheard(peer, ERR_TRANSPORT_AUTH, "", &transport->lines,
                                     loop_now(transport->base.loop));
        kernel_socket_abort(self->fd.fd, 0, SCTP_AUTH_MISSING);
        kernel_life_end(self, ERR_TRANSPORT_AUTH, "");
        return;
    }
    self->base.state = ASSOCIATION_UP;
    kernel_life_count(self, true);
    set_look_timer(self);
    if (!self->base.events) {
        if (transport->established <= transport->options.max_associations)
            self->base.events =
                transport->acceptor->on_incoming(transport->acceptor, &self->base, peer);
        if (!self->base.events) {
            kernel_association_close(&self->base, ASSOCIATION_ABORT, "not accepted");
            return;
        }
    }
    if (self->base.state == ASSOCIATION_UP)
        self->base.events->on_up(self->base.events, self->streams);
    kernel_path_look(self);
    kernel_send_wait(self);
}

static void came_up(struct kernel_association *self)
{
    /* INIT and COOKIE ECHO are a round trip each. */
    uint64_t rtt_us = (loop_now(self->transport->base.loop) - self->life.begun_us) / 2;
    self->handshake_rtt_us = rtt_us ? (uint32_t)rtt_us : 1;
    up(self, NULL);
}

void kernel_association_accept(struct kernel *transport, int fd)
{
    struct kernel_association *self = NULL;
    struct address peer;
    /* It may have ended while it waited: then nobody needs to know of it. */
    if (kernel_state_primary(fd, &peer))
        self = new_association(transport, fd);
    if (self)
        up(self, &peer);
    else
        close(fd);
}

/* The peer lost its state and began anew with the same addresses: a new association takes over the
 * socket. */
static void restarted(struct kernel_association *self)
{
    struct kernel *transport = self->transport;
    if (!transport->acceptor || transport->options.auth) {
        kernel_life_end(self, ERR_TRANSPORT_RESTARTED, "");
        return;
    }
    int fd = self->fd.fd;
    loop_fd_remove(transport->base.loop, &self->fd);
    self->fd.fd = -1;
    kernel_life_end(self, ERR_TRANSPORT_RESTARTED, "");
    kernel_association_accept(transport, fd);
}

/* ---- while it lives ---- */

static void on_events(struct loop_fd *fd, uint32_t events)
{
    struct kernel_association *self = container_of(fd, struct kernel_association, fd);
    enum kernel_heard heard = KERNEL_HEARD_NOTHING;
    if (events & ~(uint32_t)EPOLLOUT)
        while ((heard = kernel_receive_all(self)) == KERNEL_HEARD_UP)
            came_up(self);
    if (heard == KERNEL_HEARD_RESTARTED)
        restarted(self);
    if (events & EPOLLOUT)
        kernel_send_continue(self);
}

/* Heartbeats make every living peer heard within dead_after. When it had begun to shut down and
 * only its last word was lost, everything has been delivered. */
static void on_timer(struct loop_timer *timer)
{
    struct kernel_association *self = container_of(timer, struct kernel_association, life.timer);
    struct kernel *transport = self->transport;
    if (!association_is_up(&self->base)) {
        kernel_life_end(self, ERR_TRANSPORT_TIMEOUT,
                        "is hawser running there, and does SCTP (protocol 132) pass the "
                        "firewalls between?");
        return;
    }
    uint64_t now = loop_now(transport->base.loop);
    struct kernel_traffic traffic = kernel_state_traffic(self->fd.fd);
    if (traffic.packets != self->life.traffic.packets)
        self->life.heard_us = now;
    kernel_mtu_look(self, &traffic);
    if (self->base.state == ASSOCIATION_ENDED)
        return;
    if (now < self->life.heard_us + transport->options.dead_after_us)
        set_look_timer(self);
    else
        kernel_life_end(self, self->peer_closing ? ERR_TRANSPORT_CLOSED : ERR_TRANSPORT_LOST, "");
}

void kernel_association_close(struct association *association, enum association_close how,
                              const char *detail)
{
    struct kernel_association *self = container_of(association, struct kernel_association, base);
    if (!association_may_close(&self->base, how))
        return;
    if (how == ASSOCIATION_ABORT || self->base.state != ASSOCIATION_UP) {
        if (association_is_up(&self->base))
            kernel_socket_abort(self->fd.fd, 0, detail);
        kernel_life_end(self, ERR_LOCAL_SHUTDOWN, "");
        return;
    }
    self->base.state = ASSOCIATION_SHUTTING;
    kernel_send_pending(self);
}
