/* bench/line.c: a line with a rate, a delay, a queue and losses between two network namespaces,
 * where the kernel has no netem: two TUN devices and one process that carries packets from one to
 * the other.
 *
 *     line --client NETNS --server NETNS [--rate MBIT/S] [--delay MS] [--queue BYTES] [--loss %]
 * [--seed N]
 *
 * NETNS is a file as in /proc/PID/ns/net. Each gets a device "line" without addresses, and then
 * "ready" is printed. --delay is one way's; --queue is what may wait for the line (not what is
 * under way on it); more is lost. Each direction has its own line. SIGTERM: prints what it did,
 * then ends.
 *
 * Bursts of TCP and UDP segments (TSO, USO) come and go in one piece, as through a network card,
 * but take the line's time and are lost by single segments: what is left of a burst goes on as up
 * to two. IPv4 only. */
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
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define PACKET_MAX 65536
/* Ethernet's header, checksum, preamble and gap. */
#define FRAME 38
/* Packets taken from one device before the other's turn. */
#define TURN 64
/* Those of the kernel (5.19 has them not). */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

struct packet {
    struct packet *next;
    uint64_t due_ns;
    size_t size; /* virtio header included */
    uint8_t data[];
};

struct direction {
    int from, to;
    struct packet *first, **last;
    uint64_t free_ns; /* when the line has sent all it was given */
    uint64_t segments, lost, overflowed;
};

static struct {
    double rate, delay, loss;
    uint64_t queue, seed;
} how = {.rate = 1000, .delay = 50, .queue = 12500000, .seed = 1};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "line: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* splitmix64 */
static bool is_lost(void)
{
    uint64_t z = how.seed += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return how.loss > 0 && (double)(z >> 11) * 0x1p-53 * 100 < how.loss;
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

/* Segments from to to of a burst go on their way. */
static void pass(struct direction *d, const uint8_t *data, const struct burst *burst, size_t from,
                 size_t to)
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
    *packet = (struct packet){.due_ns = d->free_ns + (uint64_t)(how.delay * 1e6), .size = size};
    memcpy(packet->data, data, burst->headers);
    memcpy(packet->data + burst->headers, data + burst->headers + start, end - start);
    if (to - from < burst->count)
        mend(packet->data, size, burst, from, to);
    *d->last = packet;
    d->last = &packet->next;
}

/* Each segment takes its time on the line, is lost there, or finds the queue full. */
static void take(struct direction *d, const uint8_t *data, size_t size, uint64_t now)
{
    struct burst burst = look(data, size);
    size_t begin = 0;
    if (d->free_ns < now)
        d->free_ns = now;
    for (size_t i = 0; i < burst.count; i++) {
        size_t left = burst.payload - i * burst.segment;
        size_t bytes = burst.headers - sizeof(struct virtio_net_hdr) + FRAME +
                       (left < burst.segment ? left : burst.segment);
        uint64_t takes = (uint64_t)((double)bytes * 8000 / how.rate);
        bool is_over =
            (double)(d->free_ns - now) * how.rate / 8000 + (double)bytes > (double)how.queue;
        d->segments++;
        d->overflowed += is_over;
        if (!is_over)
            d->free_ns += takes;
        bool lost = !is_over && is_lost();
        d->lost += lost;
        if (lost || is_over) {
            pass(d, data, &burst, begin, i);
            begin = i + 1;
        }
    }
    pass(d, data, &burst, begin, burst.count);
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

/* Errors are losses, as in a network. Returns when the next is due; 0: none waits. */
static uint64_t deliver(struct direction *d)
{
    uint64_t now = clock_ns();
    while (d->first && d->first->due_ns <= now) {
        struct packet *packet = d->first;
        d->first = packet->next;
        if (!d->first)
            d->last = &d->first;
        d->lost += write(d->to, packet->data, packet->size) < 0;
        free(packet);
    }
    return d->first ? d->first->due_ns : 0;
}

/* ---- devices ---- */

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

static void tell(const char *name, const struct direction *d)
{
    printf("\"%s\":{\"segments\":%ju,\"lost\":%ju,\"overflowed\":%ju}", name,
           (uintmax_t)d->segments, (uintmax_t)d->lost, (uintmax_t)d->overflowed);
}

static void run(int client, int server, int signals)
{
    struct direction up = {.from = client, .to = server}, down = {.from = server, .to = client};
    up.last = &up.first;
    down.last = &down.first;
    for (;;) {
        uint64_t a = deliver(&up), b = deliver(&down), now = clock_ns();
        uint64_t next = !a || (b && b < a) ? b : a, wait = next > now ? next - now : 0;
        struct timespec limit = {(time_t)(wait / 1000000000u), (long)(wait % 1000000000u)};
        struct pollfd polls[] = {{.fd = client, .events = POLLIN},
                                 {.fd = server, .events = POLLIN},
                                 {.fd = signals, .events = POLLIN}};
        ppoll(polls, 3, next ? &limit : NULL, NULL);
        if (polls[2].revents)
            break;
        if (polls[0].revents)
            receive(&up);
        if (polls[1].revents)
            receive(&down);
    }
    printf("{");
    tell("up", &up);
    printf(",");
    tell("down", &down);
    printf("}\n");
}

int main(int count, char **arguments)
{
    static const struct option options[] = {{"client", 1, NULL, 'c'}, {"server", 1, NULL, 's'},
                                            {"rate", 1, NULL, 'r'},   {"delay", 1, NULL, 'd'},
                                            {"queue", 1, NULL, 'q'},  {"loss", 1, NULL, 'l'},
                                            {"seed", 1, NULL, 'e'},   {NULL, 0, NULL, 0}};
    const char *client = NULL, *server = NULL;
    for (int option; (option = getopt_long(count, arguments, "", options, NULL)) != -1;) {
        switch (option) {
        case 'c':
            client = optarg;
            break;
        case 's':
            server = optarg;
            break;
        case 'r':
            how.rate = strtod(optarg, NULL);
            break;
        case 'd':
            how.delay = strtod(optarg, NULL);
            break;
        case 'q':
            how.queue = strtoull(optarg, NULL, 0);
            break;
        case 'l':
            how.loss = strtod(optarg, NULL);
            break;
        case 'e':
            how.seed = strtoull(optarg, NULL, 0);
            break;
        default:
            exit(2);
        }
    }
    if (!client || !server) {
        fprintf(stderr, "usage: line --client NETNS --server NETNS [options]\n");
        exit(2);
    }
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    prctl(PR_SET_TIMERSLACK, 1000ul, 0, 0, 0);
    int a = open_device(client), b = open_device(server);
    puts("ready");
    fflush(stdout);
    run(a, b, signalfd(-1, &set, SFD_CLOEXEC));
}
