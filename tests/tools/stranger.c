/* tests/tools/stranger.c: somebody without credentials makes SCTP associations with an endpoint of
 * the udp transport: INIT, COOKIE ECHO, and then what --then says.
 *
 *     stranger --to ADDRESS [--count N] [--from N] [--each N] --then abort|data|tiny
 *         [--text TEXT] [--size N] [--stay MS] [--say]
 *
 *   abort   an ABORT with TEXT as the reason, as soon as it is up
 *   data    N bytes of DATA (1 KB each) of which the first is missing; it stays up for --stay ms
 *   tiny    the same in DATA of 4 bytes
 *
 * --say: before that one message, half a ClientHello: without it a server does not look at them.
 * --count associations (1), one after the other, from 127.0.0.FROM on (2), --each (30) of each
 * address.
 * --init N sends one INIT with N unknown parameters instead. Prints how many came up, and for how
 * many bytes of questions how many bytes came back before an address was verified. */
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

#include "base/wire.h"
#include "tests/tools/request.h"

#define HEADER    12
#define PORT      9899
#define WAIT_MS   1000
#define DATA_SIZE 1024

static struct sockaddr_in to = {.sin_family = AF_INET};
static uint8_t packet[65536], answer[65536];
static uint64_t asked, answered;

static uint32_t crc32c(const uint8_t *data, size_t size)
{
    uint32_t sum = ~0u;
    for (size_t i = 0; i < size; i++) {
        sum ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            sum = sum >> 1 ^ (sum & 1 ? 0x82f63b78u : 0);
    }
    return ~sum;
}

static struct wire_writer begin(uint32_t tag, uint8_t type, uint8_t flags)
{
    struct wire_writer writer = wire_writer(packet, sizeof packet);
    wire_put_u16(&writer, 51000);
    wire_put_u16(&writer, PORT);
    wire_put_u32(&writer, tag);
    wire_put_u32(&writer, 0);
    wire_put_u8(&writer, type);
    wire_put_u8(&writer, flags);
    wire_put_u16(&writer, 0);
    return writer;
}

static size_t finish(struct wire_writer *writer)
{
    size_t length = (size_t)(writer->at - packet);
    packet[HEADER + 2] = (uint8_t)((length - HEADER) >> 8);
    packet[HEADER + 3] = (uint8_t)(length - HEADER);
    while (length % 4)
        packet[length++] = 0;
    uint32_t sum = crc32c(packet, length);
    for (int i = 0; i < 4; i++)
        packet[8 + i] = (uint8_t)(sum >> 8 * i);
    return length;
}

static void send_packet(int fd, size_t length)
{
    if (send(fd, packet, length, 0) < 0)
        perror("send");
}

/* The first datagram that begins with a chunk of this type; its length, 0: none came. */
static size_t wait_for(int fd, uint8_t type)
{
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    while (poll(&readable, 1, WAIT_MS) == 1) {
        ssize_t length = recv(fd, answer, sizeof answer, 0);
        if (length > HEADER && answer[HEADER] == type)
            return (size_t)length;
    }
    return 0;
}

static size_t make_init(unsigned parameters)
{
    struct wire_writer writer = begin(0, 1, 0);
    wire_put_u32(&writer, 0x2234567);
    wire_put_u32(&writer, 1 << 20);
    wire_put_u16(&writer, 16);
    wire_put_u16(&writer, 16);
    wire_put_u32(&writer, 1);
    for (unsigned i = 0; i < parameters; i++)
        wire_put_u32(&writer, 0xc0fe0004);
    return finish(&writer);
}

static uint32_t get32(const uint8_t *at)
{
    struct wire_reader reader = wire_reader(at, 4);
    return wire_get_u32(&reader);
}

/* The server's tag, 0: there is no association. */
static uint32_t come_up(int fd)
{
    size_t length = make_init(0);
    asked += length;
    send_packet(fd, length);
    length = wait_for(fd, 2);
    answered += length;
    uint32_t tag = length ? get32(answer + HEADER + 4) : 0;
    for (size_t at = HEADER + 20; tag && at + 4 <= length;) {
        size_t size = (size_t)answer[at + 2] << 8 | answer[at + 3];
        if (answer[at] == 0 && answer[at + 1] == 7) {
            struct wire_writer writer = begin(tag, 10, 0);
            wire_put_bytes(&writer, answer + at + 4, size - 4);
            send_packet(fd, finish(&writer));
            return wait_for(fd, 11) ? tag : 0;
        }
        at += (size + 3) & ~(size_t)3;
    }
    return 0;
}

static void send_abort(int fd, uint32_t tag, const char *text)
{
    struct wire_writer writer = begin(tag, 6, 0);
    wire_put_u16(&writer, 12);
    wire_put_u16(&writer, (uint16_t)(4 + strlen(text)));
    wire_put_bytes(&writer, text, strlen(text));
    send_packet(fd, finish(&writer));
}

static void send_chunk(int fd, uint32_t tag, uint32_t tsn, const void *bytes, size_t size)
{
    struct wire_writer writer = begin(tag, 0, 3);
    wire_put_u32(&writer, tsn);
    wire_put_u16(&writer, 0);
    wire_put_u16(&writer, (uint16_t)(tsn - 1));
    wire_put_u32(&writer, 0x48575300);
    wire_put_bytes(&writer, bytes, size);
    send_packet(fd, finish(&writer));
}

/* A whole record with the head of a ClientHello of 256 bytes. */
static void say(int fd, uint32_t tag)
{
    static const uint8_t half[] = {22, 3, 1, 0, 4, 1, 0, 1, 0};
    send_chunk(fd, tag, 1, half, sizeof half);
}

/* From the second TSN on, so that none is delivered. */
static void send_data(int fd, uint32_t tag, size_t bytes, size_t each)
{
    static const uint8_t nothing[DATA_SIZE];
    for (uint32_t tsn = 2; (tsn - 1) * each <= bytes; tsn++) {
        send_chunk(fd, tag, tsn, nothing, each);
        if (tsn % 64 == 0)
            usleep(1000); /* so that a socket buffer takes it */
    }
}

static int open_at(unsigned host)
{
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000000 + host)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof from) ||
        connect(fd, (struct sockaddr *)&to, sizeof to)) {
        perror("socket");
        exit(1);
    }
    return fd;
}

static int usage(void)
{
    fprintf(stderr, "usage: stranger --to ADDRESS --then abort|data|tiny ...: see the source\n");
    return 2;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"to", 1, 0, 't'},   {"count", 1, 0, 'c'}, {"from", 1, 0, 'f'}, {"then", 1, 0, 'd'},
        {"text", 1, 0, 'x'}, {"size", 1, 0, 's'},  {"stay", 1, 0, 'y'}, {"init", 1, 0, 'i'},
        {"each", 1, 0, 'e'}, {"say", 0, 0, 'w'},   {NULL, 0, 0, 0}};
    bool says = false;
    unsigned count = 1, from = 2, up = 0, parameters = 0, stay = 0, each = 30;
    size_t size = 0;
    const char *then = "", *text = "";
    struct endpoint endpoint = {0};
    char why[128];
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (c) {
        case 't':
            if (endpoint_parse(&endpoint, optarg, ".", why, sizeof why) != ERR_OK)
                return usage();
            to = endpoint.address.in;
            break;
        case 'c':
            count = (unsigned)atoi(optarg);
            break;
        case 'f':
            from = (unsigned)atoi(optarg);
            break;
        case 'd':
            then = optarg;
            break;
        case 'x':
            text = optarg;
            break;
        case 's':
            size = (size_t)atol(optarg);
            break;
        case 'y':
            stay = (unsigned)atoi(optarg);
            break;
        case 'e':
            each = (unsigned)atoi(optarg);
            break;
        case 'w':
            says = true;
            break;
        case 'i':
            parameters = (unsigned)atoi(optarg);
            break;
        default:
            return usage();
        }
    if (!to.sin_port)
        return usage();
    if (parameters) {
        int fd = open_at(from);
        asked = make_init(parameters);
        send_packet(fd, (size_t)asked);
        answered = wait_for(fd, 2);
        close(fd);
        count = 0;
    }
    for (unsigned i = 0; i < count; i++) {
        int fd = open_at(from + i / each); /* stays open: the port is the association's */
        uint32_t tag = come_up(fd);
        up += tag != 0;
        if (tag && says)
            say(fd, tag);
        if (tag && !strcmp(then, "abort"))
            send_abort(fd, tag, text);
        else if (tag)
            send_data(fd, tag, size, strcmp(then, "tiny") ? DATA_SIZE : 4);
    }
    printf("%u up, %llu bytes for %llu\n", up, (unsigned long long)answered,
           (unsigned long long)asked);
    fflush(stdout);
    usleep(stay * 1000);
    endpoint_clear(&endpoint);
    return 0;
}
