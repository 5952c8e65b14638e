#include "proxy/connector.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/check.h"

/* A query that is begun outlives a cancelled connector. */
struct lookup {
    struct resolver_query query;
    struct connector *connector; /* NULL: cancelled */
};

static void try_next(struct connector *self);

static enum err error_of(int error)
{
    switch (error) {
    case ECONNREFUSED:
    case ENOENT: /* no such UNIX socket */
        return ERR_CONNECT_REFUSED;
    case ETIMEDOUT:
        return ERR_CONNECT_TIMEOUT;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return ERR_NO_DESCRIPTORS;
    case EAGAIN: /* the backlog of a UNIX socket is full */
        return ERR_CONNECT_REFUSED;
    default:
        return ERR_CONNECT_UNREACHABLE;
    }
}

static void drop_socket(struct connector *self)
{
    if (self->socket.fd < 0)
        return;
    loop_fd_remove(self->loop, &self->socket);
    close(self->socket.fd);
    self->socket.fd = -1;
}

static void finish(struct connector *self, enum err result)
{
    int fd = -1;
    if (result == ERR_OK) {
        fd = self->socket.fd;
        loop_fd_remove(self->loop, &self->socket);
        self->socket.fd = -1;
    }
    connector_cancel(self);
    self->on_done(self, result, fd);
}

static void on_socket(struct loop_fd *socket, uint32_t events)
{
    struct connector *self = container_of(socket, struct connector, socket);
    int error = 0;
    socklen_t length = sizeof(error);
    (void)events;
    if (getsockopt(socket->fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
        error = errno;
    if (!error) {
        finish(self, ERR_OK);
        return;
    }
    self->failure = error_of(error);
    drop_socket(self);
    try_next(self);
}

static bool try_address(struct connector *self, const struct address *address, bool *connected)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        self->failure = error_of(errno);
        return false;
    }
    self->socket.fd = fd;
    int result = connect(fd, &address->any, address->length);
    /* On loopback the handshake is over when connect returns EINPROGRESS: asking once more says so
     * and saves two epoll_ctl, a getsockopt and a turn of the loop for each connection. */
    if (result < 0 && errno == EINPROGRESS)
        result = connect(fd, &address->any, address->length);
    *connected = result == 0;
    if (result == 0)
        return true;
    if (errno == EALREADY || errno == EINPROGRESS) {
        if (loop_fd_add(self->loop, &self->socket, EPOLLOUT) == 0)
            return true;
    }
    self->failure = error_of(errno);
    close(fd);
    self->socket.fd = -1;
    return false;
}

static void try_next(struct connector *self)
{
    bool connected = false;
    while (self->next < self->count) {
        if (!try_address(self, &self->addresses[self->next++], &connected))
            continue;
        if (connected)
            finish(self, ERR_OK);
        return;
    }
    finish(self, self->failure);
}

static void on_begin(struct loop_task *task)
{
    try_next(container_of(task, struct connector, task));
}

static void on_timeout(struct loop_timer *timer)
{
    finish(container_of(timer, struct connector, timer), ERR_CONNECT_TIMEOUT);
}

static void on_answer(struct resolver_query *query)
{
    struct lookup *lookup = container_of(query, struct lookup, query);
    struct connector *self = lookup->connector;
    if (self) {
        self->query = NULL;
        self->count = query->count;
        self->failure = ERR_NAME_UNKNOWN;
        memcpy(self->addresses, query->addresses, sizeof(self->addresses));
    }
    free(lookup);
    if (self)
        try_next(self);
}

void connector_start(struct connector *self, struct loop *loop, const struct endpoint *endpoint,
                     uint64_t timeout_us, struct resolver *resolver, struct mailbox *mailbox)
{
    self->endpoint = endpoint;
    self->loop = loop;
    self->query = NULL;
    self->count = self->next = 0;
    self->socket = (struct loop_fd){.on_events = on_socket, .fd = -1};
    self->timer = (struct loop_timer){.on_expire = on_timeout};
    self->task = (struct loop_task){.on_run = on_begin};
    self->failure = ERR_CONNECT_UNREACHABLE;
    loop_timer_set(loop, &self->timer, loop_now(loop) + timeout_us);
    if (!endpoint->needs_lookup) {
        self->addresses[0] = endpoint->address;
        self->count = 1;
        loop_task_queue(loop, &self->task);
        return;
    }
    struct lookup *lookup = check_alloc(sizeof(*lookup));
    lookup->connector = self;
    lookup->query = (struct resolver_query){.on_answer = on_answer,
                                            .reply_to = mailbox,
                                            .host = endpoint->host,
                                            .port = endpoint->port};
    self->query = &lookup->query;
    self->resolver = resolver;
    resolver_ask(resolver, self->query);
}

void connector_cancel(struct connector *self)
{
    if (!self->loop)
        return;
    if (self->query) {
        struct lookup *lookup = container_of(self->query, struct lookup, query);
        lookup->connector = NULL;
        if (resolver_cancel(self->resolver, self->query))
            free(lookup);
        self->query = NULL;
    }
    drop_socket(self);
    loop_timer_cancel(self->loop, &self->timer);
    loop_task_cancel(self->loop, &self->task);
}
