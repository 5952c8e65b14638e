/* tests/unit/proxy/ends.h: the two TCP ends of connections that go through a tunnel: clients, and a
 * target that finds the plan of each connection by the number that it begins with. Both verify
 * every byte and note how it ended. A header with code, because each test is one source file. */
#pragma once

#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/address.h"
#include "base/check.h"
#include "base/loop.h"

#define ENDS_PAIRS_MAX 1024
#define ENDS_NUMBER    4 /* bytes in front of what the client sends */

enum end_then {
    THEN_FIN,   /* after the last byte; closed when the other's FIN has come */
    THEN_HOLD,  /* nothing */
    THEN_RESET, /* RST as soon as the last byte was given to the kernel */
};

struct end_plan {
    size_t bytes; /* to send */
    enum end_then then;
    bool waits;   /* sends only after the other's FIN */
    bool stalled; /* does not read */
};

/* Sends so many bytes, then FIN. */
static inline struct end_plan end_sends(size_t bytes)
{
    return (struct end_plan){.bytes = bytes};
}

/* Sends so many bytes, then stays. */
static inline struct end_plan end_holds(size_t bytes)
{
    return (struct end_plan){.bytes = bytes, .then = THEN_HOLD};
}

/* Reads nothing, and has sent its FIN. */
static inline struct end_plan end_sleeps(void)
{
    return (struct end_plan){.stalled = true};
}

struct end {
    struct pair *pair; /* NULL: a target's that has not read its number */
    struct ends *ends;
    struct loop_fd socket; /* fd -1: closed */
    struct end_plan plan;
    uint8_t number[ENDS_NUMBER];
    size_t number_length;
    size_t sent, received;
    bool is_target, finished;
    bool got_end, got_reset, damaged; /* as it saw them */
    bool connected;                   /* client: the listener took it */
};

/* One connection. */
struct pair {
    uint32_t number;
    struct end client, *target; /* target NULL: none came */
};

struct ends {
    struct loop *loop;
    struct loop_fd listener; /* of the target */
    struct address address;
    struct pair *pairs[ENDS_PAIRS_MAX];
    struct end_plan target_plans[ENDS_PAIRS_MAX];
    uint32_t pair_count;
    struct end *targets[ENDS_PAIRS_MAX];
    uint32_t target_count;
    bool deaf; /* the target does not accept */
};

static inline uint8_t ends_byte(const struct pair *pair, bool from_target, size_t at)
{
    uint32_t word = (pair->number * 2 + from_target + 1) * 2654435761u + (uint32_t)(at >> 2) * 97u;
    return (uint8_t)(word >> (at & 3) * 8 ^ at >> 10);
}

static inline void end_close(struct end *end)
{
    loop_fd_close(end->ends->loop, &end->socket);
}

static inline void end_reset(struct end *end)
{
    struct linger now = {.l_onoff = 1};
    if (end->socket.fd < 0)
        return;
    setsockopt(end->socket.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    end_close(end);
}

static inline void end_broken(struct end *end)
{
    end->got_reset = true;
    end_close(end);
}

static inline void end_verify(struct end *end, const uint8_t *data, size_t length)
{
    for (size_t i = 0; i < length; i++)
        end->damaged |= data[i] != ends_byte(end->pair, !end->is_target, end->received + i);
    end->received += length;
}

/* A target's: the number comes first. False: not yet. */
static inline bool end_identify(struct end *end)
{
    if (!end->is_target || end->pair)
        return true;
    ssize_t n =
        read(end->socket.fd, end->number + end->number_length, ENDS_NUMBER - end->number_length);
    if (n == 0 || (n < 0 && errno != EAGAIN)) {
        end_close(end);
        return false;
    }
    end->number_length += n > 0 ? (size_t)n : 0;
    if (end->number_length < ENDS_NUMBER)
        return false;
    uint32_t number;
    memcpy(&number, end->number, sizeof number);
    must(number < end->ends->pair_count);
    end->pair = end->ends->pairs[number];
    must(!end->pair->target);
    end->pair->target = end;
    end->plan = end->ends->target_plans[number];
    return true;
}

static inline void end_read(struct end *end)
{
    static uint8_t bytes[65536];
    while (end->socket.fd >= 0 && !end->plan.stalled && !end->got_end) {
        ssize_t n = read(end->socket.fd, bytes, sizeof bytes);
        if (n > 0)
            end_verify(end, bytes, (size_t)n);
        else if (n == 0)
            end->got_end = true;
        else if (errno == EAGAIN)
            return;
        else
            end_broken(end);
    }
}

static inline ssize_t end_write_some(struct end *end)
{
    uint8_t bytes[16384];
    if (!end->is_target && end->number_length < ENDS_NUMBER) {
        ssize_t n = send(end->socket.fd, (const char *)&end->pair->number + end->number_length,
                         ENDS_NUMBER - end->number_length, MSG_NOSIGNAL);
        end->number_length += n > 0 ? (size_t)n : 0;
        return n;
    }
    size_t length = end->plan.bytes - end->sent;
    if (length > sizeof bytes)
        length = sizeof bytes;
    for (size_t i = 0; i < length; i++)
        bytes[i] = ends_byte(end->pair, end->is_target, end->sent + i);
    ssize_t n = send(end->socket.fd, bytes, length, MSG_NOSIGNAL);
    end->sent += n > 0 ? (size_t)n : 0;
    return n;
}

/* True if it has something to send now: its number first, with any plan. */
static inline bool end_may_write(const struct end *end)
{
    if (!end->is_target && end->number_length < ENDS_NUMBER)
        return true;
    return end->sent < end->plan.bytes && (!end->plan.waits || end->got_end);
}

static inline void end_write(struct end *end)
{
    while (end->socket.fd >= 0 && !end->finished && end_may_write(end)) {
        ssize_t n = end_write_some(end);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0)
            end_broken(end);
    }
    if (end->socket.fd < 0 || end->finished || end->plan.then == THEN_HOLD ||
        (end->plan.waits && !end->got_end))
        return;
    end->finished = true;
    if (end->plan.then == THEN_RESET)
        end_reset(end);
    else
        shutdown(end->socket.fd, SHUT_WR);
}

/* Goes on as far as it can; call it after a change of its plan. */
static inline void end_go(struct end *end)
{
    if (end->socket.fd < 0 || !end_identify(end))
        return;
    end_read(end);
    if (end->socket.fd >= 0)
        end_write(end);
    if (end->socket.fd >= 0 && end->finished && end->got_end)
        end_close(end);
}

static inline void end_on_events(struct loop_fd *socket, uint32_t events)
{
    struct end *end = container_of(socket, struct end, socket);
    if ((events & EPOLLERR) && end_identify(end))
        end_read(end); /* the bytes before the reset */
    if (events & EPOLLERR) {
        end_broken(end);
        return;
    }
    if (!end->connected && (events & EPOLLOUT))
        end->connected = true;
    end_go(end);
}

static inline void end_watch(struct end *end, struct ends *ends, int fd)
{
    end->ends = ends;
    end->socket = (struct loop_fd){.fd = fd, .on_events = end_on_events};
    must(loop_fd_add(ends->loop, &end->socket, EPOLLIN | EPOLLOUT | EPOLLET) == 0);
}

static inline void ends_on_accept(struct loop_fd *listener, uint32_t events)
{
    struct ends *ends = container_of(listener, struct ends, listener);
    (void)events;
    int fd;
    while (!ends->deaf && (fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct end *end = check_alloc(sizeof *end);
        end->is_target = true;
        must(ends->target_count < ENDS_PAIRS_MAX);
        ends->targets[ends->target_count++] = end;
        end_watch(end, ends, fd);
    }
}

static inline void ends_open(struct ends *ends, struct loop *loop)
{
    *ends = (struct ends){
        .loop = loop,
        .address = {.length = sizeof(struct sockaddr_in),
                    .in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    must(fd >= 0 && bind(fd, &ends->address.any, ends->address.length) == 0);
    must(listen(fd, 1024) == 0);
    must(getsockname(fd, &ends->address.any, &ends->address.length) == 0);
    ends->listener = (struct loop_fd){.fd = fd, .on_events = ends_on_accept};
    must(loop_fd_add(loop, &ends->listener, EPOLLIN) == 0);
}

/* A client connects to address; what it does, and what the target will do. */
static inline struct pair *ends_connect(struct ends *ends, const struct address *address,
                                        struct end_plan client, struct end_plan target)
{
    struct pair *pair = check_alloc(sizeof *pair);
    must(ends->pair_count < ENDS_PAIRS_MAX);
    pair->number = ends->pair_count;
    ends->target_plans[pair->number] = target;
    ends->pairs[ends->pair_count++] = pair;
    pair->client.pair = pair;
    pair->client.plan = client;
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    must(fd >= 0);
    int small = 65536; /* for a reader that does not read */
    if (client.stalled)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    int rc = connect(fd, &address->any, address->length);
    must(rc == 0 || errno == EINPROGRESS);
    end_watch(&pair->client, ends, fd);
    return pair;
}

static inline bool end_is_closed(const struct end *end)
{
    return end->socket.fd < 0;
}

/* Both have sent and received everything and saw the other's FIN. */
static inline bool pair_is_complete(const struct pair *pair)
{
    const struct end *client = &pair->client, *target = pair->target;
    return target && client->got_end && target->got_end && end_is_closed(client) &&
           end_is_closed(target) && !client->got_reset && !target->got_reset && !client->damaged &&
           !target->damaged && client->received == target->plan.bytes &&
           target->received == client->plan.bytes;
}

static inline bool pair_is_over(const struct pair *pair)
{
    return end_is_closed(&pair->client) && (!pair->target || end_is_closed(pair->target));
}

/* Truncation must look like a reset: no end may see FIN without all the bytes. */
static inline bool pair_is_honest(const struct pair *pair)
{
    const struct end *client = &pair->client, *target = pair->target;
    if (client->damaged || (target && target->damaged))
        return false;
    if (target && target->got_end && !target->got_reset && target->received != client->plan.bytes)
        return false;
    return !client->got_end || (target && client->received == target->plan.bytes);
}

static inline bool ends_all(const struct ends *ends, bool (*holds)(const struct pair *))
{
    for (uint32_t i = 0; i < ends->pair_count; i++)
        if (!holds(ends->pairs[i]))
            return false;
    return true;
}

static inline uint32_t ends_count(const struct ends *ends, bool (*holds)(const struct pair *))
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < ends->pair_count; i++)
        count += holds(ends->pairs[i]);
    return count;
}

/* Closes and forgets all connections; the target listens on. */
static inline void ends_clear(struct ends *ends)
{
    for (uint32_t i = 0; i < ends->target_count; i++) {
        end_close(ends->targets[i]);
        free(ends->targets[i]);
    }
    for (uint32_t i = 0; i < ends->pair_count; i++) {
        end_close(&ends->pairs[i]->client);
        free(ends->pairs[i]);
    }
    ends->pair_count = ends->target_count = 0;
}

static inline void ends_fini(struct ends *ends)
{
    ends_clear(ends);
    loop_fd_close(ends->loop, &ends->listener);
}
