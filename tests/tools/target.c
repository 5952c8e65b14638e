/* tests/tools/target.c: the server behind the tunnel: does what the first 32 bytes of each
 * connection ask for (request.h), for thousands of connections at once.
 *
 *     target [--echo] [--listen ADDRESS]...        ADDRESS: 127.0.0.1:0 (default), [::1]:0,
 * unix:PATH
 *
 * Prints "port N" and "listening ADDRESS" for each listener. --echo: no header, only echo. */
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "tests/tools/request.h"

#define ECHO_BUFFER 16384
#define ROUNDS      16 /* system calls for one connection before the others get their turn */
#define LEDGER      65536

struct connection {
    int fd;
    bool listener, eof, bad, finished_sending;
    uint8_t header[REQUEST_SIZE];
    size_t header_size;
    struct request request;
    uint64_t received, sent; /* after the header; of down and verdict */
    size_t echo_start, echo_end;
    uint8_t *echo;
};

struct ledger_entry {
    uint64_t seed;
    struct verdict verdict;
};

static struct ledger_entry ledger[LEDGER];
static uint8_t scratch[256 * 1024];
static bool echo_only;
static int poller;

enum progress { WAITS, GOES_ON, ENDS };

/* Seeds of one run follow each other: none takes the place of another, as by a hash. */
static struct ledger_entry *ledger_at(uint64_t seed)
{
    return &ledger[seed % LEDGER];
}

static void end(struct connection *c, enum outcome outcome)
{
    if (c->header_size == REQUEST_SIZE && !(c->request.flags & REQUEST_ASK))
        *ledger_at(c->request.seed) = (struct ledger_entry){
            .seed = c->request.seed, .verdict = {.outcome = outcome, .bytes = c->received}};
    close(c->fd);
    free(c->echo);
    free(c);
}

static bool would_block(void)
{
    return errno == EAGAIN || errno == EINTR;
}

static bool has_all(const struct connection *c)
{
    return c->received >= c->request.up;
}

/* The verdict that follows the bytes down, once everything up has arrived. */
static struct verdict verdict_for(const struct connection *c)
{
    if (c->request.flags & REQUEST_ASK) {
        const struct ledger_entry *entry = ledger_at(c->request.seed);
        return entry->seed == c->request.seed ? entry->verdict : (struct verdict){0};
    }
    return (struct verdict){.outcome = c->bad ? OUTCOME_BAD : OUTCOME_GOOD, .bytes = c->received};
}

static enum progress receive_echo(struct connection *c)
{
    if (c->echo_end == ECHO_BUFFER || c->eof)
        return WAITS;
    ssize_t got = recv(c->fd, c->echo + c->echo_end, ECHO_BUFFER - c->echo_end, 0);
    if (got < 0)
        return would_block() ? WAITS : ENDS;
    c->eof = !got;
    c->echo_end += (size_t)got;
    c->received += (uint64_t)got;
    return GOES_ON;
}

static enum progress send_echo(struct connection *c)
{
    if (c->echo_start == c->echo_end)
        return WAITS;
    ssize_t put = send(c->fd, c->echo + c->echo_start, c->echo_end - c->echo_start, MSG_NOSIGNAL);
    if (put < 0)
        return would_block() ? WAITS : ENDS;
    c->echo_start += (size_t)put;
    if (c->echo_start == c->echo_end)
        c->echo_start = c->echo_end = 0;
    return GOES_ON;
}

static enum progress receive_up(struct connection *c)
{
    if (c->eof || (c->request.flags & REQUEST_NEVER_READ))
        return WAITS;
    ssize_t got = recv(c->fd, scratch, sizeof scratch, 0);
    if (got < 0)
        return would_block() ? WAITS : ENDS;
    if (!got) {
        c->eof = true;
        return GOES_ON;
    }
    uint64_t offset = REQUEST_SIZE + c->received;
    c->received += (uint64_t)got;
    if (c->received > c->request.up ||
        !pattern_matches(c->request.seed, offset, scratch, (size_t)got))
        c->bad = true;
    return GOES_ON;
}

static enum progress finish_sending(struct connection *c)
{
    c->finished_sending = true;
    if (c->request.flags & REQUEST_RESET) {
        reset_on_close(c->fd);
        return ENDS;
    }
    if (c->request.flags & REQUEST_FIN)
        shutdown(c->fd, SHUT_WR);
    return GOES_ON;
}

static enum progress send_down(struct connection *c)
{
    const struct request *r = &c->request;
    bool with_verdict = r->flags & (REQUEST_VERDICT | REQUEST_ASK);
    if (c->finished_sending || ((r->flags & REQUEST_DOWN_AFTER_FIN) && !(c->eof && has_all(c))))
        return WAITS;
    if (c->sent == r->down + (with_verdict ? VERDICT_SIZE : 0))
        return finish_sending(c);
    struct verdict verdict;
    const uint8_t *from = pattern_at(pattern_down_seed(r->seed), c->sent);
    uint64_t size = r->down - c->sent;
    if (c->sent >= r->down) {
        if (!has_all(c))
            return WAITS;
        verdict = verdict_for(c);
        from = (const uint8_t *)&verdict + (c->sent - r->down);
        size = r->down + VERDICT_SIZE - c->sent;
    }
    ssize_t put = send(c->fd, from, size < PATTERN_CHUNK ? size : PATTERN_CHUNK, MSG_NOSIGNAL);
    if (put < 0)
        return would_block() ? WAITS : ENDS;
    c->sent += (uint64_t)put;
    return GOES_ON;
}

static enum progress receive_header(struct connection *c)
{
    if (c->header_size == REQUEST_SIZE)
        return WAITS;
    ssize_t got = recv(c->fd, c->header + c->header_size, REQUEST_SIZE - c->header_size, 0);
    if (got <= 0)
        return got < 0 && would_block() ? WAITS : ENDS;
    c->header_size += (size_t)got;
    if (c->header_size < REQUEST_SIZE)
        return GOES_ON;
    memcpy(&c->request, c->header, REQUEST_SIZE);
    if (c->request.magic != REQUEST_MAGIC) {
        fprintf(stderr, "target: a connection began with a foreign header\n");
        return ENDS;
    }
    if (c->request.flags & REQUEST_ECHO) {
        c->echo = malloc(ECHO_BUFFER);
        memcpy(c->echo, c->header, REQUEST_SIZE);
        c->echo_end = REQUEST_SIZE;
    }
    return GOES_ON;
}

/* One step in each direction. */
static enum progress step(struct connection *c)
{
    enum progress in = receive_header(c);
    if (in == ENDS || c->header_size < REQUEST_SIZE)
        return in;
    bool echo = c->request.flags & REQUEST_ECHO;
    in = echo ? receive_echo(c) : receive_up(c);
    if (in == ENDS)
        return ENDS;
    enum progress out = echo ? send_echo(c) : send_down(c);
    return out == WAITS ? in : out;
}

/* The outcome once both directions have ended, else OUTCOME_NONE. */
static enum outcome verdict_at_end(const struct connection *c)
{
    if (!c->eof)
        return OUTCOME_NONE;
    if (c->request.flags & REQUEST_ECHO)
        return c->echo_start == c->echo_end ? OUTCOME_GOOD : OUTCOME_NONE;
    if (!has_all(c))
        return OUTCOME_EARLY_FIN;
    if (!c->finished_sending)
        return OUTCOME_NONE;
    return c->bad ? OUTCOME_BAD : OUTCOME_GOOD;
}

static void drive(struct connection *c)
{
    for (int round = 0; round < ROUNDS; round++) {
        enum progress progress = step(c);
        if (progress == ENDS) {
            end(c, OUTCOME_RESET);
            return;
        }
        enum outcome outcome = verdict_at_end(c);
        if (outcome != OUTCOME_NONE) {
            end(c, outcome);
            return;
        }
        if (progress == WAITS)
            return;
    }
    struct epoll_event again = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &again); /* edge-triggered: reports it once more */
}

static void accept_all(int listener)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct connection *c = calloc(1, sizeof *c);
        c->fd = fd;
        if (echo_only) {
            c->header_size = REQUEST_SIZE;
            c->request.flags = REQUEST_ECHO;
            c->echo = malloc(ECHO_BUFFER);
        }
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
        if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event))
            die("epoll_ctl");
        drive(c);
    }
}

static void listen_on(const char *text)
{
    struct address address = address_of(text);
    int on = 1, fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, &address.any, address.length) || listen(fd, 8192))
        die(text);
    struct connection *c = calloc(1, sizeof *c);
    c->fd = fd;
    c->listener = true;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event))
        die("epoll_ctl");
    print_listening(fd);
}

int main(int count, char **arguments)
{
    static const struct option options[] = {
        {"listen", required_argument, NULL, 'l'}, {"echo", no_argument, NULL, 'e'}, {0}};
    signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    pattern_init();
    poller = epoll_create1(EPOLL_CLOEXEC);
    bool listening = false;
    for (int option; (option = getopt_long(count, arguments, "", options, NULL)) != -1;) {
        if (option == '?')
            return 2;
        if (option == 'e')
            echo_only = true;
        if (option == 'l') {
            listen_on(optarg);
            listening = true;
        }
    }
    if (!listening)
        listen_on("127.0.0.1:0");
    for (;;) {
        struct epoll_event events[256];
        int ready = epoll_wait(poller, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            if (c->listener)
                accept_all(c->fd);
            else
                drive(c);
        }
    }
}
