/* The local socket of a connection: reading at edges, the backlog, and how it ends. */
#include "proxy/local/connection.h"

#include <sys/ioctl.h>
#include <sys/mman.h>

#include "tests/unit/proxy/local.h"

#define ROOM 16380

/* A watched connection and the socket at its other end. */
struct bed {
    struct local local;
    struct connection_events events;
    struct connection *connection;
    int peer;
    unsigned readables, resets, connecteds;
    enum err connected;
    size_t written;
};

static struct bed *of(struct connection_events *events)
{
    return container_of(events, struct bed, events);
}

static void on_connected(struct connection_events *events, enum err result, const char *why)
{
    (void)why;
    of(events)->connecteds++;
    of(events)->connected = result;
}

static void on_readable(struct connection_events *events)
{
    of(events)->readables++;
}

static void on_written(struct connection_events *events, size_t length)
{
    of(events)->written += length;
}

static void on_reset(struct connection_events *events)
{
    of(events)->resets++;
}

static void init(struct bed *bed)
{
    *bed = (struct bed){.peer = -1};
    local_init(&bed->local, NULL);
    bed->events = (struct connection_events){.on_connected = on_connected,
                                             .on_readable = on_readable,
                                             .on_written = on_written,
                                             .on_reset = on_reset};
}

static void watch(struct bed *bed, const int pair[2])
{
    bed->peer = pair[1];
    bed->connection = connection_new(&bed->local.service, pair[0], 1, "client", 0);
    must(connection_watch(bed->connection, &bed->local.worker, &bed->events) == ERR_OK);
    loop_turn(bed->local.worker.loop, 0);
}

static void begin(struct bed *bed)
{
    int pair[2];
    init(bed);
    local_tcp_pair(pair);
    watch(bed, pair);
}

static void end(struct bed *bed)
{
    if (bed->connection)
        connection_end(bed->connection, ERR_CLOSED, NULL);
    if (bed->peer >= 0)
        close(bed->peer);
    ok(!atomic_load(&bed->local.counters.connections_open) &&
           !atomic_load(&bed->local.service.open),
       "it is not counted as open any more");
    local_fini(&bed->local);
}

static uint8_t byte_at(size_t at)
{
    return (uint8_t)(at * 7 + (at >> 8));
}

/* The peer sends bytes from..from + length of the pattern, as far as the socket takes them. */
static size_t peer_sends(struct bed *bed, size_t from, size_t length)
{
    static uint8_t bytes[1 << 20];
    must(length <= sizeof bytes);
    for (size_t i = 0; i < length; i++)
        bytes[i] = byte_at(from + i);
    ssize_t n = send(bed->peer, bytes, length, MSG_NOSIGNAL);
    return n > 0 ? (size_t)n : 0;
}

/* Fills once; whether it got the pattern's next bytes. */
static size_t fill(struct bed *bed, size_t *at, size_t room, bool *end, bool *right)
{
    static uint8_t bytes[ROOM];
    must(room <= ROOM);
    size_t n = connection_fill(bed->connection, bytes, room, end);
    for (size_t i = 0; i < n; i++)
        *right &= bytes[i] == byte_at(*at + i);
    *at += n;
    return n;
}

static void edges(void)
{
    struct bed bed;
    size_t at = 0;
    bool ended, right = true;
    begin(&bed);
    ok(fill(&bed, &at, ROOM, &ended, &right) == 0 && !ended, "nothing to read at first");
    unsigned before = bed.readables;
    peer_sends(&bed, 0, 100);
    local_expect(&bed.local, bed.readables > before, "bytes are announced");
    ok(fill(&bed, &at, ROOM, &ended, &right) == 100 && right && !ended, "and read");
    before = bed.readables;
    local_pause(&bed.local, 5000);
    ok(bed.readables == before, "once");
    peer_sends(&bed, 100, 50);
    local_expect(&bed.local, bed.readables > before, "the next ones are announced again");
    ok(fill(&bed, &at, 20, &ended, &right) == 20 && fill(&bed, &at, 30, &ended, &right) == 30 &&
           right,
       "and read in parts, as the credit allows");
    ok(bed.connection->counts.bytes_out == 150 && counter_get(&bed.local.counters.bytes_out) == 150,
       "counted");
    end(&bed);
}

/* No further edge follows when FIN was there with the data. */
static void fin_with_data(size_t length, size_t room)
{
    struct bed bed;
    size_t at = 0;
    bool ended = false, right = true;
    begin(&bed);
    peer_sends(&bed, 0, length);
    shutdown(bed.peer, SHUT_WR);
    local_reach(&bed.local, bed.readables && bed.connection->io.read_to_end);
    for (int i = 0; i < 1000 && !ended; i++) {
        size_t n = fill(&bed, &at, room, &ended, &right);
        if (n < room && !ended)
            break; /* it would not be asked again before on_readable */
    }
    ok(ended && right && at == length, "%zu bytes and FIN, read by %zu: the end is seen", length,
       room);
    ok(fill(&bed, &at, room, &ended, &right) == 0, "and nothing behind it");
    end(&bed);
}

/* The same when FIN comes while the data is being read. */
static void fin_behind_data(void)
{
    struct bed bed;
    size_t at = 0;
    bool ended = false, right = true;
    begin(&bed);
    peer_sends(&bed, 0, 10);
    local_reach(&bed.local, bed.readables);
    ok(fill(&bed, &at, ROOM, &ended, &right) == 10 && !ended, "data without an end");
    unsigned before = bed.readables;
    shutdown(bed.peer, SHUT_WR);
    local_expect(&bed.local, bed.readables > before, "the end is announced");
    ok(fill(&bed, &at, ROOM, &ended, &right) == 0 && ended, "and read");
    ok(bed.resets == 0, "it is no reset");
    end(&bed);
}

static void bulk(size_t small)
{
    struct bed bed;
    size_t at = 0, sent = 0, fills = 0;
    const size_t all = 3000000;
    bool ended = false, right = true, asked = true;
    begin(&bed);
    while (!ended && fills < 2000000) {
        if (sent < all && peer_sends(&bed, sent, 1))
            sent +=
                1 + peer_sends(&bed, sent + 1, all - sent - 1 < 200000 ? all - sent - 1 : 200000);
        if (sent == all)
            shutdown(bed.peer, SHUT_WR);
        unsigned before = bed.readables;
        loop_turn(bed.local.worker.loop, asked ? 0 : 1000);
        asked |= bed.readables > before;
        size_t room = fills++ % 3 ? ROOM : small;
        if (asked)
            asked = fill(&bed, &at, room, &ended, &right) == room;
    }
    ok(ended && right && at == all, "3 MB in order, with rooms of %d and %zu bytes", ROOM, small);
    ok(bed.connection->counts.bytes_out == all, "each counted once");
    end(&bed);
}

/* 64 KB that are there are one read, also the first; behind them there is none before the edge. */
static void message_at_once(void)
{
    enum { SIZE = 65536 };
    struct bed bed;
    size_t at = 0;
    bool ended = false, right = true;
    begin(&bed);
    ok(peer_sends(&bed, 0, SIZE) == SIZE, "the peer sends 64 KB");
    int waiting = 0;
    local_expect(&bed.local,
                 ioctl(bed.connection->socket.fd, FIONREAD, &waiting) == 0 && waiting == SIZE &&
                     bed.readables,
                 "they are here, and announced");
    ok(fill(&bed, &at, ROOM, &ended, &right) == ROOM && bed.connection->counts.bytes_out == SIZE,
       "the first read takes them all");
    const struct message *ahead = bed.connection->readahead;
    unsigned before = bed.readables;
    ok(peer_sends(&bed, SIZE, 10) == 10, "the peer sends more");
    for (int i = 0; i < 3; i++)
        fill(&bed, &at, ROOM, &ended, &right);
    ok(fill(&bed, &at, ROOM, &ended, &right) == SIZE % ROOM && at == SIZE && right,
       "the last record has what was read, without a look at the socket");
    ok(ahead && bed.local.worker.readahead == ahead, "the room for it is the worker's again");
    local_expect(&bed.local, bed.readables > before, "what came then is announced");
    ok(fill(&bed, &at, ROOM, &ended, &right) == 10 && right, "and read");
    end(&bed);
}

/* A read of a UNIX socket ends behind bytes with which a descriptor was sent. */
static void descriptor_sent_along(void)
{
    struct bed bed;
    int pair[2];
    size_t at = 0;
    bool ended, right = true;
    init(&bed);
    bed.local.service_config.endpoint.address.any.sa_family = AF_UNIX;
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
    watch(&bed, pair);
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    uint8_t bytes[] = {byte_at(0), byte_at(1)};
    struct iovec part = {bytes, sizeof bytes};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof control};
    *CMSG_FIRSTHDR(&header) = (struct cmsghdr){
        .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(CMSG_FIRSTHDR(&header)), &pair[1], sizeof(int));
    must(sendmsg(bed.peer, &header, 0) == sizeof bytes && peer_sends(&bed, 2, 100) == 100);
    local_expect(&bed.local, bed.readables, "bytes with a descriptor are announced");
    fill(&bed, &at, ROOM, &ended, &right);
    fill(&bed, &at, ROOM, &ended, &right);
    ok(at == 102 && right, "and what follows them is read (%zu)", at);
    end(&bed);
}

/* However many do not send on what they read: a worker's memory is not theirs. */
static void bulk_of_many(void)
{
    enum { MANY = 150 };
    static struct bed beds[MANY];
    static const uint8_t bytes[1 << 20];
    static uint8_t to[ROOM];
    unsigned far = 0, less = 0, not = 0;
    size_t all = 0;
    bool ended;
    for (struct bed *bed = beds; bed < beds + MANY; bed++) {
        begin(bed);
        must(send(bed->peer, bytes, 300000, MSG_NOSIGNAL | MSG_DONTWAIT) > 2 * ROOM);
        local_reach(&bed->local, bed->readables);
        local_reach(&bed->local,
                    (connection_fill(bed->connection, to, sizeof to, &ended),
                     bed->connection->readahead || bed->connection->counts.bytes_out == ROOM));
        const struct message *ahead = bed->connection->readahead;
        far += ahead && ahead->capacity > 100000;
        less += ahead && ahead->capacity <= 50000;
        not += !ahead;
        all += ahead ? ahead->capacity : 0;
    }
    ok(far && far < 20 && less, "%u read far ahead, %u less far", far, less);
    ok(not &&all < 9 << 20, "%u not at all: %zu bytes in all", not, all);
    for (struct bed *bed = beds; bed < beds + MANY; bed++)
        end(bed);
    struct bed bed;
    begin(&bed);
    while (send(bed.peer, bytes, sizeof bytes, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
        ;
    local_reach(&bed.local, bed.readables);
    local_reach(&bed.local, (connection_fill(bed.connection, to, sizeof to, &ended),
                             bed.connection->readahead));
    ok(bed.connection->readahead && bed.connection->readahead->capacity > 100000,
       "when they have ended others may again");
    end(&bed);
}

static void urgent(void)
{
    struct bed bed;
    size_t at = 0;
    bool ended = false, right = true;
    begin(&bed);
    peer_sends(&bed, 0, 5);
    must(send(bed.peer, "!", 1, MSG_OOB) == 1);
    peer_sends(&bed, 5, 7);
    int waiting = 0;
    local_reach(&bed.local, ioctl(bed.connection->socket.fd, FIONREAD, &waiting) == 0 && waiting);
    local_pause(&bed.local, 3000);
    fill(&bed, &at, ROOM, &ended, &right); /* it is not asked again before on_readable */
    ok(at == 12 && right, "what follows urgent data is read without a further announcement (%zu)",
       at);
    end(&bed);
}

static void reset_is_told(void)
{
    struct bed bed;
    begin(&bed);
    local_reset(bed.peer);
    bed.peer = -1;
    unsigned before = bed.readables;
    local_expect(&bed.local, bed.readables > before, "RST is announced");
    size_t at = 0;
    bool ended, right = true;
    ok(fill(&bed, &at, ROOM, &ended, &right) == 0 && !ended && bed.resets == 1,
       "and told to who reads");
    local_pause(&bed.local, 3000);
    ok(bed.resets == 1, "once");
    connection_end(bed.connection, ERR_LOCAL_RESET, NULL);
    bed.connection = NULL;
    end(&bed);
}

/* A read finds it before the loop does. */
static void reset_while_reading(void)
{
    struct bed bed;
    size_t at = 0;
    bool ended, right = true;
    begin(&bed);
    local_reset(bed.peer);
    bed.peer = -1;
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    while (info.tcpi_state != TCP_CLOSE)
        must(getsockopt(bed.connection->socket.fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0);
    size_t n = fill(&bed, &at, ROOM, &ended, &right);
    ok(n == 0 && bed.resets == 1, "RST that a read runs into is told once");
    ok(connection_deliver(bed.connection, (const uint8_t *)"x", 1, false) == 1 || bed.resets == 1,
       "writing into it tells nothing more");
    end(&bed);
}

static void backlog(void)
{
    enum { ALL = 8000000, PART = 16000 };
    struct bed bed;
    static uint8_t bytes[PART], got[65536];
    size_t at_once = 0, received = 0;
    bool right = true;
    begin(&bed);
    for (size_t at = 0; at < ALL; at += PART) {
        for (size_t i = 0; i < PART; i++)
            bytes[i] = byte_at(at + i);
        at_once += connection_deliver(bed.connection, bytes, PART, false);
    }
    ok(at_once > 0 && at_once < ALL && !connection_is_written(bed.connection),
       "the socket takes %zu of %d bytes, the others wait", at_once, ALL);
    connection_finish(bed.connection);
    ssize_t n = 1;
    while (n) {
        loop_turn(bed.local.worker.loop, 0);
        n = read(bed.peer, got, sizeof got);
        must(n >= 0 || errno == EAGAIN);
        for (ssize_t i = 0; i < n; i++)
            right &= got[i] == byte_at(received + (size_t)i);
        received += n > 0 ? (size_t)n : 0;
    }
    ok(received == ALL && right, "the reader gets all in order, then FIN, not before");
    ok(bed.written == ALL - at_once && connection_is_written(bed.connection),
       "what waited was told when it had gone");
    ok(bed.connection->counts.bytes_in == ALL, "and counted");
    size_t from = 0;
    bool ended, same = true;
    send(bed.peer, "\0", 1, MSG_NOSIGNAL);
    local_reach(&bed.local, fill(&bed, &from, ROOM, &ended, &same));
    ok(from == 1, "the other direction is still open");
    end(&bed);
}

/* Single bytes while the reader sleeps: memory stays near what was delivered. */
static void backlog_of_crumbs(void)
{
    struct bed bed;
    begin(&bed);
    static uint8_t bytes[ROOM];
    while (connection_deliver(bed.connection, bytes, sizeof bytes, false) == sizeof bytes)
        ;
    size_t before = bed.connection->backlog.count;
    for (int i = 0; i < 50000; i++)
        connection_deliver(bed.connection, bytes, 1, false);
    ok(bed.connection->backlog.count - before <= 60, "50000 single bytes wait in %zu pieces",
       bed.connection->backlog.count - before);
    end(&bed);
}

static void reset_of_the_reader(void)
{
    struct bed bed;
    begin(&bed);
    static uint8_t bytes[ROOM];
    while (connection_deliver(bed.connection, bytes, sizeof bytes, false) == sizeof bytes)
        ;
    local_reset(bed.peer);
    bed.peer = -1;
    local_reach(&bed.local, bed.connection->io.reset);
    size_t at = 0;
    bool ended, right = true;
    fill(&bed, &at, ROOM, &ended, &right);
    ok(bed.resets == 1 && !ended, "a reader that resets while bytes wait is told");
    ok(bed.written == 0, "they are not said to be written");
    end(&bed);
}

static size_t deliver(struct bed *bed, const char *text, bool stays)
{
    return connection_deliver(bed->connection, (const uint8_t *)text, strlen(text), stays);
}

/* Records that come together go out together, with connection_push. */
static void together(void)
{
    struct bed bed;
    char got[16];
    ssize_t n = 0;
    begin(&bed);
    ok(deliver(&bed, "one", true) == 0 && deliver(&bed, "two", true) == 0, "what stays may wait");
    ok(read(bed.peer, got, sizeof got) < 0, "and does");
    ok(connection_push(bed.connection) == 6 && connection_push(bed.connection) == 0,
       "for the push");
    local_reach(&bed.local, (n = read(bed.peer, got, sizeof got)) > 0);
    ok(n == 6 && !memcmp(got, "onetwo", 6), "which sends both in one call");
    ok(deliver(&bed, "three", true) == 0 && deliver(&bed, "four", false) == 9,
       "what does not stay takes along what does");
    local_reach(&bed.local, (n = read(bed.peer, got, sizeof got)) > 0);
    ok(n == 9 && !memcmp(got, "threefour", 9), "in order");
    ok(bed.connection->counts.bytes_in == 15 && !bed.written,
       "all is counted, none of it told twice");
    deliver(&bed, "last", true);
    connection_end(bed.connection, ERR_CLOSED, NULL);
    bed.connection = NULL;
    local_reach(&bed.local, (n = read(bed.peer, got, sizeof got)) >= 0);
    ok(n == 4 && !memcmp(got, "last", 4), "the end loses nothing");
    end(&bed);
}

/* More parts than one call takes, and more than the socket takes. */
static void together_in_bulk(void)
{
    enum { ALL = 8 << 20, PART = 5000 };
    struct bed bed;
    static uint8_t bytes[ALL], got[65536];
    size_t at_once = 0, received = 0;
    bool right = true;
    begin(&bed);
    for (size_t at = 0; at < ALL; at++)
        bytes[at] = byte_at(at);
    for (size_t at = 0; at < ALL; at += PART)
        at_once +=
            connection_deliver(bed.connection, bytes + at, ALL - at < PART ? ALL - at : PART, true);
    at_once += connection_push(bed.connection);
    ok(at_once > 0 && at_once < ALL && !connection_is_written(bed.connection),
       "the socket takes %zu of %d bytes, the others wait", at_once, ALL);
    memset(bytes, 0, sizeof bytes); /* they need not stay any longer */
    while (received < ALL) {
        loop_turn(bed.local.worker.loop, 0);
        ssize_t n = read(bed.peer, got, sizeof got);
        must(n > 0 || errno == EAGAIN);
        for (ssize_t i = 0; i < n; i++)
            right &= got[i] == byte_at(received + (size_t)i);
        received += n > 0 ? (size_t)n : 0;
    }
    ok(right && bed.written == ALL - at_once, "the reader gets all in order");
    end(&bed);
}

/* One's bytes go to nobody else, and a socket that is broken tells. */
static void together_with_others(void)
{
    struct bed bed, other;
    char got[16];
    begin(&bed);
    begin(&other);
    other.connection->worker = &bed.local.worker;
    deliver(&bed, "mine", true);
    ok(connection_push(other.connection) == 0 && read(other.peer, got, sizeof got) < 0,
       "another connection's push is not ours");
    other.connection->worker = &other.local.worker;
    local_reset(bed.peer);
    bed.peer = -1;
    size_t at = 0;
    bool ended, right = true;
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    while (info.tcpi_state != TCP_CLOSE)
        must(getsockopt(bed.connection->socket.fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0);
    unsigned before = bed.readables;
    ok(connection_push(bed.connection) == 0 && bed.readables > before,
       "what cannot be written is announced");
    fill(&bed, &at, ROOM, &ended, &right);
    ok(bed.resets == 1 && !ended, "and told");
    end(&bed);
    end(&other);
}

/* Data and FIN that are delivered before the target is connected wait. */
static void connects(bool unix_socket)
{
    struct bed bed;
    struct address address;
    char got[16];
    init(&bed);
    int listener;
    if (unix_socket) {
        address = (struct address){.length = sizeof address.un, .un.sun_family = AF_UNIX};
        snprintf(address.un.sun_path, sizeof address.un.sun_path, "/tmp/hawser-connection-%ld",
                 (long)getpid());
        listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        must(bind(listener, &address.any, address.length) == 0 && listen(listener, 4) == 0);
    } else {
        listener = local_bind(&address, 4);
    }
    bed.local.service_config.endpoint.address = address;
    bed.connection = connection_new(&bed.local.service, -1, 1, "client", 0);
    connection_connect(bed.connection, &bed.local.worker, &bed.events);
    ok(bed.connecteds == 0, "never told inside the call");
    ok(connection_deliver(bed.connection, (const uint8_t *)"early", 5, false) == 0, "early bytes");
    connection_finish(bed.connection);
    local_expect(&bed.local, bed.connecteds == 1 && bed.connected == ERR_OK, "connected");
    ok(connection_flush(bed.connection) && bed.written == 5, "then they leave");
    bed.peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    ssize_t n;
    local_reach(&bed.local, (n = read(bed.peer, got, sizeof got)) >= 0);
    ok(n == 5 && memcmp(got, "early", 5) == 0 && read(bed.peer, got, 1) == 0,
       "and FIN behind them");
    end(&bed);
    close(listener);
    if (unix_socket)
        unlink(address.un.sun_path);
}

static void does_not_connect(void)
{
    struct bed bed;
    init(&bed);
    int fd = local_bind(&bed.local.service_config.endpoint.address, -1);
    bed.connection = connection_new(&bed.local.service, -1, 1, "client", 0);
    connection_connect(bed.connection, &bed.local.worker, &bed.events);
    local_expect(&bed.local, bed.connecteds == 1 && bed.connected == ERR_CONNECT_REFUSED,
                 "a target that refuses");
    connection_end(bed.connection, ERR_CONNECT_REFUSED, "somewhere");
    bed.connection = connection_new(&bed.local.service, -1, 1, "client", 0);
    connection_connect(bed.connection, &bed.local.worker, &bed.events);
    connection_end(bed.connection, ERR_REMOTE_RESET, NULL);
    local_pause(&bed.local, 3000);
    ok(bed.connecteds == 1, "ended while it connects: nothing is told");
    bed.connection = NULL;
    ok(counter_get(&bed.local.counters.connections_refused) == 1 &&
           counter_get(&bed.local.service.refused) == 1,
       "one was refused");
    end(&bed);
    close(fd);
}

/* FIN for the one good end; RST for all others. */
static void reasons(void)
{
    for (enum err why = ERR_CLOSED; why < ERR_COUNT; why++) {
        struct bed bed;
        char got[16];
        begin(&bed);
        connection_deliver(bed.connection, (const uint8_t *)"data", 4, why % 2);
        connection_end(bed.connection, why, "test");
        bed.connection = NULL;
        ssize_t n;
        while ((n = read(bed.peer, got, sizeof got)) > 0 || (n < 0 && errno == EAGAIN))
            ;
        bool reset = n < 0 && errno == ECONNRESET;
        uint64_t refused = counter_get(&bed.local.counters.connections_refused);
        bool is_refusal = why >= ERR_SERVICE_UNKNOWN && why <= ERR_QUEUE_TIMEOUT;
        if (reset != (why != ERR_CLOSED) || refused != is_refusal)
            ok(false, "%s: %s, refused %d", err_name(why), reset ? "RST" : "FIN", (int)refused);
        close(bed.peer);
        local_fini(&bed.local);
    }
    ok(true, "FIN for a good end, RST for every other reason");
}

static void moves(void)
{
    struct bed bed;
    struct worker other;
    size_t at = 0;
    bool ended, right = true;
    begin(&bed);
    must(worker_init(&other, 1, NULL) == 0);
    peer_sends(&bed, 0, 10);
    local_reach(&bed.local, bed.readables);
    connection_unwatch(bed.connection);
    peer_sends(&bed, 10, 10);
    local_pause(&bed.local, 3000);
    unsigned before = bed.readables;
    must(connection_watch(bed.connection, &other, &bed.events) == ERR_OK);
    loop_turn(other.loop, 1000000);
    ok(bed.readables > before, "watched by another worker, it is announced what came meanwhile");
    ok(fill(&bed, &at, ROOM, &ended, &right) == 20 && right, "and read");
    end(&bed);
    worker_fini(&other);
}

/* A time-out of TCP (here of a window that stays shut) and a RST are both resets to the far end. */
static void vanished(void)
{
    struct bed bed;
    int pair[2], log = memfd_create("log", 0), saved = dup(STDERR_FILENO);
    unsigned timeout_ms = 20;
    char text[512] = "";
    static uint8_t data[1 << 20];
    init(&bed);
    local_tcp_pair(pair);
    must(setsockopt(pair[0], IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms) == 0);
    watch(&bed, pair);
    for (int i = 0; i < 16 && connection_is_written(bed.connection); i++)
        connection_deliver(bed.connection, data, sizeof data, false);
    bool end;
    local_expect(&bed.local,
                 connection_fill(bed.connection, data, sizeof data, &end) == 0 && bed.resets == 1,
                 "a peer that takes nothing for too long");
    must(log >= 0 && saved >= 0 && dup2(log, STDERR_FILENO) >= 0);
    log_set_level(LOG_INFO);
    connection_end(bed.connection, ERR_LOCAL_RESET, NULL);
    log_set_level(LOG_ERROR);
    must(dup2(saved, STDERR_FILENO) >= 0);
    must(pread(log, text, sizeof text - 1, 0) > 0);
    ok(strstr(text, "connection reset by the local end: Connection timed out"), "is told: %s",
       text);
    close(log);
    close(saved);
    close(pair[1]);
    worker_fini(&bed.local.worker);
}

int main(void)
{
    edges();
    fin_with_data(0, 100);
    fin_with_data(100, 100);
    fin_with_data(100, ROOM);
    fin_with_data(3 * ROOM, ROOM);
    fin_with_data(3 * ROOM + 17, ROOM);
    fin_with_data(5000, 1000);
    fin_behind_data();
    bulk(1);
    bulk(1000);
    bulk(ROOM);
    message_at_once();
    descriptor_sent_along();
    bulk_of_many();
    urgent();
    reset_is_told();
    reset_while_reading();
    backlog();
    backlog_of_crumbs();
    reset_of_the_reader();
    together();
    together_in_bulk();
    together_with_others();
    connects(false);
    connects(true);
    does_not_connect();
    reasons();
    moves();
    message_cache_clear();
    vanished();
    return tap_done();
}
