/* Bytes that the local end sent before its reset are read first; the reset stays one. */
#include "proxy/local/connection.h"

#include <netinet/tcp.h>

#include "tests/unit/proxy/local.h"

#define ROOM  16380
#define TIMES 30

struct bed {
    struct local local;
    struct connection_events events;
    struct connection *connection;
    int peer;
    unsigned readables, resets;
    size_t got; /* bytes that were read, in order */
    bool ended; /* FIN was read */
};

static struct bed *of(struct connection_events *events)
{
    return container_of(events, struct bed, events);
}

static void on_readable(struct connection_events *events)
{
    of(events)->readables++;
}

static void on_written(struct connection_events *events, size_t length)
{
    (void)events, (void)length;
}

static void on_reset(struct connection_events *events)
{
    of(events)->resets++;
}

static void begin(struct bed *bed, bool is_unix)
{
    int pair[2];
    *bed = (struct bed){0};
    local_init(&bed->local, NULL);
    bed->events = (struct connection_events){
        .on_readable = on_readable, .on_written = on_written, .on_reset = on_reset};
    if (is_unix) {
        bed->local.service_config.endpoint.address.any.sa_family = AF_UNIX;
        must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
    } else {
        local_tcp_pair(pair);
    }
    bed->peer = pair[1];
    bed->connection = connection_new(&bed->local.service, pair[0], 1, "client", 0);
    must(connection_watch(bed->connection, &bed->local.worker, &bed->events) == ERR_OK);
    loop_turn(bed->local.worker.loop, 0);
}

static void end(struct bed *bed)
{
    connection_end(bed->connection, ERR_LOCAL_RESET, NULL);
    if (bed->peer >= 0)
        close(bed->peer);
    local_fini(&bed->local);
}

/* The peer sends so many bytes; all of them are on their way when this returns. */
static void answer(struct bed *bed, size_t length)
{
    static uint8_t bytes[1 << 20];
    int large = 1 << 20;
    setsockopt(bed->peer, SOL_SOCKET, SO_SNDBUF, &large, sizeof large);
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)(i * 7 + (i >> 8));
    must(send(bed->peer, bytes, length, MSG_NOSIGNAL) == (ssize_t)length);
}

/* Until the peer's RST is here, without a look at the socket by the product. */
static void reset_arrives(struct bed *bed)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    local_reset(bed->peer);
    bed->peer = -1;
    while (info.tcpi_state != TCP_CLOSE)
        must(getsockopt(bed->connection->socket.fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0);
}

/* As a stream does it that has credit: again while there is a whole record. */
static void fill(struct bed *bed, size_t room)
{
    static uint8_t bytes[ROOM];
    size_t n = room;
    while (n == room && !bed->resets && !bed->ended) {
        n = connection_fill(bed->connection, bytes, room, &bed->ended);
        for (size_t i = 0; i < n; i++, bed->got++)
            must(bytes[i] == (uint8_t)(bed->got * 7 + (bed->got >> 8)));
    }
}

static size_t deliver(struct bed *bed, const char *text)
{
    return connection_deliver(bed->connection, (const uint8_t *)text, strlen(text), false);
}

/* Read as soon as it is announced, by records of so many bytes. */
static void answer_then_reset(size_t length, size_t room)
{
    unsigned whole = 0;
    for (int i = 0; i < TIMES; i++) {
        struct bed bed;
        begin(&bed, false);
        answer(&bed, length);
        reset_arrives(&bed);
        local_reach(&bed.local, bed.readables || bed.resets);
        fill(&bed, room);
        whole += bed.got == length && bed.resets == 1 && !bed.ended;
        end(&bed);
    }
    ok(whole == TIMES, "%zu bytes and RST, read by %zu: all, then the reset (%u of %d)", length,
       room, whole, TIMES);
}

/* The write takes the error out of the socket: a read then finds 0 where there was no FIN. */
static void write_meets_reset(bool stays)
{
    unsigned whole = 0;
    for (int i = 0; i < TIMES; i++) {
        struct bed bed;
        begin(&bed, false);
        answer(&bed, 20000);
        reset_arrives(&bed);
        size_t gone = connection_deliver(bed.connection, (const uint8_t *)"x", 1, stays);
        gone += connection_push(bed.connection);
        whole += !gone && !bed.resets && bed.readables;
        fill(&bed, ROOM);
        whole += bed.got == 20000 && bed.resets == 1 && !bed.ended && !deliver(&bed, "y");
        end(&bed);
    }
    ok(whole == 2 * TIMES,
       "a write that meets RST: the answer is read, and RST is no FIN (%u of %d)", whole / 2,
       TIMES);
}

/* The same where it is the backlog that meets it. */
static void backlog_meets_reset(void)
{
    struct bed bed;
    static uint8_t bytes[ROOM];
    begin(&bed, false);
    while (connection_deliver(bed.connection, bytes, sizeof bytes, false) == sizeof bytes)
        ;
    answer(&bed, 5000);
    reset_arrives(&bed);
    ok(!connection_flush(bed.connection) && !bed.resets && bed.readables,
       "a backlog that meets RST");
    ok(!bed.connection->backlog.first && !connection_untaken(bed.connection), "is dropped");
    fill(&bed, ROOM);
    ok(bed.got == 5000 && bed.resets == 1 && !bed.ended, "the answer is read, then the reset");
    end(&bed);
}

/* A target that closes well, and resets only because of what comes then. */
static void fin_then_reset(bool writes_again)
{
    unsigned whole = 0;
    for (int i = 0; i < TIMES; i++) {
        struct bed bed;
        begin(&bed, false);
        answer(&bed, 3000);
        close(bed.peer);
        bed.peer = -1;
        deliver(&bed, "more");
        struct tcp_info info = {0};
        socklen_t size = sizeof info;
        while (info.tcpi_state != TCP_CLOSE)
            must(getsockopt(bed.connection->socket.fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0);
        if (writes_again)
            deliver(&bed, "and more");
        local_reach(&bed.local, bed.readables || bed.resets);
        fill(&bed, ROOM);
        whole += bed.got == 3000 && bed.ended && bed.resets == 1;
        end(&bed);
    }
    ok(whole == TIMES, "FIN before RST%s: the answer, its end, then the reset (%u of %d)",
       writes_again ? ", met by a write" : "", whole, TIMES);
}

/* FIN was read long ago: nothing is left to be read before the reset. */
static void reset_after_fin(void)
{
    struct bed bed;
    begin(&bed, false);
    shutdown(bed.peer, SHUT_WR);
    local_reach(&bed.local, bed.readables);
    fill(&bed, ROOM);
    ok(bed.ended && !bed.resets, "FIN is no reset");
    reset_arrives(&bed);
    local_expect(&bed.local, bed.resets == 1, "RST behind it is told at once");
    end(&bed);
}

/* No credit: it waits without a busy loop, and not for ever. */
static void nobody_reads(void)
{
    struct bed bed;
    begin(&bed, false);
    answer(&bed, 20000);
    reset_arrives(&bed);
    local_reach(&bed.local, bed.connection->io.reset);
    unsigned before = bed.readables;
    local_pause(&bed.local, 5000);
    ok(before && bed.readables == before && !bed.resets, "RST behind what nobody reads waits");
    uint8_t one;
    bool ended;
    ok(connection_fill(bed.connection, &one, 1, &ended) == 1 && !ended && !bed.resets,
       "a small credit takes a little of it");
    bed.local.worker.reset_timeout_us = 3000;
    ok(connection_fill(bed.connection, &one, 1, &ended) == 1,
       "each time it may take as long again");
    local_expect(&bed.local, bed.resets == 1, "but there is an end to that");
    end(&bed);
}

static void is_over(void)
{
    struct bed bed;
    begin(&bed, false);
    answer(&bed, 10);
    reset_arrives(&bed);
    local_reach(&bed.local, bed.connection->io.reset);
    ok(bed.connection->io.reset && !connection_is_over(bed.connection),
       "a client that has gone, and has sent something");
    fill(&bed, ROOM);
    end(&bed);
    begin(&bed, false);
    reset_arrives(&bed);
    local_reach(&bed.local, bed.connection->io.reset);
    ok(connection_is_over(bed.connection), "one that has sent nothing");
    end(&bed);
}

/* A UNIX socket's reset: it was closed with unread bytes in it. */
static void unix_reset(bool writes)
{
    struct bed bed;
    begin(&bed, true);
    deliver(&bed, "unread");
    answer(&bed, 30000);
    close(bed.peer);
    bed.peer = -1;
    if (writes)
        ok(deliver(&bed, "more") == 0, "what it cannot take is dropped");
    local_reach(&bed.local, bed.readables || bed.resets);
    fill(&bed, ROOM);
    ok(bed.got == 30000 && bed.resets == 1 && !bed.ended,
       "a UNIX socket closed with unread bytes%s: the answer, then the reset",
       writes ? ", met by a write" : "");
    end(&bed);
}

/* One that reads no more may still have a long answer to give. */
static void unix_half(void)
{
    struct bed bed;
    begin(&bed, true);
    shutdown(bed.peer, SHUT_RD);
    answer(&bed, 100);
    ok(deliver(&bed, "unwanted") == 0 && !bed.resets, "a UNIX socket that reads no more");
    fill(&bed, ROOM);
    local_pause(&bed.local, 3000);
    ok(bed.got == 100 && !bed.resets && !bed.ended, "goes on with its answer");
    ok(!loop_timer_is_set(&bed.connection->io.reset_timer), "as long as it likes");
    close(bed.peer);
    bed.peer = -1;
    local_reach(&bed.local, (fill(&bed, ROOM), bed.ended));
    ok(bed.ended && bed.resets == 1, "its end is told, and that it did not take everything");
    end(&bed);
}

int main(void)
{
    answer_then_reset(0, ROOM);
    answer_then_reset(44, ROOM);
    answer_then_reset(44, 44);
    answer_then_reset(3 * ROOM, ROOM);
    answer_then_reset(50001, 1000);
    write_meets_reset(false);
    write_meets_reset(true);
    backlog_meets_reset();
    fin_then_reset(false);
    fin_then_reset(true);
    reset_after_fin();
    nobody_reads();
    is_over();
    unix_reset(false);
    unix_reset(true);
    unix_half();
    message_cache_clear();
    return tap_done();
}
