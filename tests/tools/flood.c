/* tests/tools/flood.c: many strangers at once, for an endpoint of the udp transport.
 *
 *     flood --to ADDRESS --then nothing|raw|up|hello
 *           [--rate N] [--count N] [--sources N] [--stay MS]
 *
 * nothing: forged INITs. Each comes from another address of 127/8 and from a port that is closed at
 * once, so that its answer meets nobody and the system says so to the server.
 *
 * raw: the same from 10.128/9, by a raw socket (root), at 100 000 a second and more.
 *
 * up: associations that come up (INIT, COOKIE ECHO) and say nothing. They stay until the end, and
 * --stay ms longer.
 *
 * hello: the same, and each begins TLS with a true ClientHello behind its cookie, which costs the
 * server a key exchange and a signature, and goes no further.
 *
 * --count of them (1000), --rate a second at most (as fast as it can), of --sources addresses
 * (1000). Prints how many were sent and, with up and hello, how many came up, how many were told
 * no, and the longest wait for one. */
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/wire.h"
#include "sctp/wire.h"
#include "tests/tools/request.h"

#define PORT    9899
#define WAIT_MS 200

static struct sockaddr_in to = {.sin_family = AF_INET};
static uint8_t packet[2048], answer[2048];

static struct wire_writer begin(uint16_t port, uint32_t tag, uint8_t type)
{
    struct wire_writer writer = wire_writer(packet, sizeof packet);
    wire_put_u16(&writer, port);
    wire_put_u16(&writer, PORT);
    wire_put_u32(&writer, tag);
    wire_put_u32(&writer, 0);
    wire_put_u8(&writer, type);
    wire_put_u8(&writer, 0);
    wire_put_u16(&writer, 0);
    return writer;
}

static size_t finish(struct wire_writer *writer)
{
    size_t length = (size_t)(writer->at - packet);
    packet[SCTP_HEADER + 2] = (uint8_t)((length - SCTP_HEADER) >> 8);
    packet[SCTP_HEADER + 3] = (uint8_t)(length - SCTP_HEADER);
    while (length % 4)
        packet[length++] = 0;
    sctp_wire_seal(packet, length);
    return length;
}

static size_t make_init(uint16_t port, uint32_t tag)
{
    struct wire_writer writer = begin(port, 0, SCTP_CHUNK_INIT);
    wire_put_u32(&writer, tag);
    wire_put_u32(&writer, 1 << 20);
    wire_put_u16(&writer, 65535);
    wire_put_u16(&writer, 65535);
    wire_put_u32(&writer, 1);
    return finish(&writer);
}

static int open_at(uint32_t host)
{
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(0x7f000000 + host % 0xfffffe + 1)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof from))
        die("socket");
    return fd;
}

static void pace(uint64_t started, uint64_t done, uint64_t rate)
{
    uint64_t due = rate ? started + done * 1000000000u / rate : 0, now = clock_ns();
    if (due > now + 1000000)
        nanosleep(&(struct timespec){.tv_nsec = (long)((due - now) % 1000000000u)}, NULL);
}

#define RAW_BATCH 64
#define RAW_SIZE  (20 + 8 + 32)

/* IPv4 and UDP without a checksum, from 10.128/9. */
static void make_raw(uint8_t *at, uint64_t i, uint64_t sources)
{
    struct wire_writer writer = wire_writer(at, RAW_SIZE);
    size_t length = make_init((uint16_t)(1024 + i % 60000), (uint32_t)pattern_mix(i) | 1);
    wire_put_u32(&writer, 0x45000000 | RAW_SIZE);
    wire_put_u32(&writer, 0);
    wire_put_u32(&writer, 64 << 24 | IPPROTO_UDP << 16); /* the system computes the checksum */
    wire_put_u32(&writer, 0x0a800000 + (uint32_t)(pattern_mix(i % sources) & 0x7fffff));
    wire_put_u32(&writer, ntohl(to.sin_addr.s_addr));
    wire_put_u16(&writer, (uint16_t)(1024 + i % 50000));
    wire_put_u16(&writer, ntohs(to.sin_port));
    wire_put_u16(&writer, RAW_SIZE - 20);
    wire_put_u16(&writer, 0);
    wire_put_bytes(&writer, packet, length);
}

static void forge_raw(uint64_t count, uint64_t rate, uint64_t sources)
{
    static uint8_t bytes[RAW_BATCH][RAW_SIZE];
    struct mmsghdr messages[RAW_BATCH] = {0};
    struct iovec parts[RAW_BATCH];
    struct sockaddr_in host = to;
    uint64_t started = clock_ns(), sent = 0;
    int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
    if (fd < 0)
        die("socket");
    host.sin_port = 0;
    for (unsigned k = 0; k < RAW_BATCH; k++) {
        parts[k] = (struct iovec){bytes[k], RAW_SIZE};
        messages[k].msg_hdr = (struct msghdr){
            .msg_name = &host, .msg_namelen = sizeof host, .msg_iov = &parts[k], .msg_iovlen = 1};
    }
    for (uint64_t i = 0; i < count; i += RAW_BATCH) {
        for (unsigned k = 0; k < RAW_BATCH; k++)
            make_raw(bytes[k], i + k, sources);
        int done = sendmmsg(fd, messages, RAW_BATCH, 0);
        sent += done > 0 ? (uint64_t)done : 0;
        pace(started, i, rate);
    }
    close(fd);
    printf("%ju sent in %.1f s\n", (uintmax_t)sent, (double)(clock_ns() - started) / 1e9);
}

static void forge(uint64_t count, uint64_t rate, uint64_t sources)
{
    uint64_t started = clock_ns(), sent = 0;
    for (uint64_t i = 0; i < count; i++) {
        int fd = open_at(256 + (uint32_t)(i % sources));
        size_t length = make_init((uint16_t)(1024 + i % 60000), (uint32_t)pattern_mix(i) | 1);
        sent += sendto(fd, packet, length, 0, (struct sockaddr *)&to, sizeof to) > 0;
        close(fd);
        pace(started, i, rate);
    }
    printf("%ju sent in %.1f s\n", (uintmax_t)sent, (double)(clock_ns() - started) / 1e9);
}

/* ---- that come up ---- */

static bool greets; /* --then hello */

/* A TLS 1.3 ClientHello as one DATA chunk, in stream 0 (docs/PROTOCOL.md, S3): any 32 bytes are a
 * key of X25519. */
static void put_hello(struct wire_writer *writer, uint64_t chance)
{
    static const uint8_t head[] = {22, 3, 1, 0, 132, 1, 0, 0, 128, 3, 3};
    static const uint8_t suites[] = {0, 0, 6, 0x13, 1, 0x13, 2, 0x13, 3, 1, 0, 0, 81};
    static const uint8_t extensions[] = {
        0, 43, 0, 3,  2, 3,  4,                                    /* TLS 1.3 */
        0, 10, 0, 4,  0, 2,  0, 29,                                /* X25519 */
        0, 13, 0, 14, 0, 12, 4, 3,  5, 3,  8, 4, 8, 5, 8, 6, 8, 7, /* signatures */
        0, 45, 0, 2,  1, 1,                                        /* PSK with a key exchange */
        0, 51, 0, 38, 0, 36, 0, 29, 0, 32,
    };
    uint8_t *chunk = sctp_wire_begin(writer, SCTP_CHUNK_DATA, SCTP_FLAG_BEGIN | SCTP_FLAG_END);
    wire_put_u32(writer, 1); /* our first TSN */
    wire_put_u32(writer, 0);
    wire_put_u32(writer, 0x48575300);
    wire_put_bytes(writer, head, sizeof head);
    for (int i = 0; i < 4; i++)
        wire_put_u64(writer, pattern_mix(chance + (uint64_t)i));
    wire_put_bytes(writer, suites, sizeof suites);
    wire_put_bytes(writer, extensions, sizeof extensions);
    for (int i = 4; i < 8; i++)
        wire_put_u64(writer, pattern_mix(chance + (uint64_t)i));
    sctp_wire_end(writer, chunk);
}

enum { NO, YES, SILENT };

/* The first datagram to this SCTP port that begins with a chunk of this type; its length. 0: an
 * ABORT or none. */
static size_t wait_for(int fd, uint16_t port, uint8_t type, int *result)
{
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    uint64_t until = clock_ns() + WAIT_MS * 1000000ull; /* probes of the others come all the time */
    while (clock_ns() < until && poll(&readable, 1, WAIT_MS) == 1) {
        ssize_t length = recv(fd, answer, sizeof answer, 0);
        if (length < SCTP_HEADER + 4 || sctp_wire_u16(answer + 2) != port)
            continue;
        if (answer[SCTP_HEADER] == type)
            return (size_t)length;
        if (answer[SCTP_HEADER] == SCTP_CHUNK_ABORT) {
            *result = NO;
            return 0;
        }
    }
    *result = SILENT;
    return 0;
}

static size_t make_echo(uint16_t port, uint32_t tag, const uint8_t *cookie, size_t size)
{
    struct wire_writer writer = wire_writer(packet, sizeof packet);
    sctp_wire_put_header(&writer, &(struct sctp_header){port, PORT, tag});
    sctp_wire_put_chunk(&writer, SCTP_CHUNK_COOKIE_ECHO, 0, cookie, size);
    if (greets)
        put_hello(&writer, tag);
    size_t length = (size_t)(writer.at - packet);
    sctp_wire_seal(packet, length);
    return length;
}

static int come_up(int fd, uint16_t port)
{
    int result = SILENT;
    send(fd, packet, make_init(port, port), 0);
    size_t length = wait_for(fd, port, SCTP_CHUNK_INIT_ACK, &result);
    uint32_t tag = length ? sctp_wire_u32(answer + SCTP_HEADER + 4) : 0;
    for (size_t at = SCTP_HEADER + 20; at + 4 <= length;) {
        size_t size = sctp_wire_u16(answer + at + 2);
        if (sctp_wire_u16(answer + at) == SCTP_PARAMETER_STATE_COOKIE) {
            send(fd, packet, make_echo(port, tag, answer + at + 4, size - 4), 0);
            return wait_for(fd, port, SCTP_CHUNK_COOKIE_ACK, &result) ? YES : result;
        }
        at += (size + 3) & ~(size_t)3;
    }
    return result;
}

/* One socket of each address, one SCTP port of each association. */
static void rise(uint64_t count, uint64_t rate, uint64_t sources)
{
    uint64_t started = clock_ns(), results[SILENT + 1] = {0}, longest = 0;
    int *fds = calloc(sources, sizeof *fds);
    for (uint64_t i = 0; i < sources; i++) {
        fds[i] = open_at(0x10000 + (uint32_t)i);
        if (connect(fds[i], (struct sockaddr *)&to, sizeof to))
            die("connect");
    }
    for (uint64_t i = 0; i < count; i++) {
        uint64_t begun = clock_ns();
        results[come_up(fds[i % sources], (uint16_t)(1024 + i / sources % 60000))]++;
        longest = clock_ns() - begun > longest ? clock_ns() - begun : longest;
        pace(started, i, rate);
    }
    printf("%ju up, %ju refused, %ju without an answer in %.1f s, longest %.1f ms\n",
           (uintmax_t)results[YES], (uintmax_t)results[NO], (uintmax_t)results[SILENT],
           (double)(clock_ns() - started) / 1e9, (double)longest / 1e6);
    free(fds);
}

static int usage(void)
{
    fprintf(stderr, "usage: flood --to ADDRESS --then nothing|raw|up|hello ...: see the source\n");
    return 2;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"to", 1, 0, 't'},      {"then", 1, 0, 'd'}, {"rate", 1, 0, 'r'}, {"count", 1, 0, 'c'},
        {"sources", 1, 0, 's'}, {"stay", 1, 0, 'y'}, {NULL, 0, 0, 0}};
    uint64_t rate = 0, count = 1000, sources = 1000, stay = 0;
    const char *then = "";
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == '?')
            return usage();
        if (c == 't')
            to = address_of(optarg).in;
        else if (c == 'd')
            then = optarg;
        else
            *(c == 'r'   ? &rate
              : c == 'c' ? &count
              : c == 's' ? &sources
                         : &stay) = strtoull(optarg, NULL, 0);
    }
    if (!to.sin_port || !sources)
        return usage();
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (!strcmp(then, "nothing"))
        forge(count, rate, sources);
    else if (!strcmp(then, "raw"))
        forge_raw(count, rate, sources);
    else if ((greets = !strcmp(then, "hello")) || !strcmp(then, "up"))
        rise(count, rate, sources);
    else
        return usage();
    fflush(stdout);
    usleep((useconds_t)(stay * 1000));
    return 0;
}
