/* One tunnelled connection at this end: its socket is read and written, and its end is told. */
#include "proxy/local/connection.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "proxy/local/connector.h"
#include "proxy/local/readahead.h"
#include "proxy/local/service.h"
#include "proxy/worker/worker.h"
#include "tls/identity.h"

/* Bytes kept in one piece of the backlog: a full DATA frame. */
#define BACKLOG_PIECE MUX_RECORD_MAX

struct connection *connection_new(struct service *service, int fd, uint64_t id, const char *client,
                                  uint64_t now_us)
{
    struct connection *c = check_alloc(sizeof *c);
    c->service = service;
    c->id = id;
    c->about.client = check_strdup(client);
    c->counts.begun_us = now_us;
    c->socket.fd = fd;
    counter_add(&service->counters->connections_open, 1);
    counter_add(&service->counters->connections_total, 1);
    counter_add(&service->open, 1);
    counter_add(&service->total, 1);
    return c;
}

void connection_set_peer(struct connection *c, const struct tls_identity *identity,
                         uint64_t association)
{
    if (c->about.peer != identity) {
        tls_identity_unref(c->about.peer);
        c->about.peer = identity ? tls_identity_ref(identity) : NULL;
    }
    c->about.association = association;
}

static void count_in(struct connection *c, size_t bytes)
{
    c->counts.bytes_in += bytes;
    c->counts.written_us = c->worker ? loop_now(c->worker->loop) : 0;
    counter_add(&c->service->counters->bytes_in, bytes);
}

static void count_out(struct connection *c, size_t bytes)
{
    c->counts.bytes_out += bytes;
    counter_add(&c->service->counters->bytes_out, bytes);
}

static void stop_watching(struct connection *c)
{
    if (!c->worker)
        return;
    worker_assert(c->worker);
    loop_fd_remove(c->worker->loop, &c->socket);
    loop_timer_cancel(c->worker->loop, &c->io.reset_timer);
}

static void tell_reset(struct connection *c)
{
    struct connection_events *events = c->events;
    c->io.write_failed = true;
    stop_watching(c);
    c->events = NULL;
    if (events)
        events->on_reset(events);
}

static void on_reset_timer(struct loop_timer *timer)
{
    tell_reset(container_of(timer, struct connection, io.reset_timer));
}

static void start_reset_timer(struct connection *c)
{
    c->io.reset_timer.on_expire = on_reset_timer;
    loop_timer_set(c->worker->loop, &c->io.reset_timer,
                   loop_now(c->worker->loop) + c->worker->reset_timeout_us);
}

/* Nothing is written any more; what was sent before is still read. */
static void stop_writing(struct connection *c, bool reset)
{
    c->io.write_failed = c->io.read_to_end = true;
    c->io.empty = false;
    message_queue_clear(&c->backlog);
    if (reset && !c->io.reset)
        start_reset_timer(c);
    c->io.reset |= reset;
}

static void go_on_reading(struct connection *c)
{
    c->io.empty = false;
    if (c->io.write_failed && c->io.fin_received)
        tell_reset(c);
    else if (c->events)
        c->events->on_readable(c->events);
}

/* A write failed, which took the socket's error. EPIPE is another matter: FIN had come before, or
 * it is a UNIX socket; then what a read says is still true. */
static void write_failed(struct connection *c, int error)
{
    c->io.error = error;
    c->io.error_taken |= error != EPIPE;
    stop_writing(c, error != EPIPE);
    go_on_reading(c);
}

static void send_fin_if_due(struct connection *c)
{
    if (c->socket.fd < 0 || c->backlog.first || !c->io.fin_wanted || c->io.fin_sent)
        return;
    shutdown(c->socket.fd, SHUT_WR);
    c->io.fin_sent = true;
}

/* Writes the backlog, then the FIN; tells how many bytes left. False: it takes nothing any more. */
bool connection_flush(struct connection *c)
{
    size_t written = 0;
    int error = 0;
    while (c->backlog.first) {
        struct message *piece = c->backlog.first;
        size_t length = piece->length - piece->offset;
        ssize_t n = send(c->socket.fd, piece->data + piece->offset, length, MSG_NOSIGNAL);
        if (n < 0) {
            error = errno == EAGAIN || errno == EINTR ? 0 : errno;
            break;
        }
        piece->offset += (uint32_t)n;
        written += (size_t)n;
        if ((size_t)n < length)
            break;
        message_free(message_queue_pop(&c->backlog));
    }
    count_in(c, written);
    if (error) {
        write_failed(c, error);
        return false;
    }
    send_fin_if_due(c);
    if (written && c->events)
        c->events->on_written(c->events, written); /* may end it */
    return true;
}

static void on_socket(struct loop_fd *socket, uint32_t events)
{
    struct connection *c = container_of(socket, struct connection, socket);
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI))
        c->io.read_to_end = true;
    /* After a write that took the error only EPOLLHUP is left of it. */
    if ((events & EPOLLERR) || (c->io.write_failed && (events & EPOLLHUP)))
        stop_writing(c, true);
    bool writes = (events & EPOLLOUT) && c->backlog.first;
    if (events & (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        go_on_reading(c); /* a connection with a backlog does not end in this */
    if (writes)
        connection_flush(c);
}

enum err connection_watch(struct connection *c, struct worker *worker,
                          struct connection_events *events)
{
    worker_assert(worker);
    c->worker = worker;
    c->events = events;
    c->io.empty = false;
    if (c->io.reset)
        start_reset_timer(c);
    /* A UNIX socket's read ends where descriptors were sent along, and no edge follows. */
    if (c->service->config->endpoint.address.any.sa_family == AF_UNIX)
        c->io.read_to_end = true;
    c->socket.on_events = on_socket;
    uint32_t interest = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    return loop_fd_add(worker->loop, &c->socket, interest) < 0 ? ERR_NO_DESCRIPTORS : ERR_OK;
}

void connection_unwatch(struct connection *c)
{
    stop_watching(c);
    c->events = NULL;
    c->worker = NULL;
}

/* Lives only while it connects. */
struct connection_dial {
    struct connector connector;
    struct connection *connection;
};

static void on_connector(struct connector *connector, enum err result, int fd, const char *why)
{
    struct connection_dial *dial = container_of(connector, struct connection_dial, connector);
    struct connection *c = dial->connection;
    struct connection_events *events = c->events;
    free(dial); /* why is not in it */
    c->dial = NULL;
    if (result == ERR_OK) {
        c->socket.fd = fd;
        int on = 1;
        if (c->service->config->endpoint.address.any.sa_family != AF_UNIX)
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (c->service->config->keepalive)
            setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
        result = connection_watch(c, c->worker, events);
        why = result == ERR_OK ? NULL : strerrordesc_np(errno);
    }
    events->on_connected(events, result, why);
}

void connection_connect(struct connection *c, struct worker *worker,
                        struct connection_events *events)
{
    worker_assert(worker);
    c->worker = worker;
    c->events = events;
    c->dial = check_alloc(sizeof *c->dial);
    c->dial->connection = c;
    c->dial->connector.on_done = on_connector;
    connector_start(&c->dial->connector, worker->loop, &c->service->config->endpoint,
                    c->service->config->connect_timeout_us, worker->resolver, &worker->mailbox);
}

static void stop_dial(struct connection *c)
{
    if (c->dial)
        connector_cancel(&c->dial->connector);
    free(c->dial);
    c->dial = NULL;
}

/* A read of one record's room makes TCP announce its window for each 16 KB, which wakes the sender
 * as often. One of 16 records costs 5% less time at both ends than one of four, and with 16
 * connections 10%. */
static ssize_t read_socket(struct connection *c, uint8_t *to, size_t room)
{
    struct message *ahead = readahead_new(c->worker);
    size_t beyond = ahead ? ahead->capacity : 0;
    struct iovec parts[] = {{.iov_base = to, .iov_len = room},
                            {.iov_base = ahead ? ahead->data : NULL, .iov_len = beyond}};
    ssize_t n;
    do
        n = readv(c->socket.fd, parts, ahead ? 2 : 1);
    while (n < 0 && errno == EINTR);
    c->io.empty = n < (ssize_t)(room + beyond);
    if (n <= (ssize_t)room) {
        if (ahead)
            readahead_free(c->worker, ahead);
        return n;
    }
    ahead->length = (uint32_t)((size_t)n - room);
    readahead_keep(c, ahead);
    return n;
}

size_t connection_fill(struct connection *c, uint8_t *to, size_t room, bool *end)
{
    worker_assert(c->worker);
    *end = false;
    size_t filled = readahead_take(c, to, room);
    /* A short read means an empty socket, and epoll announces what comes later; but when the end
     * was announced already there is no further edge: read on until it shows. */
    bool more = c->socket.fd >= 0 && !c->io.fin_received && (c->io.read_to_end || !c->io.empty);
    while (more && filled < room && !c->readahead) {
        ssize_t n = read_socket(c, to + filled, room - filled);
        if (n == 0) {
            c->io.fin_received = true;
            *end = !c->io.error_taken;
        } else if (n > 0) {
            count_out(c, (size_t)n);
            filled += (size_t)n < room - filled ? (size_t)n : room - filled;
        }
        if ((n < 0 && errno != EAGAIN) || (n == 0 && c->io.write_failed)) {
            c->io.error = n < 0 ? errno : c->io.error;
            tell_reset(c);
            return filled;
        }
        more = n > 0 && (c->io.read_to_end || !c->io.empty);
    }
    if (c->io.reset && filled)
        start_reset_timer(c);
    return filled;
}

bool connection_is_over(const struct connection *c)
{
    int waiting = 0;
    return c->io.reset && !c->readahead &&
           (ioctl(c->socket.fd, FIONREAD, &waiting) < 0 || waiting == 0);
}

/* Into the last piece as far as it has room: a peer that sends single bytes would else have a piece
 * of 1 KB for each of them, a thousand times its credit. */
static size_t keep_in_last(struct connection *c, const uint8_t *data, size_t length)
{
    if (!c->backlog.first)
        return 0;
    struct message *piece = container_of(c->backlog.last, struct message, next);
    size_t room = piece->capacity - piece->length;
    if (length > room)
        length = room;
    memcpy(piece->data + piece->length, data, length);
    piece->length += (uint32_t)length;
    c->backlog.bytes += length;
    return length;
}

static void keep(struct connection *c, const uint8_t *data, size_t length)
{
    size_t kept = keep_in_last(c, data, length);
    data += kept;
    length -= kept;
    while (length) {
        size_t part = length < BACKLOG_PIECE ? length : BACKLOG_PIECE;
        struct message *piece = message_new(part);
        memcpy(piece->data, data, part);
        piece->length = (uint32_t)part;
        message_queue_push(&c->backlog, piece);
        data += part;
        length -= part;
    }
}

/* Keeps the gathered bytes that the socket did not take. */
static void keep_rest(struct connection *c, const struct gather *gather, size_t written)
{
    for (unsigned i = 0; i < gather->count; i++) {
        const struct iovec *part = &gather->parts[i];
        size_t gone = written < part->iov_len ? written : part->iov_len;
        keep(c, (const uint8_t *)part->iov_base + gone, part->iov_len - gone);
        written -= gone;
    }
}

size_t connection_push(struct connection *c)
{
    worker_assert(c->worker);
    struct gather *gather = &c->worker->gather;
    if (gather->connection != c)
        return 0;
    gather->connection = NULL;
    struct msghdr header = {.msg_iov = gather->parts, .msg_iovlen = gather->count};
    ssize_t n = sendmsg(c->socket.fd, &header, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        write_failed(c, errno);
        return 0;
    }
    size_t written = n > 0 ? (size_t)n : 0;
    count_in(c, written);
    keep_rest(c, gather, written);
    return written;
}

size_t connection_deliver(struct connection *c, const uint8_t *data, size_t length, bool stays)
{
    if (c->io.write_failed)
        return 0;
    if (c->socket.fd < 0 || c->backlog.first) {
        keep(c, data, length);
        return 0;
    }
    worker_assert(c->worker);
    struct gather *gather = &c->worker->gather;
    bool has_room = gather_add(gather, c, data, length);
    return stays && has_room ? 0 : connection_push(c);
}

void connection_finish(struct connection *c)
{
    c->io.fin_wanted = true;
    send_fin_if_due(c);
}

bool connection_is_written(const struct connection *c)
{
    return !c->backlog.first;
}

size_t connection_untaken(const struct connection *c)
{
    size_t bytes = 0;
    int sent = 0;
    for (const struct message *piece = c->backlog.first; piece; piece = piece->next)
        bytes += piece->length - piece->offset;
    if (c->io.write_failed)
        return 0;
    /* A UNIX socket's are in the reader's hands once they are written, and closing leaves them. */
    if (c->socket.fd >= 0 && c->service->config->endpoint.address.any.sa_family != AF_UNIX &&
        ioctl(c->socket.fd, SIOCOUTQ, &sent) < 0)
        sent = 0;
    return bytes + (size_t)sent;
}

/* A peer that vanished (ETIMEDOUT, EHOSTUNREACH) ends as one that resets. */
static const char *why_reset(const struct connection *c)
{
    bool said = !c->io.error || c->io.error == ECONNRESET || c->io.error == EPIPE;
    return said ? NULL : strerrordesc_np(c->io.error);
}

static void log_end(const struct connection *c, enum err why, const char *detail)
{
    bool ordinary = why == ERR_CLOSED || why == ERR_LOCAL_RESET || why == ERR_REMOTE_RESET;
    enum log_level level = ordinary ? LOG_INFO : LOG_WARNING;
    if (!log_enabled(level))
        return;
    if (why == ERR_LOCAL_RESET && !detail)
        detail = why_reset(c);
    const struct log_field fields[] = {
        {.name = "duration_us", .number = clock_us() - c->counts.begun_us},
        {.name = "bytes_in", .number = c->counts.bytes_in},
        {.name = "bytes_out", .number = c->counts.bytes_out},
        {.name = "reason", .text = err_name(why)},
    };
    log_write_fields(level,
                     LOG_ABOUT(.tunnel = c->service->tunnel_name,
                               .service = c->service->config->name,
                               .peer = c->about.peer ? c->about.peer->label : NULL,
                               .association = c->about.association,
                               .client = c->about.opened_here ? c->about.client : NULL,
                               .claims = c->about.opened_here ? NULL : c->about.client,
                               .connection = c->id, .stream = c->stream),
                     fields, sizeof fields / sizeof fields[0], "connection ended: %s%s%s%s",
                     c->about.refused_by_peer ? "refused by the far end: " : "", err_text(why),
                     detail && *detail ? ": " : "", detail ? detail : "");
}

static void count_end(const struct connection *c, enum err why)
{
    struct counters *counters = c->service->counters;
    counter_sub(&counters->connections_open, 1);
    counter_sub(&c->service->open, 1);
    if (err_scope(why) == ERR_SCOPE_REFUSAL) {
        counter_add(&counters->connections_refused, 1);
        counter_add(&c->service->refused, 1);
    }
}

void connection_end(struct connection *c, enum err why, const char *detail)
{
    log_end(c, why, detail);
    count_end(c, why);
    stop_dial(c);
    c->events = NULL; /* nobody is told any more */
    if (c->worker) {
        worker_assert(c->worker);
        connection_push(c);
        loop_timer_cancel(c->worker->loop, &c->io.reset_timer);
    }
    if (c->socket.fd >= 0) {
        /* A broken tunnel must never look like the end of the data. */
        struct linger reset = {.l_onoff = 1, .l_linger = 0};
        if (why != ERR_CLOSED)
            setsockopt(c->socket.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        if (c->worker)
            loop_fd_close(c->worker->loop, &c->socket);
        else
            close(c->socket.fd);
    }
    message_queue_clear(&c->backlog);
    readahead_drop(c);
    connection_set_peer(c, NULL, 0);
    connection_set_quota(c, NULL);
    free(c->about.client);
    free(c);
}
