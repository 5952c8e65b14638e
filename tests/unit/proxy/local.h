/* tests/unit/proxy/local.h: one worker that the test turns, a service without a tunnel, and
 * TCP sockets: for what does not need two endpoints. A header with code, because each test is one
 * source file. */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/resolver.h"
#include "proxy/local/service.h"
#include "proxy/worker/worker.h"
#include "tests/lib/tap.h"

struct local {
    struct worker worker;
    struct config_service service_config;
    struct counters counters;
    struct log_minute memory_told;
    struct service service;
    uint64_t deadline_us;
};

static inline void local_init(struct local *local, struct resolver *resolver)
{
    *local = (struct local){0};
    log_set_level(getenv("VERBOSE") ? LOG_INFO : LOG_ERROR);
    must(worker_init(&local->worker, 0, resolver) == 0);
    local->service_config.name = (char *)(uintptr_t) "service";
    local->service_config.endpoint.text = (char *)(uintptr_t) "somewhere";
    local->service_config.connect_timeout_us = 1000000;
    local->service_config.keepalive = true;
    local->service_config.socket_mode = 0600;
    local->service = (struct service){.config = &local->service_config,
                                      .rules = &local->service_config,
                                      .tunnel_name = "books",
                                      .counters = &local->counters,
                                      .memory_told = &local->memory_told};
}

static inline void local_fini(struct local *local)
{
    worker_fini(&local->worker);
}

static inline bool local_turn(struct local *local)
{
    loop_turn(local->worker.loop, 2000);
    return loop_now(local->worker.loop) < local->deadline_us;
}

/* Turns the worker until the condition holds, for 5 s at most. */
#define local_reach(local, condition)                                                              \
    do {                                                                                           \
        (local)->deadline_us = loop_now((local)->worker.loop) + 5000000;                           \
        while (!(condition) && local_turn(local))                                                  \
            ;                                                                                      \
    } while (0)
#define local_expect(local, condition, ...)                                                        \
    do {                                                                                           \
        local_reach(local, condition);                                                             \
        ok((condition), __VA_ARGS__);                                                              \
    } while (0)

static inline void local_pause(struct local *local, uint64_t us)
{
    uint64_t until = loop_now(local->worker.loop) + us;
    while (loop_now(local->worker.loop) < until)
        loop_turn(local->worker.loop, 1000);
}

static inline struct address local_loopback(void)
{
    return (struct address){
        .length = sizeof(struct sockaddr_in),
        .in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
}

/* A socket bound to a free port; listening if backlog is 0 or more. */
static inline int local_bind(struct address *address, int backlog)
{
    *address = local_loopback();
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    must(fd >= 0 && bind(fd, &address->any, address->length) == 0);
    must(backlog < 0 || listen(fd, backlog) == 0);
    must(getsockname(fd, &address->any, &address->length) == 0);
    return fd;
}

/* A TCP connection on loopback; both ends non-blocking. */
static inline void local_tcp_pair(int pair[2])
{
    struct address address;
    int listener = local_bind(&address, 1);
    pair[0] = socket(AF_INET, SOCK_STREAM, 0);
    must(connect(pair[0], &address.any, address.length) == 0);
    while ((pair[1] = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) < 0)
        must(errno == EAGAIN);
    must(fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0);
    close(listener);
}

/* close() with RST. */
static inline void local_reset(int fd)
{
    struct linger now = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}
