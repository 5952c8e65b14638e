/* tests/tools/ends.c: ends each of N connections in one way; this side and the target (request.h)
 * must both see exactly that end.
 *
 *     ends MODE --to ADDRESS [--ask ADDRESS] [--connections N] [--bytes N] [--timeout S]
 *
 *     half-close-up     this side: bytes, FIN; only then the target answers with bytes, FIN
 *     half-close-down   target: bytes, FIN; only then this side sends bytes, FIN
 *     reset-by-client   this side: RST in the middle; the target must see RST, not FIN
 *     reset-by-target   the target: bytes, RST; this side must see RST, not FIN
 *     refused           accepted, then RST without one byte
 *     lost              open (one idle, the next with bytes coming, and so on); prints "ready";
 *                       each must end with RST, not FIN (--target-too: at the target as well)
 *
 * --ask: where the target is asked for its view, when that is not ADDRESS. Exit code 0: all so. */
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include "tests/tools/request.h"

#define ACKNOWLEDGEMENT 16 /* bytes down which show that the target has read the header */
#define ENDLESS         (UINT64_C(1) << 50)

struct connection {
    int fd;
    uint64_t seed, received;
    bool down; /* lost: bytes come all the time */
};

static struct address to, ask;
static uint64_t bytes = 1 << 20, count = 1, timeout = 60;
static bool target_too;
static uint64_t failures;
static uint8_t scratch[65536];

static bool fail(const struct connection *c, const char *what)
{
    failures++;
    if (failures <= 5)
        fprintf(stderr, "ends: connection %ju: %s (errno: %s)\n", (uintmax_t)(c->seed & 0xffff),
                what, strerror(errno));
    return false;
}

static int dial(const struct address *address)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval limit = {.tv_sec = (time_t)timeout};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (fd < 0 || connect(fd, &address->any, address->length))
        die("connect");
    return fd;
}

static bool send_bytes(int fd, const void *data, size_t size)
{
    for (const uint8_t *at = data; size;) {
        ssize_t put = send(fd, at, size, MSG_NOSIGNAL);
        if (put <= 0)
            return false;
        at += put;
        size -= (size_t)put;
    }
    return true;
}

static bool send_pattern(const struct connection *c, uint64_t size)
{
    for (uint64_t sent = 0, piece; sent < size; sent += piece) {
        piece = size - sent < PATTERN_CHUNK ? size - sent : PATTERN_CHUNK;
        if (!send_bytes(c->fd, pattern_at(c->seed, REQUEST_SIZE + sent), piece))
            return false;
    }
    return true;
}

static bool begin(struct connection *c, uint32_t flags, uint64_t up, uint64_t down)
{
    struct request request = {
        .magic = REQUEST_MAGIC, .flags = flags, .seed = c->seed, .up = up, .down = down};
    return send_bytes(c->fd, &request, sizeof request) || fail(c, "the header cannot be sent");
}

/* The next bytes down, at most `size` in all; 0 at FIN, -1 with errno, -2: wrong bytes. */
static ssize_t receive_pattern(struct connection *c, uint64_t size)
{
    ssize_t got = recv(c->fd, scratch, size < sizeof scratch ? size : sizeof scratch, 0);
    if (got <= 0)
        return got;
    if (!pattern_matches(pattern_down_seed(c->seed), c->received, scratch, (size_t)got))
        return -2;
    c->received += (uint64_t)got;
    return got;
}

static bool receive_exactly(struct connection *c, uint64_t size)
{
    while (c->received < size) {
        ssize_t got = receive_pattern(c, size - c->received);
        if (got == -2)
            return fail(c, "wrong bytes");
        if (got <= 0)
            return fail(c, got ? "error before the last byte" : "FIN before the last byte");
    }
    return true;
}

static bool receive_fin(struct connection *c)
{
    ssize_t got = recv(c->fd, scratch, 1, 0);
    return !got || fail(c, got < 0 ? "error instead of FIN" : "a byte instead of FIN");
}

/* Asks the target for its view of the connection; waits until it has seen its end. */
static bool target_saw(const struct connection *c, enum outcome outcome, uint64_t received)
{
    struct verdict verdict = {0};
    for (uint64_t tries = 0; tries < timeout * 100; tries++) {
        struct request request = {
            .magic = REQUEST_MAGIC, .flags = REQUEST_ASK | REQUEST_FIN, .seed = c->seed};
        int fd = dial(&ask);
        bool answered = send_bytes(fd, &request, sizeof request) &&
                        recv(fd, &verdict, sizeof verdict, MSG_WAITALL) == sizeof verdict;
        close(fd);
        if (!answered)
            return fail(c, "the target does not answer what it saw");
        if (verdict.outcome != OUTCOME_NONE)
            break;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    static const char *const seen[] = {
        [OUTCOME_NONE] = "the target never saw the end",
        [OUTCOME_GOOD] = "the target saw a clean end",
        [OUTCOME_BAD] = "the target received wrong bytes",
        [OUTCOME_EARLY_FIN] = "the target saw FIN instead of RST: truncation looks like the end",
        [OUTCOME_RESET] = "the target saw RST",
    };
    if (verdict.outcome != outcome)
        return fail(c, seen[verdict.outcome < 5 ? verdict.outcome : 0]);
    if (outcome == OUTCOME_GOOD && verdict.bytes != received)
        return fail(c, "the target received another number of bytes");
    return true;
}

static bool begin_half_close_up(struct connection *c)
{
    if (!begin(c, REQUEST_VERDICT | REQUEST_FIN | REQUEST_DOWN_AFTER_FIN, bytes, bytes) ||
        !send_pattern(c, bytes))
        return fail(c, "the bytes up cannot be sent");
    return !shutdown(c->fd, SHUT_WR) || fail(c, "shutdown");
}

static bool finish_half_close_up(struct connection *c)
{
    struct verdict verdict;
    if (!receive_exactly(c, bytes))
        return false;
    if (recv(c->fd, &verdict, sizeof verdict, MSG_WAITALL) != sizeof verdict ||
        verdict.outcome != OUTCOME_GOOD || verdict.bytes != bytes)
        return fail(c, "the target received wrong bytes");
    return receive_fin(c);
}

static bool begin_half_close_down(struct connection *c)
{
    return begin(c, REQUEST_FIN, bytes, bytes);
}

static bool finish_half_close_down(struct connection *c)
{
    if (!receive_exactly(c, bytes) || !receive_fin(c))
        return false;
    if (!send_pattern(c, bytes) || shutdown(c->fd, SHUT_WR))
        return fail(c, "sending after the target's FIN");
    return target_saw(c, OUTCOME_GOOD, bytes);
}

static bool begin_reset_by_client(struct connection *c)
{
    return begin(c, 0, bytes * 2, ACKNOWLEDGEMENT) && receive_exactly(c, ACKNOWLEDGEMENT) &&
           (send_pattern(c, bytes) || fail(c, "the bytes up cannot be sent"));
}

static bool finish_reset_by_client(struct connection *c)
{
    reset_on_close(c->fd);
    close(c->fd);
    c->fd = -1;
    return target_saw(c, OUTCOME_RESET, 0);
}

static bool begin_reset_by_target(struct connection *c)
{
    return begin(c, REQUEST_RESET, 0, bytes);
}

static bool see_reset(struct connection *c, uint64_t at_most)
{
    ssize_t got;
    while ((got = receive_pattern(c, sizeof scratch)) > 0)
        if (c->received > at_most)
            return fail(c, "more bytes than expected");
    if (got == -2)
        return fail(c, "wrong bytes");
    if (!got)
        return fail(c, "FIN instead of RST: truncation looks like the end");
    return errno == ECONNRESET || fail(c, "another error instead of RST");
}

static bool finish_reset_by_target(struct connection *c)
{
    return see_reset(c, bytes);
}

/* A refusal may come before the header is sent: that error is not the question here. */
static bool begin_refused(struct connection *c)
{
    struct request request = {.magic = REQUEST_MAGIC, .flags = REQUEST_ECHO, .seed = c->seed};
    if (send_bytes(c->fd, &request, sizeof request))
        return true;
    if (errno == ECONNRESET || errno == EPIPE)
        c->received = 1; /* the reset is seen already: a socket reports it only once */
    return c->received || fail(c, "another error instead of RST");
}

static bool finish_refused(struct connection *c)
{
    return c->received || see_reset(c, 0);
}

static bool begin_lost(struct connection *c)
{
    c->down = c->seed & 1;
    return begin(c, 0, ENDLESS, c->down ? ENDLESS : ACKNOWLEDGEMENT) &&
           receive_exactly(c, ACKNOWLEDGEMENT);
}

/* Reads from all of them until each has ended: those with bytes coming must not be left waiting. */
static void finish_lost(struct connection *all)
{
    printf("ready\n");
    fflush(stdout);
    struct pollfd *polls = calloc(count, sizeof *polls);
    uint64_t open = count, deadline = clock_ns() + timeout * 1000000000u;
    for (uint64_t i = 0; i < count; i++)
        polls[i] = (struct pollfd){.fd = all[i].fd, .events = POLLIN};
    while (open && clock_ns() < deadline) {
        poll(polls, count, 100);
        for (uint64_t i = 0; i < count; i++) {
            if (!polls[i].revents)
                continue;
            ssize_t got = receive_pattern(&all[i], sizeof scratch);
            if (got > 0)
                continue;
            if (got == 0)
                fail(&all[i], "FIN instead of RST: truncation looks like the end");
            else if (got == -2 || errno != ECONNRESET)
                fail(&all[i], got == -2 ? "wrong bytes" : "another error instead of RST");
            polls[i].fd = -1;
            open--;
        }
    }
    if (open) {
        failures += open;
        fprintf(stderr, "ends: %ju connections never ended\n", (uintmax_t)open);
    }
    free(polls);
    for (uint64_t i = 0; target_too && i < count; i++)
        target_saw(&all[i], OUTCOME_RESET, 0);
}

static const struct mode {
    const char *name;
    bool (*begin)(struct connection *c);
    bool (*finish)(struct connection *c);
    void (*finish_all)(struct connection *all);
} modes[] = {
    {"half-close-up", begin_half_close_up, finish_half_close_up, NULL},
    {"half-close-down", begin_half_close_down, finish_half_close_down, NULL},
    {"reset-by-client", begin_reset_by_client, finish_reset_by_client, NULL},
    {"reset-by-target", begin_reset_by_target, finish_reset_by_target, NULL},
    {"refused", begin_refused, finish_refused, NULL},
    {"lost", begin_lost, NULL, finish_lost},
};

/* All are begun before the first is finished, so that they are open together. */
static void run(const struct mode *mode)
{
    struct connection *all = calloc(count, sizeof *all);
    bool *begun = calloc(count, sizeof *begun);
    uint64_t seed = (clock_ns() ^ (uint64_t)getpid() << 40) << 16;
    for (uint64_t i = 0; i < count; i++) {
        all[i] = (struct connection){.fd = dial(&to), .seed = seed + i};
        begun[i] = mode->begin(&all[i]);
    }
    if (mode->finish_all && !failures)
        mode->finish_all(all);
    for (uint64_t i = 0; i < count; i++) {
        if (begun[i] && mode->finish)
            mode->finish(&all[i]);
        if (all[i].fd >= 0)
            close(all[i].fd);
    }
    free(begun);
    free(all);
    printf("{\"mode\":\"%s\",\"ok\":%s,\"connections\":%ju,\"failures\":%ju}\n", mode->name,
           failures ? "false" : "true", (uintmax_t)count, (uintmax_t)failures);
}

int main(int argument_count, char **arguments)
{
    static const struct option options[] = {
        {"to", required_argument, NULL, 'o'},
        {"ask", required_argument, NULL, 'a'},
        {"connections", required_argument, NULL, 'n'},
        {"bytes", required_argument, NULL, 'b'},
        {"timeout", required_argument, NULL, 't'},
        {"target-too", no_argument, NULL, 'g'},
        {0},
    };
    for (int option; (option = getopt_long(argument_count, arguments, "", options, NULL)) != -1;) {
        if (option == '?')
            return 2;
        else if (option == 'o')
            to = address_of(optarg);
        else if (option == 'a')
            ask = address_of(optarg);
        else if (option == 'g')
            target_too = true;
        else
            *(option == 'n'   ? &count
              : option == 'b' ? &bytes
                              : &timeout) = strtoull(optarg, NULL, 0);
    }
    if (!ask.length)
        ask = to;
    signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    pattern_init();
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (optind < argument_count && to.length && !strcmp(arguments[optind], modes[i].name)) {
            run(&modes[i]);
            return failures ? 1 : 0;
        }
    }
    fprintf(stderr, "usage: ends MODE --to ADDRESS; MODE as in the head of ends.c\n");
    return 2;
}
