/* tests/tools/load.c: TCP clients in number: every byte that comes back is checked (request.h).
 *
 *     load MODE --to ADDRESS [--connections N] [--parallel N] [--bytes N] [--rounds N]
 *                            [--size N] [--seconds S] [--timeout S] [--stall-after N] [--seed N]
 *
 *     rr      connect, 64 bytes there and back, close: N in all, `parallel` at a time
 *     ping    a message (--size, 64 bytes) there and back `rounds` times on each of N open
 * connections hold    opens N, all stay open, pings each again; prints "ready", waits for SIGUSR1,
 * and pings each once more (--no-wait: does not). With --size, all N at once send a message of that
 * size there and back instead, and the last line tells of these alone up      sends `bytes` on each
 * connection; the target's verdict on them must be good down    receives `bytes` on each both    up
 * and down at once
 *
 * --stall-after N: each connection stops reading after N bytes; once all have stopped, "ready" is
 * printed, and after SIGUSR1 they read on. --seconds bounds rr and ping by time instead of number;
 * SIGUSR1 ends them sooner. The last line is one JSON object: latency_us is by the clock, own_ is
 * time as this process had it, for bounds that must hold on a busy machine. The exit code is 0 if
 * every byte was right. */
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "tests/tools/latency.h"
#include "tests/tools/request.h"

/* The machine may hold a turn up for much longer than it waits: in its own time that counts for so
 * long as it should be. */
#define TURN_MS 10
#define WORK_MS 10

#define PING   64
#define ROUNDS 16 /* system calls for one connection before the others get their turn */

enum keep { KEEP_NOT, KEEP_OPEN };

static const struct mode {
    const char *name;
    uint32_t flags;
    bool up, down, echo;
    enum keep keep;
} modes[] = {
    {.name = "rr", .flags = REQUEST_ECHO, .echo = true},
    {.name = "ping", .flags = REQUEST_ECHO, .echo = true},
    {.name = "hold", .flags = REQUEST_ECHO, .echo = true, .keep = KEEP_OPEN},
    {.name = "up", .flags = REQUEST_VERDICT | REQUEST_FIN, .up = true},
    {.name = "down", .flags = REQUEST_FIN, .down = true},
    {.name = "both", .flags = REQUEST_VERDICT | REQUEST_FIN, .up = true, .down = true},
};

struct connection {
    int fd; /* -1: free */
    uint64_t seed, started, own_started;
    uint8_t header[REQUEST_SIZE];
    uint64_t out, out_goal; /* the header included */
    uint64_t in, in_goal;   /* of an echo: the header included */
    uint8_t verdict[VERDICT_SIZE];
    size_t verdict_size;
    uint64_t rounds_left;
    bool stalled;
};

static struct {
    const struct mode *mode;
    struct address to;
    uint64_t connections, parallel, bytes, rounds, stall_after, seed;
    uint64_t size; /* of a message there and back; 0: PING */
    double seconds, timeout;
    bool wait;
    int poller;
    struct connection *slots;
    uint64_t slot_count;
    uint64_t started, deadline, stop_at;
    uint64_t launched, finished, busy, stalled, errors, bytes_up, bytes_down;
    uint64_t own, own_at; /* time of its own, and what the clock said then */
    struct latencies latencies, own_latencies;
    bool released;
} load;

static uint8_t scratch[256 * 1024];

static uint64_t own_ns(void)
{
    uint64_t step = clock_ns() - load.own_at, most = (TURN_MS + WORK_MS) * UINT64_C(1000000);
    return load.own + (step < most ? step : most);
}

static void begin_turn(void)
{
    load.own = own_ns();
    load.own_at = clock_ns();
}

static void note_start(struct connection *c)
{
    c->started = clock_ns();
    c->own_started = own_ns();
}

static void note_end(const struct connection *c)
{
    latency_note(&load.latencies, clock_ns() - c->started);
    latency_note(&load.own_latencies, own_ns() - c->own_started);
}

static void close_connection(struct connection *c)
{
    close(c->fd);
    c->fd = -1;
}

static void finish(struct connection *c)
{
    load.busy--;
    load.finished++;
    if (load.mode->keep == KEEP_NOT)
        close_connection(c);
}

static void fail(struct connection *c, const char *why)
{
    if (load.errors++ < 5)
        fprintf(stderr, "load: connection %ju: %s (%ju of %ju out, %ju of %ju in)\n",
                (uintmax_t)(c->seed - load.seed), why, (uintmax_t)c->out, (uintmax_t)c->out_goal,
                (uintmax_t)c->in, (uintmax_t)c->in_goal);
    load.busy--;
    load.stalled -= c->stalled;
    close_connection(c);
}

static bool would_block(void)
{
    return errno == EAGAIN || errno == EINTR || errno == EINPROGRESS || errno == ENOTCONN;
}

/* The next functions work on one connection; false: it can do no more now. */

static bool send_some(struct connection *c)
{
    if (c->out == c->out_goal)
        return false;
    const uint8_t *from = c->header + c->out;
    uint64_t size = REQUEST_SIZE - c->out;
    uint8_t first[PING]; /* the header and what follows in one system call */
    if (c->out == 0 && c->out_goal >= PING) {
        memcpy(first, c->header, REQUEST_SIZE);
        memcpy(first + REQUEST_SIZE, pattern_at(c->seed, REQUEST_SIZE), PING - REQUEST_SIZE);
        from = first;
        size = PING;
    } else if (c->out >= REQUEST_SIZE) {
        from = pattern_at(c->seed, c->out);
        size = c->out_goal - c->out;
        size = size < PATTERN_CHUNK ? size : PATTERN_CHUNK;
    }
    ssize_t put = send(c->fd, from, size, MSG_NOSIGNAL);
    if (put < 0) {
        if (!would_block())
            fail(c, strerror(errno));
        return false;
    }
    c->out += (uint64_t)put;
    load.bytes_up += (uint64_t)put;
    return true;
}

static bool matches(const struct connection *c, const uint8_t *data, size_t size)
{
    if (!load.mode->echo)
        return pattern_matches(pattern_down_seed(c->seed), c->in, data, size);
    uint64_t offset = c->in;
    if (offset < REQUEST_SIZE) {
        size_t head = REQUEST_SIZE - offset < size ? REQUEST_SIZE - offset : size;
        if (memcmp(data, c->header + offset, head))
            return false;
        offset += head;
        data += head;
        size -= head;
    }
    return pattern_matches(c->seed, offset, data, size);
}

static bool take_verdict(struct connection *c, const uint8_t *data, size_t size)
{
    if (!(load.mode->flags & REQUEST_VERDICT) || c->verdict_size + size > VERDICT_SIZE) {
        fail(c, "more bytes than expected");
        return false;
    }
    memcpy(c->verdict + c->verdict_size, data, size);
    c->verdict_size += size;
    return true;
}

/* FIN of the target: right only after everything. */
static void at_end(struct connection *c)
{
    struct verdict verdict;
    memcpy(&verdict, c->verdict, sizeof verdict);
    if (load.mode->echo || c->in < c->in_goal || c->out < c->out_goal)
        fail(c, "ended too early");
    else if ((load.mode->flags & REQUEST_VERDICT) &&
             (c->verdict_size < VERDICT_SIZE || verdict.outcome != OUTCOME_GOOD ||
              verdict.bytes != c->out_goal - REQUEST_SIZE))
        fail(c, "the target received wrong bytes");
    else {
        note_end(c);
        finish(c);
    }
}

static uint64_t message_size(void)
{
    return load.size ? load.size : PING;
}

static bool round_is_complete(struct connection *c)
{
    note_end(c);
    bool time_left = !load.stop_at || clock_ns() < load.stop_at;
    if (!time_left || !--c->rounds_left) {
        finish(c);
        return false;
    }
    c->out_goal += message_size();
    c->in_goal += message_size();
    note_start(c);
    return true;
}

static bool stalls(struct connection *c)
{
    if (!load.stall_after || load.released || c->in < load.stall_after)
        return false;
    if (!c->stalled)
        load.stalled++;
    c->stalled = true;
    return true;
}

static bool receive_some(struct connection *c)
{
    if (stalls(c) || (load.mode->echo && c->in == c->in_goal))
        return false;
    ssize_t got = recv(c->fd, scratch, sizeof scratch, 0);
    if (got < 0) {
        if (!would_block())
            fail(c, strerror(errno));
        return false;
    }
    if (!got) {
        at_end(c);
        return false;
    }
    size_t size = (size_t)got, body = size;
    if (body > c->in_goal - c->in)
        body = c->in_goal - c->in;
    if (!matches(c, scratch, body)) {
        fail(c, "wrong bytes");
        return false;
    }
    c->in += body;
    load.bytes_down += body;
    if (body < size && !take_verdict(c, scratch + body, size - body))
        return false;
    if (load.mode->echo && c->in == c->in_goal)
        return round_is_complete(c);
    return true;
}

static void drive(struct connection *c)
{
    for (int i = 0; i < ROUNDS; i++) {
        bool sent = send_some(c);
        if (c->fd < 0)
            return;
        bool received = receive_some(c);
        if (c->fd < 0 || (!sent && !received))
            return;
    }
    struct epoll_event again = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
    epoll_ctl(load.poller, EPOLL_CTL_MOD, c->fd, &again); /* edge-triggered: reports once more */
}

static void set_goals(struct connection *c)
{
    const struct mode *mode = load.mode;
    struct request request = {.magic = REQUEST_MAGIC,
                              .flags = mode->flags,
                              .seed = c->seed,
                              .up = mode->up ? load.bytes : 0,
                              .down = mode->down ? load.bytes : 0};
    memcpy(c->header, &request, REQUEST_SIZE);
    uint64_t first = mode->keep == KEEP_OPEN ? PING : message_size();
    c->out_goal = mode->echo ? first : REQUEST_SIZE + request.up;
    c->in_goal = mode->echo ? first : request.down;
    c->rounds_left = load.rounds;
}

static void open_connection(struct connection *c)
{
    *c = (struct connection){.seed = load.seed + load.launched};
    note_start(c);
    set_goals(c);
    load.launched++;
    load.busy++;
    c->fd = socket(load.to.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        die("socket");
    int on = 1;
    if (load.to.any.sa_family != AF_UNIX)
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(c->fd, &load.to.any, load.to.length) && errno != EINPROGRESS) {
        fail(c, strerror(errno));
        return;
    }
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
    if (epoll_ctl(load.poller, EPOLL_CTL_ADD, c->fd, &event))
        die("epoll_ctl");
    drive(c);
}

static bool may_open(void)
{
    return load.busy < load.parallel && load.launched < load.connections &&
           (!load.stop_at || clock_ns() < load.stop_at);
}

/* A connection can be through before the poller ever sees it. */
static void reopen(struct connection *c)
{
    while (c->fd < 0 && may_open())
        open_connection(c);
}

static void open_more(void)
{
    for (uint64_t i = 0; i < load.slot_count && may_open(); i++)
        reopen(&load.slots[i]);
}

static void wait_events(void)
{
    struct epoll_event events[256];
    int ready = epoll_wait(load.poller, events, 256, TURN_MS);
    begin_turn();
    for (int i = 0; i < ready; i++) {
        struct connection *c = events[i].data.ptr;
        if (!c)
            load.stop_at = 1; /* long ago */
        if (!c || c->fd < 0)
            continue;
        drive(c);
        reopen(c);
    }
}

static bool in_time(void)
{
    if (clock_ns() < load.deadline)
        return true;
    fprintf(stderr, "load: timed out: %ju of %ju finished\n", (uintmax_t)load.finished,
            (uintmax_t)load.connections);
    load.errors++;
    return false;
}

/* Runs until all have finished, failed or stalled. */
static bool run_until_idle(void)
{
    while (load.busy > load.stalled || may_open()) {
        if (load.mode->keep == KEEP_OPEN || load.busy == load.stalled)
            open_more();
        if (load.busy > load.stalled)
            wait_events();
        if (!in_time())
            return false;
    }
    return true;
}

static void wait_for_signal(void)
{
    printf("ready\n");
    fflush(stdout);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    struct timespec limit = {.tv_sec = (time_t)load.timeout};
    if (sigtimedwait(&set, NULL, &limit) < 0)
        load.errors++;
}

/* One more round trip on each connection held, `parallel` at a time. */
static bool ping_held(uint64_t size, uint64_t parallel)
{
    uint64_t next = 0;
    while (next < load.slot_count || load.busy) {
        for (; next < load.slot_count && load.busy < parallel; next++) {
            struct connection *c = &load.slots[next];
            if (c->fd < 0)
                continue;
            c->out_goal += size;
            c->in_goal += size;
            c->rounds_left = 1;
            note_start(c);
            load.busy++;
            drive(c);
        }
        if (load.busy)
            wait_events();
        if (!in_time())
            return false;
    }
    return true;
}

/* After the signal. With --size it is a measurement of its own. */
static void use_held(void)
{
    load.deadline = clock_ns() + (uint64_t)(load.timeout * 1e9);
    if (load.size) {
        load.started = clock_ns();
        load.bytes_up = load.bytes_down = load.latencies.count = load.own_latencies.count = 0;
    }
    ping_held(message_size(), load.size ? load.slot_count : load.parallel);
}

static void run(void)
{
    if (!run_until_idle())
        return;
    if (load.stall_after && load.stalled) {
        wait_for_signal();
        load.released = true;
        load.stalled = 0;
        for (uint64_t i = 0; i < load.slot_count; i++) {
            load.slots[i].stalled = false;
            if (load.slots[i].fd >= 0)
                drive(&load.slots[i]);
        }
        run_until_idle();
    }
    if (load.mode->keep == KEEP_OPEN && ping_held(PING, load.parallel) && load.wait) {
        wait_for_signal();
        use_held();
    }
}

static int report(void)
{
    double seconds = (double)(clock_ns() - load.started) / 1e9;
    bool all = load.stop_at || load.launched == load.connections;
    bool good = !load.errors && all && load.finished;
    const struct latencies *l = &load.latencies, *own = &load.own_latencies;
    latency_sort(&load.latencies);
    latency_sort(&load.own_latencies);
    printf("{\"mode\":\"%s\",\"ok\":%s,\"connections\":%ju,\"errors\":%ju,\"seconds\":%.3f,"
           "\"connections_per_second\":%.1f,\"samples\":%ju,\"samples_per_second\":%.1f,"
           "\"bytes_up\":%ju,\"bytes_down\":%ju,\"mb_per_second\":%.2f,"
           "\"latency_us\":{\"min\":%.1f,\"p50\":%.1f,\"p90\":%.1f,\"p95\":%.1f,\"p99\":%.1f,"
           "\"p999\":%.1f,"
           "\"max\":%.1f},\"own_p99_us\":%.1f,\"own_max_us\":%.1f,\"seed\":%ju}\n",
           load.mode->name, good ? "true" : "false", (uintmax_t)load.launched,
           (uintmax_t)load.errors, seconds, (double)load.launched / seconds, (uintmax_t)l->count,
           (double)l->count / seconds, (uintmax_t)load.bytes_up, (uintmax_t)load.bytes_down,
           (double)(load.bytes_up + load.bytes_down) / seconds / 1e6, latency_percentile(l, 0),
           latency_percentile(l, 0.5), latency_percentile(l, 0.9), latency_percentile(l, 0.95),
           latency_percentile(l, 0.99), latency_percentile(l, 0.999), latency_percentile(l, 1),
           latency_percentile(own, 0.99), latency_percentile(own, 1), (uintmax_t)load.seed);
    return good ? 0 : 1;
}

static const struct {
    const char *name;
    uint64_t *number;
    double *fraction;
} settings[] = {
    {"connections", .number = &load.connections},
    {"parallel", .number = &load.parallel},
    {"bytes", .number = &load.bytes},
    {"rounds", .number = &load.rounds},
    {"size", .number = &load.size},
    {"stall-after", .number = &load.stall_after},
    {"seed", .number = &load.seed},
    {"seconds", .fraction = &load.seconds},
    {"timeout", .fraction = &load.timeout},
};
#define SETTINGS (sizeof settings / sizeof *settings)

static void read_options(int count, char **arguments)
{
    struct option options[SETTINGS + 3] = {{"to", required_argument, NULL, 'o'},
                                           {"no-wait", no_argument, NULL, 'w'}};
    for (size_t i = 0; i < SETTINGS; i++)
        options[i + 2] = (struct option){settings[i].name, required_argument, NULL, (int)i};
    for (int option; (option = getopt_long(count, arguments, "", options, NULL)) != -1;) {
        if (option == '?')
            exit(2);
        else if (option == 'o')
            load.to = address_of(optarg);
        else if (option == 'w')
            load.wait = false;
        else if (settings[option].number)
            *settings[option].number = strtoull(optarg, NULL, 0);
        else
            *settings[option].fraction = strtod(optarg, NULL);
    }
}

static void read_arguments(int count, char **arguments)
{
    load.connections = 1;
    load.bytes = 1 << 20;
    load.rounds = 1;
    load.timeout = 60;
    load.wait = true;
    load.seed = clock_ns() ^ (uint64_t)getpid() << 40;
    read_options(count, arguments);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (optind < count && !strcmp(arguments[optind], modes[i].name))
            load.mode = &modes[i];
    if (!load.mode || !load.to.length || !load.connections || (load.size && load.size < PING)) {
        fprintf(stderr, "usage: load rr|ping|hold|up|down|both --to ADDRESS [options]\n");
        exit(2);
    }
    if (load.seconds > 0) {
        if (load.mode->echo && strcmp(load.mode->name, "rr") != 0)
            load.rounds = UINT64_MAX;
        else
            load.connections = UINT64_MAX;
    }
    if (!load.parallel)
        load.parallel = load.connections < 10000 ? load.connections : 64;
}

static void listen_to(const sigset_t *signals)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT};
    int fd = signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0 || epoll_ctl(load.poller, EPOLL_CTL_ADD, fd, &event))
        die("signalfd");
}

int main(int count, char **arguments)
{
    read_arguments(count, arguments);
    raise_descriptor_limit();
    signal(SIGPIPE, SIG_IGN);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    pattern_init();
    load.poller = epoll_create1(EPOLL_CLOEXEC);
    if (load.seconds > 0)
        listen_to(&set);
    load.slot_count = load.parallel;
    if (load.mode->keep == KEEP_OPEN || load.stall_after)
        load.slot_count = load.connections;
    load.slots = calloc(load.slot_count, sizeof *load.slots);
    for (uint64_t i = 0; i < load.slot_count; i++)
        load.slots[i].fd = -1;
    load.started = load.own_at = clock_ns();
    load.deadline = load.started + (uint64_t)(load.timeout * 1e9);
    load.stop_at = load.seconds > 0 ? load.started + (uint64_t)(load.seconds * 1e9) : 0;
    run();
    return report();
}
