/* bench/line.c: a line between two network namespaces, where the kernel has no netem: two TUN
 * devices "line" without addresses, and one process that carries packets from one to the other.
 *
 *     line --client NETNS --server NETNS [--OPTION VALUE]...
 *
 *     rate MBIT/S[:SECONDS,...]   several: each for its seconds, then from the first again
 *     delay MS                    one way
 *     queue MS                    what may wait, at the first rate; a packet that comes then is
 *                                 dropped
 *     loss %, burst N             in bursts of N on average (Gilbert)
 *     jitter MS                   each packet is delayed by up to that, and none overtakes another
 *     reorder %                   only these are delayed by up to the jitter, and overtaken
 *     aggregate MS                packets leave only at multiples of that
 *     police MBIT/S, bucket KB    a token bucket before the queue
 *     codel MS                    CoDel (RFC 8289) with that target, and an interval of 100 ms
 *     overhead BYTES              what a packet takes beside itself (Ethernet: 38)
 *     seed N
 *
 * NETNS is a file as in /proc/PID/ns/net. Each direction is a line of its own (line.h). "ready" is
 * printed when both devices are there. SIGUSR1: prints as JSON what happened since the last time.
 * SIGTERM: the same, and ends.
 *
 * Bursts of TCP and UDP segments (TSO, USO) come in one piece, as through a network card, but each
 * segment meets the line alone; those that arrive within GATHER travel on in one piece. IPv4 only.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "bench/line.h"

#define PACKET_MAX 65536
/* Packets taken from one device before the other's turn. */
#define TURN   64
#define GATHER 250000 /* ns: 31 KB at 1 Gbit/s; one packet each below 48 Mbit/s */
/* The queue is looked at so often; what is as long as the last of the steps of 0.1 ms, or longer,
 * counts as that. */
#define SAMPLE_EVERY 5000000u
#define QUEUE_STEPS  20000
/* Those of the kernel (5.19 has them not). */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

struct packet {
    struct packet *next, *before;
    uint64_t due;
    size_t size; /* virtio header included */
    uint8_t data[];
};

struct direction {
    int from, to;
    struct packet ends; /* of a ring, by due time */
    struct line line;
    uint64_t late, bytes, samples;
    uint32_t queue[QUEUE_STEPS];
};

static struct line_kind how = {.delay = 50, .queue = 100, .bucket = 100};
static double seed = 1;
static uint64_t began;

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "line: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* Since the line began. */
static uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec - began;
}

/* ---- packets ---- */

/* Of a burst, or of a single packet. */
struct burst {
    size_t headers; /* virtio, IP, TCP or UDP */
    size_t payload, segment;
    size_t count;
};

static struct burst look(const uint8_t *data, size_t size)
{
    const struct virtio_net_hdr *virtio = (const void *)data;
    const struct iphdr *ip = (const void *)(data + sizeof *virtio);
    struct burst burst = {.headers = size, .count = 1};
    size_t start = sizeof *virtio + ip->ihl * 4u;
    if (virtio->gso_type == VIRTIO_NET_HDR_GSO_NONE || ip->version != 4)
        return burst;
    const struct tcphdr *tcp = (const void *)(data + start);
    burst.headers = start + (ip->protocol == IPPROTO_TCP ? tcp->doff * 4u : sizeof(struct udphdr));
    burst.payload = size - burst.headers;
    burst.segment = virtio->gso_size;
    burst.count = (burst.payload + burst.segment - 1) / burst.segment;
    return burst;
}

static uint32_t sum(const void *data, size_t size)
{
    uint32_t total = 0;
    uint16_t word;
    for (size_t at = 0; at + 1 < size; at += 2) {
        memcpy(&word, (const uint8_t *)data + at, 2);
        total += word;
    }
    return total;
}

static uint16_t fold(uint32_t total)
{
    total = (total & 0xffff) + (total >> 16);
    return (uint16_t)(total + (total >> 16));
}

/* Lengths, sequence numbers and the checksums of a part of a burst, whose device finishes them. */
static void mend(uint8_t *data, size_t size, const struct burst *burst, size_t from, size_t to)
{
    struct virtio_net_hdr *virtio = (void *)data;
    struct iphdr *ip = (void *)(data + sizeof *virtio);
    uint8_t *transport = (uint8_t *)ip + ip->ihl * 4u;
    size_t length = size - (size_t)(transport - data);
    if (to - from == 1)
        virtio->gso_type = VIRTIO_NET_HDR_GSO_NONE, virtio->gso_size = 0;
    ip->tot_len = htons((uint16_t)(size - sizeof *virtio));
    ip->id = htons((uint16_t)(ntohs(ip->id) + from));
    ip->check = 0;
    ip->check = (uint16_t)~fold(sum(ip, ip->ihl * 4u));
    uint16_t pseudo = fold(sum(&ip->saddr, 8) + htons(ip->protocol) + htons((uint16_t)length));
    if (ip->protocol == IPPROTO_TCP) {
        struct tcphdr *tcp = (void *)transport;
        tcp->seq = htonl(ntohl(tcp->seq) + (uint32_t)(from * burst->segment));
        if (to < burst->count)
            tcp->fin = tcp->psh = 0;
        tcp->check = pseudo;
    } else {
        struct udphdr *udp = (void *)transport;
        udp->len = htons((uint16_t)length);
        udp->check = pseudo;
    }
}

/* By due time, and behind those of the same. */
static void enqueue(struct direction *d, struct packet *packet)
{
    struct packet *before = d->ends.before;
    while (before != &d->ends && before->due > packet->due)
        before = before->before;
    packet->before = before;
    packet->next = before->next;
    before->next->before = packet;
    before->next = packet;
}

/* Segments from to to of a burst go on their way. */
static void pass(struct direction *d, const uint8_t *data, const struct burst *burst, size_t from,
                 size_t to, uint64_t due)
{
    if (from == to)
        return;
    size_t start = from * burst->segment, end = to * burst->segment;
    if (end > burst->payload)
        end = burst->payload;
    size_t size = burst->headers + end - start;
    struct packet *packet = malloc(sizeof *packet + size);
    if (!packet)
        die("malloc");
    packet->due = due;
    packet->size = size;
    memcpy(packet->data, data, burst->headers);
    memcpy(packet->data + burst->headers, data + burst->headers + start, end - start);
    if (to - from < burst->count)
        mend(packet->data, size, burst, from, to);
    enqueue(d, packet);
}

static void take(struct direction *d, const uint8_t *data, size_t size, uint64_t now)
{
    struct burst burst = look(data, size);
    size_t begin = 0; /* of the segments that wait for others to travel with */
    uint64_t first_due = 0, last_due = 0;
    for (size_t i = 0; i < burst.count; i++) {
        size_t left = burst.payload - i * burst.segment;
        size_t bytes = burst.headers - sizeof(struct virtio_net_hdr) +
                       (left < burst.segment ? left : burst.segment);
        uint64_t due = line_arrival(&how, &d->line, bytes, now);
        if (begin < i && (due == LINE_LOST || due < last_due || due - first_due > GATHER)) {
            pass(d, data, &burst, begin, i, last_due);
            begin = i;
        }
        if (begin == i)
            first_due = due;
        if (due == LINE_LOST)
            begin = i + 1;
        last_due = due;
    }
    pass(d, data, &burst, begin, burst.count, last_due);
}

static void receive(struct direction *d)
{
    static uint8_t data[sizeof(struct virtio_net_hdr) + PACKET_MAX];
    uint64_t now = clock_ns();
    for (int i = 0; i < TURN; i++) {
        ssize_t size = read(d->from, data, sizeof data);
        if (size <= (ssize_t)(sizeof(struct virtio_net_hdr) + sizeof(struct iphdr)))
            return;
        take(d, data, (size_t)size, now);
    }
}

/* Errors are losses, as in a network. Returns when the next is due. */
static uint64_t deliver(struct direction *d)
{
    uint64_t now = clock_ns();
    struct packet *packet;
    while ((packet = d->ends.next) != &d->ends && packet->due <= now) {
        d->ends.next = packet->next;
        packet->next->before = &d->ends;
        d->line.did.lost += write(d->to, packet->data, packet->size) < 0;
        d->late += (double)(now - packet->due) > LINE_MS;
        d->bytes += packet->size;
        free(packet);
    }
    return packet == &d->ends ? UINT64_MAX : packet->due;
}

/* ---- devices, figures, arguments ---- */

static int open_device(const char *path)
{
    int space = open(path, O_RDONLY | O_CLOEXEC), device = -1;
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR, .ifr_name = "line"};
    unsigned basic = TUN_F_CSUM | TUN_F_TSO4, all = basic | TUN_F_USO4 | TUN_F_USO6 | TUN_F_TSO6;
    if (space < 0 || setns(space, CLONE_NEWNET))
        die(path);
    device = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (device < 0 || ioctl(device, TUNSETIFF, &request))
        die("/dev/net/tun");
    if (ioctl(device, TUNSETOFFLOAD, all) && ioctl(device, TUNSETOFFLOAD, basic))
        die("offload");
    close(space);
    return device;
}

static void sample(struct direction *d, uint64_t now)
{
    double ms = d->line.free_at > now ? (double)(d->line.free_at - now) / LINE_MS : 0;
    d->queue[ms * 10 < QUEUE_STEPS ? (size_t)(ms * 10) : QUEUE_STEPS - 1]++;
    d->samples++;
}

static double queue_ms(const struct direction *d, double share)
{
    double below = share * (double)d->samples;
    size_t i = 0;
    for (uint64_t seen = d->queue[0]; (double)seen < below && i < QUEUE_STEPS - 1;)
        seen += d->queue[++i];
    return (double)i / 10;
}

static void tell(const char *name, struct direction *d, const char *end)
{
    printf("\"%s\":{\"segments\":%ju,\"bytes\":%ju,\"lost\":%ju,\"policed\":%ju,\"overflowed\":%ju,"
           "\"codel\":%ju,\"late\":%ju,\"queue_p50\":%.1f,\"queue_p95\":%.1f,\"queue_p99\":%.1f}%s",
           name, (uintmax_t)d->line.did.segments, (uintmax_t)d->bytes, (uintmax_t)d->line.did.lost,
           (uintmax_t)d->line.did.policed, (uintmax_t)d->line.did.overflowed,
           (uintmax_t)d->line.did.by_codel, (uintmax_t)d->late, queue_ms(d, 0.5), queue_ms(d, 0.95),
           queue_ms(d, 0.99), end);
    memset(&d->line.did, 0, sizeof d->line.did);
    memset(d->queue, 0, sizeof d->queue);
    d->late = d->bytes = d->samples = 0;
}

/* True: go on. */
static bool answer_signal(int signals, struct direction *up, struct direction *down)
{
    struct signalfd_siginfo info;
    if (read(signals, &info, sizeof info) != sizeof info)
        return true;
    printf("{");
    tell("up", up, ",");
    tell("down", down, "}\n");
    fflush(stdout);
    return info.ssi_signo == SIGUSR1;
}

static void run(int client, int server, int signals)
{
    static struct direction up, down;
    up.from = down.to = client;
    up.to = down.from = server;
    up.line.random = (uint64_t)seed * 2;
    down.line.random = (uint64_t)seed * 2 + 1;
    up.ends = (struct packet){.next = &up.ends, .before = &up.ends};
    down.ends = (struct packet){.next = &down.ends, .before = &down.ends};
    for (uint64_t next_sample = 0;;) {
        uint64_t a = deliver(&up), b = deliver(&down), now = clock_ns();
        for (; next_sample <= now; next_sample += SAMPLE_EVERY) {
            sample(&up, next_sample);
            sample(&down, next_sample);
        }
        uint64_t next = a < b ? a : b;
        next = next < next_sample ? next : next_sample;
        uint64_t wait = next > now ? next - now : 0;
        struct timespec limit = {(time_t)(wait / 1000000000u), (long)(wait % 1000000000u)};
        struct pollfd polls[] = {{.fd = client, .events = POLLIN},
                                 {.fd = server, .events = POLLIN},
                                 {.fd = signals, .events = POLLIN}};
        ppoll(polls, 3, &limit, NULL);
        if (polls[2].revents && !answer_signal(signals, &up, &down))
            break;
        if (polls[0].revents)
            receive(&up);
        if (polls[1].revents)
            receive(&down);
    }
}

static double bytes_per_ns(double mbit)
{
    return mbit / 8e3;
}

/* False: not a list of rates. */
static bool read_rates(const char *text)
{
    for (how.rate_count = 0; how.rate_count < LINE_RATES;) {
        struct line_rate *rate = &how.rates[how.rate_count++];
        char *end;
        rate->bytes_per_ns = bytes_per_ns(strtod(text, &end));
        rate->ns = *end == ':' ? (uint64_t)(strtod(end + 1, &end) * 1e9) : 0;
        if (rate->bytes_per_ns <= 0 || (!rate->ns && (how.rate_count > 1 || *end)))
            return false;
        if (*end != ',')
            return !*end;
        text = end + 1;
    }
    return false;
}

/* Numbers, and what one of them is in ns, bytes and shares. */
static const struct {
    const char *name;
    double *value, unit;
} numbers[] = {
    {"delay", &how.delay, LINE_MS},
    {"queue", &how.queue, LINE_MS},
    {"loss", &how.loss, 0.01},
    {"burst", &how.burst, 1},
    {"jitter", &how.jitter, LINE_MS},
    {"reorder", &how.reorder, 0.01},
    {"aggregate", &how.aggregate, LINE_MS},
    {"police", &how.police, 1 / 8e3},
    {"bucket", &how.bucket, 1000},
    {"codel", &how.codel, LINE_MS},
    {"overhead", &how.overhead, 1},
    {"seed", &seed, 1},
};
#define NUMBERS (sizeof numbers / sizeof *numbers)

int main(int count, char **arguments)
{
    struct option options[NUMBERS + 4] = {
        {"client", 1, NULL, 'c'}, {"server", 1, NULL, 's'}, {"rate", 1, NULL, 'r'}};
    const char *client = NULL, *server = NULL;
    bool is_right = read_rates("1000");
    for (size_t i = 0; i < NUMBERS; i++) {
        options[i + 3] = (struct option){numbers[i].name, 1, NULL, (int)i + 256};
        *numbers[i].value *= numbers[i].unit;
    }
    for (int option; (option = getopt_long(count, arguments, "", options, NULL)) != -1;) {
        if (option >= 256)
            *numbers[option - 256].value = strtod(optarg, NULL) * numbers[option - 256].unit;
        else if (option == 'c')
            client = optarg;
        else if (option == 's')
            server = optarg;
        else if (option != 'r' || !read_rates(optarg))
            is_right = false;
    }
    if (!is_right || !client || !server || optind < count) {
        fprintf(stderr, "usage: line --client NETNS --server NETNS [--OPTION VALUE]...\n");
        return 2;
    }
    how.queue *= how.rates[0].bytes_per_ns; /* ns until now */
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    prctl(PR_SET_TIMERSLACK, 1000ul, 0, 0, 0);
    setpriority(PRIO_PROCESS, 0, -15); /* a line does not wait for others' processors */
    int a = open_device(client), b = open_device(server);
    began = clock_ns();
    puts("ready");
    fflush(stdout);
    run(a, b, signalfd(-1, &set, SFD_CLOEXEC));
    return 0;
}
