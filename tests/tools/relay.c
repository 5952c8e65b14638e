/* tests/tools/relay.c: a bad network between two UDP endpoints, the same one for the same seed.
 *
 *     relay --to ADDRESS [--listen ADDRESS] [--loss %] [--delay MS] [--jitter MS] [--duplicate %]
 *           [--corrupt %] [--replay %] [--only up|down] [--seed N] [--dump FILE] [--limit N]
 *
 * Each datagram that arrives is lost, corrupted (one bit), delayed (by delay, and up to jitter
 * more, so that later ones overtake it), duplicated (each copy with its own delay), or replayed
 * (one of the last 256 that passed is sent again). --only: only those to the server (up) or from
 * it (down) suffer. --dump: the first 10000 are written to FILE as {length, 32 bits}{bytes}, for
 * garbage. --limit: at most so many wait in the relay, more are lost. SIGUSR1: black hole, SIGUSR2:
 * passes again. SIGHUP: every client gets another port at the server, as when a NAT forgets it;
 * what the server sends to the old one is lost. SIGALRM: each end gets an SCTP ABORT as if from the
 * other, with the ports and the tag of the latest packet that passed. SIGTERM: prints what it did,
 * then ends. Prints "port N" at first. */
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "tests/tools/request.h"

#define DATAGRAM_MAX 65536
#define BATCH        64
#define PEERS        64
#define HISTORY      256
#define DUMP_MAX     10000

struct datagram {
    uint64_t due;
    uint64_t order; /* equal due times keep their order */
    int out;
    struct address to; /* length 0: out is connected */
    uint32_t size;
    uint8_t data[];
};

/* One client of the server: its address, and the socket that stands for it at the server. */
struct peer {
    int fd;
    struct address client;
    uint64_t used;
};

static struct {
    double loss, delay, jitter, duplicate, corrupt, replay;
    uint64_t seed, limit;
    bool suffers[2]; /* up, down */
} how = {.seed = 1, .limit = 20000, .suffers = {true, true}};

static struct address server;
static int front;
static FILE *dump;
static struct peer peers[PEERS];
static struct datagram **heap; /* smallest due first */
static size_t heap_size;
static struct datagram *history[2][HISTORY];
static uint64_t passed[2], orders;
/* Of the latest datagram each way: ports and tag, if it is SCTP. */
static struct sent {
    bool any;
    int out;
    struct address to;
    uint8_t head[8];
} latest[2];
static bool black_hole;
static struct {
    uint64_t in, lost, duplicated, corrupted, replayed, overflowed, swallowed, dumped, rebound;
} did;

static uint8_t (*buffers)[DATAGRAM_MAX];

static uint64_t random_next(void)
{
    return pattern_mix(how.seed++);
}

static bool happens(double percent)
{
    return percent > 0 && (double)(random_next() >> 11) * 0x1p-53 * 100 < percent;
}

static bool is_before(const struct datagram *a, const struct datagram *b)
{
    return a->due != b->due ? a->due < b->due : a->order < b->order;
}

static void heap_push(struct datagram *d)
{
    size_t at = heap_size++;
    for (; at && is_before(d, heap[(at - 1) / 2]); at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = d;
}

static struct datagram *heap_pop(void)
{
    struct datagram *first = heap[0], *last = heap[--heap_size];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < heap_size; at = child) {
        if (child + 1 < heap_size && is_before(heap[child + 1], heap[child]))
            child++;
        if (!is_before(heap[child], last))
            break;
        heap[at] = heap[child];
    }
    heap[at] = last;
    return first;
}

static struct datagram *copy_of(const struct datagram *d)
{
    struct datagram *copy = malloc(sizeof *copy + d->size);
    memcpy(copy, d, sizeof *copy + d->size);
    return copy;
}

static void schedule(struct datagram *d, bool suffers)
{
    if (heap_size == how.limit) {
        did.overflowed++;
        free(d);
        return;
    }
    double ms = 0;
    if (suffers)
        ms = how.delay + how.jitter * (double)(random_next() >> 11) * 0x1p-53;
    d->due = clock_ns() + (uint64_t)(ms * 1e6);
    d->order = orders++;
    heap_push(d);
}

static void remember(struct datagram *d, int way)
{
    struct datagram **slot = &history[way][passed[way]++ % HISTORY];
    free(*slot);
    *slot = copy_of(d);
}

static void dump_datagram(const struct datagram *d)
{
    if (!dump || did.dumped == DUMP_MAX)
        return;
    did.dumped++;
    fwrite(&d->size, sizeof d->size, 1, dump);
    fwrite(d->data, d->size, 1, dump);
    fflush(dump);
}

/* Decides the fate of one datagram; owns it. */
static void judge(struct datagram *d, int way)
{
    bool suffers = how.suffers[way];
    did.in++;
    dump_datagram(d);
    if (black_hole) {
        did.swallowed++;
        free(d);
        return;
    }
    if (suffers && happens(how.loss)) {
        did.lost++;
        free(d);
        return;
    }
    if (d->size >= sizeof latest[way].head) {
        latest[way] = (struct sent){.any = true, .out = d->out, .to = d->to};
        memcpy(latest[way].head, d->data, sizeof latest[way].head);
    }
    if (suffers && how.replay > 0) {
        remember(d, way);
        struct datagram *old = history[way][random_next() % HISTORY];
        if (old && happens(how.replay)) {
            did.replayed++;
            schedule(copy_of(old), true);
        }
    }
    if (suffers && happens(how.duplicate)) {
        did.duplicated++;
        schedule(copy_of(d), true);
    }
    if (suffers && d->size && happens(how.corrupt)) {
        did.corrupted++;
        d->data[random_next() % d->size] ^= (uint8_t)(1 << random_next() % 8);
    }
    schedule(d, suffers);
}

/* A socket to the server, from a port of its own. */
static int open_back(void)
{
    int fd = socket(server.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
        size = 8 << 20;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (fd < 0 || connect(fd, &server.any, server.length))
        die("socket to the server");
    return fd;
}

/* Datagrams that wait name their socket by its number, so the new one takes it over. */
static void rebind(void)
{
    for (size_t i = 0; i < PEERS; i++) {
        if (peers[i].fd < 0)
            continue;
        int fd = open_back();
        if (dup3(fd, peers[i].fd, O_CLOEXEC) < 0)
            die("dup3");
        close(fd);
        did.rebound++;
    }
}

static struct peer *peer_of(const struct address *client)
{
    static uint64_t uses;
    struct peer *oldest = &peers[0];
    for (size_t i = 0; i < PEERS; i++) {
        struct peer *peer = &peers[i];
        if (peer->fd >= 0 && address_equal(&peer->client, client)) {
            peer->used = ++uses;
            return peer;
        }
        if (peer->used < oldest->used)
            oldest = peer;
    }
    if (oldest->fd < 0)
        oldest->fd = open_back();
    oldest->client = *client;
    oldest->used = ++uses;
    return oldest;
}

/* Takes what has arrived at a socket; from == NULL: at the front. */
static void receive(int fd, const struct peer *from)
{
    struct mmsghdr messages[BATCH];
    struct iovec vectors[BATCH];
    struct address sources[BATCH];
    for (size_t i = 0; i < BATCH; i++) {
        vectors[i] = (struct iovec){buffers[i], DATAGRAM_MAX};
        messages[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &sources[i].any,
                                                   .msg_namelen = sizeof(struct sockaddr_in6),
                                                   .msg_iov = &vectors[i],
                                                   .msg_iovlen = 1}};
    }
    int got = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < got; i++) {
        struct datagram *d = malloc(sizeof *d + messages[i].msg_len);
        *d = (struct datagram){.out = front, .size = messages[i].msg_len};
        memcpy(d->data, buffers[i], d->size);
        if (from) {
            d->to = from->client;
        } else {
            sources[i].length = messages[i].msg_hdr.msg_namelen;
            d->out = peer_of(&sources[i])->fd;
        }
        judge(d, from ? 1 : 0);
    }
}

/* Sends a run of datagrams that leave by the same socket. Errors are losses, as in a network. */
static void send_run(struct datagram **run, size_t count)
{
    struct mmsghdr messages[BATCH];
    struct iovec vectors[BATCH];
    for (size_t i = 0; i < count; i++) {
        vectors[i] = (struct iovec){run[i]->data, run[i]->size};
        messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &vectors[i], .msg_iovlen = 1}};
        if (run[i]->to.length) {
            messages[i].msg_hdr.msg_name = &run[i]->to.any;
            messages[i].msg_hdr.msg_namelen = run[i]->to.length;
        }
    }
    for (size_t sent = 0; sent < count;) {
        int put = sendmmsg(run[0]->out, messages + sent, (unsigned)(count - sent), 0);
        sent += put > 0 ? (size_t)put : 1;
    }
    for (size_t i = 0; i < count; i++)
        free(run[i]);
}

static void send_due(void)
{
    uint64_t now = clock_ns();
    struct datagram *run[BATCH];
    size_t count = 0;
    while (heap_size && heap[0]->due <= now) {
        if (count == BATCH || (count && heap[0]->out != run[0]->out)) {
            send_run(run, count);
            count = 0;
        }
        run[count++] = heap_pop();
    }
    if (count)
        send_run(run, count);
}

/* CRC32c (RFC 9260 appendix A), bit by bit. */
static uint32_t checksum(const uint8_t *bytes, size_t length)
{
    uint32_t sum = UINT32_MAX;
    for (size_t i = 0; i < length; i++) {
        sum ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            sum = sum >> 1 ^ (sum & 1 ? 0x82f63b78 : 0);
    }
    return ~sum;
}

static void forge_aborts(void)
{
    static const uint8_t abort_chunk[] = {6, 0, 0, 4};
    for (int way = 0; way < 2; way++) {
        const struct sent *sent = &latest[way];
        uint8_t packet[16] = {0};
        if (!sent->any)
            continue;
        memcpy(packet, sent->head, sizeof sent->head);
        memcpy(packet + 12, abort_chunk, sizeof abort_chunk);
        uint32_t sum = checksum(packet, sizeof packet);
        for (int i = 0; i < 4; i++)
            packet[8 + i] = (uint8_t)(sum >> 8 * i);
        sendto(sent->out, packet, sizeof packet, 0, sent->to.length ? &sent->to.any : NULL,
               sent->to.length);
    }
}

static void on_signal(int signals)
{
    struct signalfd_siginfo info;
    if (read(signals, &info, sizeof info) != sizeof info)
        return;
    if (info.ssi_signo == SIGHUP) {
        rebind();
        return;
    }
    if (info.ssi_signo == SIGALRM) {
        forge_aborts();
        return;
    }
    black_hole = info.ssi_signo == SIGUSR1;
    if (info.ssi_signo != SIGTERM)
        return;
    printf("{\"in\":%ju,\"lost\":%ju,\"duplicated\":%ju,\"corrupted\":%ju,\"replayed\":%ju,"
           "\"overflowed\":%ju,\"swallowed\":%ju,\"rebound\":%ju}\n",
           (uintmax_t)did.in, (uintmax_t)did.lost, (uintmax_t)did.duplicated,
           (uintmax_t)did.corrupted, (uintmax_t)did.replayed, (uintmax_t)did.overflowed,
           (uintmax_t)did.swallowed, (uintmax_t)did.rebound);
    exit(0);
}

static void run(int signals)
{
    for (;;) {
        struct pollfd polls[PEERS + 2] = {{.fd = front, .events = POLLIN},
                                          {.fd = signals, .events = POLLIN}};
        for (size_t i = 0; i < PEERS; i++)
            polls[i + 2] = (struct pollfd){.fd = peers[i].fd, .events = POLLIN};
        uint64_t now = clock_ns(), wait = heap_size && heap[0]->due > now ? heap[0]->due - now : 0;
        struct timespec limit = {(time_t)(wait / 1000000000u), (long)(wait % 1000000000u)};
        ppoll(polls, PEERS + 2, heap_size ? &limit : NULL, NULL);
        if (polls[1].revents)
            on_signal(signals);
        if (polls[0].revents)
            receive(front, NULL);
        for (size_t i = 0; i < PEERS; i++)
            if (polls[i + 2].revents && polls[i + 2].fd == peers[i].fd)
                receive(peers[i].fd, &peers[i]);
        send_due();
    }
}

static void open_front(const char *text)
{
    struct address address = address_of(text);
    front = socket(address.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int size = 8 << 20;
    setsockopt(front, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (front < 0 || bind(front, &address.any, address.length))
        die(text);
    print_listening(front);
}

static const struct {
    const char *name;
    double *percent_or_ms;
    uint64_t *number;
} settings[] = {
    {"loss", .percent_or_ms = &how.loss},
    {"delay", .percent_or_ms = &how.delay},
    {"jitter", .percent_or_ms = &how.jitter},
    {"duplicate", .percent_or_ms = &how.duplicate},
    {"corrupt", .percent_or_ms = &how.corrupt},
    {"replay", .percent_or_ms = &how.replay},
    {"seed", .number = &how.seed},
    {"limit", .number = &how.limit},
};
#define SETTINGS (sizeof settings / sizeof *settings)

/* Returns where to listen. */
static const char *read_arguments(int count, char **arguments)
{
    const char *listen_text = "127.0.0.1:0";
    struct option options[SETTINGS + 5] = {{"listen", required_argument, NULL, 'l'},
                                           {"to", required_argument, NULL, 't'},
                                           {"only", required_argument, NULL, 'o'},
                                           {"dump", required_argument, NULL, 'd'}};
    for (size_t i = 0; i < SETTINGS; i++)
        options[i + 4] = (struct option){settings[i].name, required_argument, NULL, (int)i};
    for (int option; (option = getopt_long(count, arguments, "", options, NULL)) != -1;) {
        if (option == '?')
            exit(2);
        else if (option == 'l')
            listen_text = optarg;
        else if (option == 't')
            server = address_of(optarg);
        else if (option == 'o')
            how.suffers[strcmp(optarg, "up") ? 0 : 1] = false;
        else if (option == 'd')
            dump = fopen(optarg, "wb");
        else if (settings[option].number)
            *settings[option].number = strtoull(optarg, NULL, 0);
        else
            *settings[option].percent_or_ms = strtod(optarg, NULL);
    }
    if (!server.length) {
        fprintf(stderr, "usage: relay --to ADDRESS [options]\n");
        exit(2);
    }
    return listen_text;
}

int main(int count, char **arguments)
{
    const char *listen_text = read_arguments(count, arguments);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGALRM);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    buffers = malloc(BATCH * sizeof *buffers);
    heap = calloc(how.limit, sizeof(struct datagram *));
    for (size_t i = 0; i < PEERS; i++)
        peers[i].fd = -1;
    open_front(listen_text);
    run(signalfd(-1, &set, SFD_CLOEXEC));
}
