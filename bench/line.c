/* bench/line.c: a line between two network namespaces, where the kernel has no netem: two TUN
 * devices "line" without addresses, and one process that carries packets from one to the other.
 *
 *     line --client NETNS --server NETNS [--OPTION VALUE]...
 *
 *     rate MBIT/S, delay MS       delay: one way
 *     queue MS                    what may wait; a packet that comes then is dropped
 *     loss %, burst N             in bursts of N on average (Gilbert)
 *     jitter MS                   each packet is delayed by up to that, and none overtakes another
 *     reorder %                   only these are delayed by up to the jitter, and overtaken
 *     aggregate MS                packets leave only at multiples of that
 *     police MBIT/S, bucket KB    a token bucket before the queue
 *     codel 1                     CoDel (RFC 8289) in the queue
 *     swing MS, low MBIT/S        so often the rate changes to that and back
 *     overhead BYTES              what a packet takes beside itself (Ethernet: 38)
 *     seed N
 *
 * NETNS is a file as in /proc/PID/ns/net. Each direction is a line of its own, the one of the
 * simulator (tests/sim/line.h). "ready" is printed when both devices are there. SIGUSR1: prints as
 * JSON what happened since the last time. SIGTERM: the same, and ends.
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

#include "base/clock.h"
#include "tests/sim/line.h"

#define PACKET_MAX 65536
/* Packets taken from one device before the other's turn. */
#define TURN         64
#define GATHER       250  /* us: 31 KB at 1 Gbit/s; one packet each below 48 Mbit/s */
#define SAMPLE_EVERY 5000 /* us: the queue is looked at so often */
/* Those of the kernel (5.19 has them not). */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

struct link {
    struct link *next, *before;
    uint64_t due; /* us */
};

struct packet {
    struct link link;
    size_t size; /* virtio header included */
    uint8_t data[];
};

struct direction {
    int from, to;
    struct link ends; /* of a ring of packets, by due time */
    struct sim_chance chance;
    struct sim_way way;
    uint64_t late;
};

static struct sim_line how = {
    .rate = 125000000, .delay_us = 50000, .queue_us = 100000, .police_burst = 100000};
static double seed = 1;
static uint64_t codel, overhead;
static uint64_t began_us;

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "line: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* Since the line began. */
static uint64_t now_us(void)
{
    return clock_us() - began_us;
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
static void enqueue(struct direction *d, struct link *link)
{
    struct link *before = d->ends.before;
    while (before != &d->ends && before->due > link->due)
        before = before->before;
    link->before = before;
    link->next = before->next;
    before->next->before = link;
    before->next = link;
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
    packet->link.due = due;
    packet->size = size;
    memcpy(packet->data, data, burst->headers);
    memcpy(packet->data + burst->headers, data + burst->headers + start, end - start);
    if (to - from < burst->count)
        mend(packet->data, size, burst, from, to);
    enqueue(d, &packet->link);
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
        struct sim_arrival arrival[2];
        bool arrives = sim_way_send(&d->way, now, bytes, arrival) > 0;
        uint64_t due = arrives ? arrival[0].at_us : 0;
        if (begin < i && (!arrives || due < last_due || due - first_due > GATHER)) {
            pass(d, data, &burst, begin, i, last_due);
            begin = i;
        }
        if (begin == i)
            first_due = due;
        if (!arrives)
            begin = i + 1;
        last_due = due;
    }
    pass(d, data, &burst, begin, burst.count, last_due);
}

static void receive(struct direction *d)
{
    static uint8_t data[sizeof(struct virtio_net_hdr) + PACKET_MAX];
    uint64_t now = now_us();
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
    uint64_t now = now_us();
    struct link *link;
    while ((link = d->ends.next) != &d->ends && link->due <= now) {
        struct packet *packet = (void *)link;
        d->ends.next = link->next;
        link->next->before = &d->ends;
        d->way.lost += write(d->to, packet->data, packet->size) < 0;
        d->late += now - link->due > 1000;
        free(packet);
    }
    return link == &d->ends ? UINT64_MAX : link->due;
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

static void tell(const char *name, struct direction *d, const char *end)
{
    struct sim_way *way = &d->way;
    printf("\"%s\":{\"packets\":%ju,\"bytes\":%ju,\"lost\":%ju,\"policed\":%ju,\"full\":%ju,"
           "\"late\":%ju,\"queue_p50\":%.1f,\"queue_p95\":%.1f,\"queue_p99\":%.1f}%s",
           name, (uintmax_t)way->packets, (uintmax_t)way->bytes, (uintmax_t)way->lost,
           (uintmax_t)way->policed, (uintmax_t)way->full, (uintmax_t)d->late,
           sim_way_quantile_ms(way, 0.5), sim_way_quantile_ms(way, 0.95),
           sim_way_quantile_ms(way, 0.99), end);
    sim_way_forget(way);
    way->packets = way->bytes = way->lost = way->policed = way->full = d->late = 0;
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

static void set_up(struct direction *d, int from, int to, uint64_t its_seed)
{
    *d = (struct direction){.from = from, .to = to, .chance.state = its_seed};
    d->way =
        (struct sim_way){.line = how, .chance = &d->chance, .tokens = how.police_burst * 1000000};
    d->ends = (struct link){.next = &d->ends, .before = &d->ends};
}

static void run(int client, int server, int signals)
{
    static struct direction up, down;
    set_up(&up, client, server, (uint64_t)seed * 2);
    set_up(&down, server, client, (uint64_t)seed * 2 + 1);
    for (uint64_t next_sample = 0;;) {
        uint64_t a = deliver(&up), b = deliver(&down), now = now_us();
        for (; next_sample <= now; next_sample += SAMPLE_EVERY) {
            sim_way_look(&up.way, next_sample);
            sim_way_look(&down.way, next_sample);
        }
        uint64_t next = a < b ? a : b;
        next = next < next_sample ? next : next_sample;
        uint64_t wait = next > now ? next - now : 0;
        struct timespec limit = {(time_t)(wait / 1000000u), (long)(wait % 1000000u * 1000u)};
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

/* Numbers, and what one of them is. */
static const struct {
    const char *name;
    uint64_t *whole;
    double *real, unit;
} numbers[] = {
    {"rate", &how.rate, NULL, 125000},
    {"delay", &how.delay_us, NULL, 1000},
    {"queue", &how.queue_us, NULL, 1000},
    {"loss", NULL, &how.loss, 0.01},
    {"burst", NULL, &how.burst, 1},
    {"jitter", &how.jitter_us, NULL, 1000},
    {"reorder", NULL, &how.reorder, 0.01},
    {"aggregate", &how.aggregate_us, NULL, 1000},
    {"police", &how.police, NULL, 125000},
    {"bucket", &how.police_burst, NULL, 1000},
    {"codel", &codel, NULL, 1},
    {"swing", &how.swing_us, NULL, 1000},
    {"low", &how.swing_rate, NULL, 125000},
    {"overhead", &overhead, NULL, 1},
    {"seed", NULL, &seed, 1},
};
#define NUMBERS (sizeof numbers / sizeof *numbers)

int main(int count, char **arguments)
{
    struct option options[NUMBERS + 3] = {{"client", 1, NULL, 'c'}, {"server", 1, NULL, 's'}};
    const char *client = NULL, *server = NULL;
    bool is_right = true;
    for (size_t i = 0; i < NUMBERS; i++)
        options[i + 2] = (struct option){numbers[i].name, 1, NULL, (int)i + 256};
    for (int option; (option = getopt_long(count, arguments, "", options, NULL)) != -1;) {
        double value = optarg ? strtod(optarg, NULL) : 0;
        if (option == 'c')
            client = optarg;
        else if (option == 's')
            server = optarg;
        else if (option < 256)
            is_right = false;
        else if (numbers[option - 256].whole)
            *numbers[option - 256].whole = (uint64_t)(value * numbers[option - 256].unit);
        else
            *numbers[option - 256].real = value * numbers[option - 256].unit;
    }
    if (!is_right || !client || !server || optind < count) {
        fprintf(stderr, "usage: line --client NETNS --server NETNS [--OPTION VALUE]...\n");
        return 2;
    }
    how.codel = codel;
    how.overhead = (uint32_t)overhead;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    prctl(PR_SET_TIMERSLACK, 1000ul, 0, 0, 0);
    prctl(PR_SET_PDEATHSIG, (unsigned long)SIGTERM, 0, 0, 0);
    /* A line does not wait for others' processors. */
    if (sched_setscheduler(0, SCHED_RR, &(struct sched_param){.sched_priority = 1}))
        setpriority(PRIO_PROCESS, 0, -15);
    int a = open_device(client), b = open_device(server);
    began_us = clock_us();
    puts("ready");
    fflush(stdout);
    run(a, b, signalfd(-1, &set, SFD_CLOEXEC));
    return 0;
}
