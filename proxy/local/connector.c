/* Connects a socket to a target: looks names up, and races their addresses. */
#include "proxy/local/connector.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/check.h"

/* RFC 8305 section 5: the recommended delay, and the one below which it must not be. */
#define NEXT_ADDRESS_US       250000
#define NEXT_ADDRESS_LEAST_US 10000

/* The look-up of a name and its addresses. A query whose answer is on its way outlives a cancelled
 * connector. */
struct connector_names {
    struct resolver_query query;
    struct connector *connector;      /* NULL: cancelled */
    bool waits;                       /* for the answer */
    struct connector_names *outdated; /* the cached answer that led nowhere; NULL: none */
    struct connector_try tries[RESOLVER_MAX_ADDRESSES];
};

static void try_next(struct connector *self);

/* ---- sockets ---- */

static void drop_socket(struct connector_try *try)
{
    if (try->socket.fd >= 0)
        loop_fd_close(try->connector->loop, &try->socket);
}

static void on_socket(struct loop_fd *socket, uint32_t events);

static void prepare(struct connector *self, struct connector_try *try,
                    const struct address *address)
{
    *try = (struct connector_try){
        .connector = self, .address = address, .socket = {.on_events = on_socket, .fd = -1}};
}

/* Why it failed; 0: it is connected. A target may have answered and reset already: asking for the
 * error, or connecting once more, would take the answer away. */
static int error_on(int fd, bool failed)
{
    char byte;
    return failed && recv(fd, &byte, 1, MSG_PEEK) < 0 ? errno : 0;
}

/* Like connect(), of a socket that connects. */
static int look(int fd)
{
    struct pollfd at = {.fd = fd, .events = POLLOUT};
    errno = poll(&at, 1, 0) == 1 ? error_on(fd, at.revents & POLLERR) : EINPROGRESS;
    return errno ? -1 : 0;
}

/* True: it is connected, or will be, or will fail. */
static bool begin(struct connector_try *try, bool *connected)
{
    const struct address *address = try->address;
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        try->error = errno;
        return false;
    }
    try->socket.fd = fd;
    int result = connect(fd, &address->any, address->length);
    /* On loopback the handshake is over when connect returns EINPROGRESS: asking once more says so
     * and saves two epoll_ctl, a getsockopt and a turn of the loop for each connection. */
    if (result < 0 && errno == EINPROGRESS)
        result = look(fd);
    *connected = result == 0;
    if (result == 0 || ((errno == EALREADY || errno == EINPROGRESS) &&
                        loop_fd_add(try->connector->loop, &try->socket, EPOLLOUT) == 0))
        return true;
    try->error = errno;
    close(fd);
    try->socket.fd = -1;
    return false;
}

/* ---- names ---- */

static void free_names(struct connector_names *names)
{
    if (names)
        free(names->outdated);
    free(names);
}

static void on_answer(struct resolver_query *query);

static void ask(struct connector *self, bool fresh)
{
    struct connector_names *names = check_alloc(sizeof *names);
    names->connector = self;
    names->waits = true;
    names->outdated = self->names;
    names->query = (struct resolver_query){.on_answer = on_answer,
                                           .reply_to = self->mailbox,
                                           .host = self->endpoint->host,
                                           .port = self->endpoint->port,
                                           .fresh = fresh};
    self->names = names;
    resolver_ask(self->resolver, &names->query);
}

static void drop_names(struct connector *self)
{
    struct connector_names *names = self->names;
    self->names = NULL;
    if (!names)
        return;
    names->connector = NULL;
    if (!names->waits || resolver_cancel(self->resolver, &names->query))
        free_names(names);
}

static bool is_new(const struct resolver_answer *known, const struct address *address)
{
    for (int i = 0; i < known->count; i++)
        if (address_equal(&known->addresses[i], address))
            return false;
    return true;
}

/* True: there is an address that the cached answer did not have. */
static bool has_news(const struct connector_names *names)
{
    for (int i = 0; i < names->query.answer.count; i++)
        if (!names->outdated ||
            is_new(&names->outdated->query.answer, &names->query.answer.addresses[i]))
            return true;
    return false;
}

/* ---- the end ---- */

static void stop(struct connector *self)
{
    loop_timer_cancel(self->loop, &self->limit);
    loop_timer_cancel(self->loop, &self->next);
    loop_task_cancel(self->loop, &self->task);
    for (int i = 0; i < self->begun; i++)
        drop_socket(&self->tries[i]);
    self->begun = 0;
}

static void succeed(struct connector *self, struct connector_try *try)
{
    int fd = try->socket.fd;
    loop_fd_remove(self->loop, &try->socket);
    try->socket.fd = -1;
    stop(self);
    drop_names(self);
    self->on_done(self, ERR_OK, fd, NULL);
}

static void fail(struct connector *self)
{
    char why[CONNECTOR_WHY_MAX];
    enum err result =
        connector_why(self, self->begun ? NULL : &self->names->query.answer, why, sizeof why);
    stop(self);
    drop_names(self);
    self->on_done(self, result, -1, why);
}

void connector_cancel(struct connector *self)
{
    if (!self->loop)
        return;
    stop(self);
    drop_names(self);
}

/* ---- trying ---- */

/* No address is left. A cached answer is no reason to fail: the name may have moved. */
static void give_up(struct connector *self)
{
    if (self->names && self->names->query.cached && self->count)
        ask(self, true);
    else
        fail(self);
}

static bool is_waiting(const struct connector *self)
{
    for (int i = 0; i < self->begun; i++)
        if (self->tries[i].socket.fd >= 0)
            return true;
    return false;
}

/* Short enough that each address gets its chance within the limit. */
static uint64_t stagger_us(const struct connector *self)
{
    uint64_t now = loop_now(self->loop), limit = self->limit.deadline;
    uint64_t share = (limit > now ? limit - now : 0) / (uint64_t)(self->count - self->begun + 1);
    if (share < NEXT_ADDRESS_LEAST_US)
        return NEXT_ADDRESS_LEAST_US;
    return share < NEXT_ADDRESS_US ? share : NEXT_ADDRESS_US;
}

static void try_next(struct connector *self)
{
    bool connected = false;
    loop_timer_cancel(self->loop, &self->next);
    while (self->begun < self->count) {
        struct connector_try *try = &self->tries[self->begun++];
        if (!begin(try, &connected))
            continue;
        if (connected)
            succeed(self, try);
        else if (self->begun < self->count)
            loop_timer_set(self->loop, &self->next, loop_now(self->loop) + stagger_us(self));
        return;
    }
    if (!is_waiting(self))
        give_up(self);
}

static void on_socket(struct loop_fd *socket, uint32_t events)
{
    struct connector_try *try = container_of(socket, struct connector_try, socket);
    int error = error_on(socket->fd, events & EPOLLERR);
    if (!error) {
        succeed(try->connector, try);
        return;
    }
    try->error = error;
    drop_socket(try);
    try_next(try->connector);
}

static void on_begin(struct loop_task *task)
{
    try_next(container_of(task, struct connector, task));
}

static void on_next(struct loop_timer *timer)
{
    try_next(container_of(timer, struct connector, next));
}

static void on_limit(struct loop_timer *timer)
{
    fail(container_of(timer, struct connector, limit));
}

static void on_answer(struct resolver_query *query)
{
    struct connector_names *names = container_of(query, struct connector_names, query);
    struct connector *self = names->connector;
    names->waits = false;
    if (!self) {
        free_names(names);
        return;
    }
    if (!has_news(names)) {
        fail(self); /* with the errors of the outdated answer's addresses, if it had any */
        return;
    }
    self->tries = names->tries;
    self->count = query->answer.count;
    self->begun = 0;
    for (int i = 0; i < query->answer.count; i++)
        prepare(self, &names->tries[i], &query->answer.addresses[i]);
    try_next(self);
}

void connector_start(struct connector *self, struct loop *loop, const struct endpoint *endpoint,
                     uint64_t timeout_us, struct resolver *resolver, struct mailbox *mailbox)
{
    self->endpoint = endpoint;
    self->loop = loop;
    self->resolver = resolver;
    self->mailbox = mailbox;
    self->names = NULL;
    self->count = self->begun = 0;
    self->limit = (struct loop_timer){.on_expire = on_limit};
    self->next = (struct loop_timer){.on_expire = on_next};
    self->task = (struct loop_task){.on_run = on_begin};
    loop_timer_set(loop, &self->limit, loop_now(loop) + timeout_us);
    if (endpoint->needs_lookup) {
        ask(self, false);
        return;
    }
    prepare(self, &self->only, &endpoint->address);
    self->tries = &self->only;
    self->count = 1;
    loop_task_queue(loop, &self->task);
}
