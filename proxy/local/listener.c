/* Accepts clients of a service, and rests where the system or the budget has no room. */
#include "proxy/local/listener.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/local/connection.h"
#include "proxy/local/service.h"
#include "proxy/worker/worker.h"

#define REST_US 100000
/* Accepted in one turn, so that a flood of connections does not hold up the streams. */
#define ACCEPT_BATCH 64
#define BACKLOG      4096

/* Unguessable, not 0; the kernel is asked once for many. */
static uint64_t connection_id(void)
{
    static _Thread_local uint64_t ids[64];
    static _Thread_local size_t left;
    uint64_t id = 0;
    while (!id) {
        if (!left) {
            must(getrandom(ids, sizeof ids, 0) == (ssize_t)sizeof ids);
            left = sizeof ids / sizeof ids[0];
        }
        id = ids[--left];
        ids[left] = 0;
    }
    return id;
}

static void stop_a_while(struct listener *listener)
{
    loop_fd_remove(listener->worker->loop, &listener->socket);
    loop_timer_set(listener->worker->loop, &listener->rest,
                   loop_now(listener->worker->loop) + REST_US);
}

/* Clients wait in the socket until others have been served. */
static void rest_for_memory(struct listener *listener)
{
    const struct service *service = listener->service;
    uint64_t left_out;
    counter_add(&service->counters->limit_memory, 1);
    if (log_minute_allows(service->memory_told, loop_now(listener->worker->loop), &left_out))
        log_write(LOG_WARNING,
                  LOG_ABOUT(.tunnel = service->tunnel_name, .service = service->config->name),
                  "what waits takes all of memory_limit: nothing is accepted until some of it has "
                  "been read; raise memory_limit if that is meant to be");
    stop_a_while(listener);
}

static void rest(struct listener *listener, int error)
{
    if (!listener->rests++)
        log_write(LOG_WARNING,
                  LOG_ABOUT(.tunnel = listener->service->tunnel_name,
                            .service = listener->service->config->name),
                  "cannot accept: %s; the listener rests until there is room (raise the limit of "
                  "open files: ulimit -n)",
                  strerror(error));
    stop_a_while(listener);
}

static void on_rested(struct loop_timer *timer)
{
    struct listener *listener = container_of(timer, struct listener, rest);
    if (loop_fd_add(listener->worker->loop, &listener->socket, EPOLLIN) < 0)
        loop_timer_set(listener->worker->loop, timer, loop_now(listener->worker->loop) + REST_US);
}

static void on_acceptable(struct loop_fd *socket, uint32_t events)
{
    struct listener *listener = container_of(socket, struct listener, socket);
    (void)events;
    struct service *service = listener->service;
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        if (!mux_budget_has(service->budget, service->promised, BUDGET_ALL)) {
            rest_for_memory(listener);
            return;
        }
        struct address from = {.length = sizeof from.un};
        int fd = accept4(socket->fd, &from.any, &from.length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                rest(listener, errno);
            return; /* EAGAIN, or a client that went away again */
        }
        listener->rests = 0;
        char client[ADDRESS_TEXT_MAX];
        struct connection *connection =
            connection_new(service, fd, connection_id(), address_format(&from, client),
                           loop_now(listener->worker->loop));
        connection->about.opened_here = true;
        connection_hold(connection, service->promised); /* it may wait for a stream */
        listener->on_connection(listener, connection);
    }
}

/* True: the path is a socket that nobody listens on, left from a process that was killed. A file of
 * another kind refuses connections as well. */
static bool is_stale(const struct address *address)
{
    struct stat status;
    if (lstat(address->un.sun_path, &status) < 0 || !S_ISSOCK(status.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool refused = connect(fd, &address->any, address->length) < 0 && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

static int bind_unix(int fd, const struct address *address, mode_t mode)
{
    int result = bind(fd, &address->any, address->length);
    if (result < 0 && errno == EADDRINUSE) {
        if (!is_stale(address))
            errno = EADDRINUSE;
        else if (unlink(address->un.sun_path) == 0)
            result = bind(fd, &address->any, address->length);
    }
    /* Nobody can connect before listen. */
    return result < 0 ? -1 : chmod(address->un.sun_path, mode);
}

static int bind_and_listen(struct listener *listener, const struct config_service *config)
{
    int fd = listener->socket.fd, on = 1, off = 0;
    struct address *address = &listener->address;
    if (address->any.sa_family == AF_UNIX)
        return bind_unix(fd, address, (mode_t)config->socket_mode) < 0 ? -1 : listen(fd, BACKLOG);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    /* Accepted sockets inherit these: no system call for each connection. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (config->keepalive)
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    if (address->any.sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, &address->any, address->length) < 0)
        return -1;
    if (listen(fd, BACKLOG) < 0)
        return -1;
    address->length = sizeof address->in6;
    return getsockname(fd, &address->any, &address->length);
}

int listener_open(struct listener *listener, struct service *service, struct worker *worker,
                  char *why, size_t why_size)
{
    worker_assert(worker);
    const struct config_service *config = service->config;
    *listener = (struct listener){.on_connection = listener->on_connection,
                                  .service = service,
                                  .worker = worker,
                                  .socket = {.on_events = on_acceptable, .fd = -1},
                                  .rest = {.on_expire = on_rested},
                                  .address = config->endpoint.address};
    listener->socket.fd =
        socket(listener->address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener->socket.fd < 0 || bind_and_listen(listener, config) < 0 ||
        loop_fd_add(worker->loop, &listener->socket, EPOLLIN) < 0) {
        snprintf(why, why_size, "tunnel \"%s\", service \"%s\": cannot listen on %s: %s",
                 service->tunnel_name, config->name, config->endpoint.text, strerror(errno));
        if (listener->socket.fd >= 0)
            close(listener->socket.fd);
        listener->socket.fd = -1;
        return -1;
    }
    return 0;
}

void listener_close(struct listener *listener)
{
    if (!listener->worker || listener->socket.fd < 0)
        return;
    worker_assert(listener->worker);
    loop_fd_remove(listener->worker->loop, &listener->socket);
    loop_timer_cancel(listener->worker->loop, &listener->rest);
    close(listener->socket.fd);
    listener->socket.fd = -1;
    if (listener->address.any.sa_family == AF_UNIX)
        unlink(listener->address.un.sun_path);
}
