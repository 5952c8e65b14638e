/* tests/tools/garbage.c: datagrams that no honest peer sends, thrown at a UDP port.
 *
 *     garbage --to ADDRESS [--count N] [--rate N] [--seed N] [--replay FILE] [--port N]
 *
 * --count datagrams (1000), --rate a second (5000), of all kinds in turn (each prints its number):
 *   noise       random bytes, of random length from 0 up
 *   wrong-sum   an SCTP header with a wrong checksum, random chunks
 *   right-sum   an SCTP header with the right checksum, random chunks
 *   bad-length  the right checksum, chunks whose lengths point outside
 *   init        INIT as an honest client would send it, each with another tag: a flood
 *   cookie      COOKIE ECHO with a cookie that nobody made
 *   replayed    a captured datagram as it was (relay --dump FILE)
 *   truncated   a captured datagram, cut
 *   mutated     a captured datagram with changed bytes, checksum wrong or made right again
 * Without --replay the last three are left out. --port: SCTP ports in the headers made here,
 * by default those of the captured datagrams, else 5000. */
#include <getopt.h>
#include <unistd.h>

#include "tests/tools/request.h"

#define DATAGRAM_MAX 1500
#define CAPTURED_MAX 10000
#define HEADER       12

struct datagram {
    uint32_t size;
    uint8_t data[DATAGRAM_MAX];
};

static uint64_t seed = 1;
static uint16_t ports[2] = {5000, 5000}; /* source, destination */
static struct datagram *captured;
static size_t captured_count;

static uint64_t random_below(uint64_t bound)
{
    return pattern_mix(seed++) % bound;
}

static void random_bytes(uint8_t *at, size_t size)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)random_below(256);
}

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

static void put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* RFC 9260 appendix A: the sum is computed with the field zero and stored lowest byte first. */
static void make_sum_right(struct datagram *d)
{
    if (d->size < HEADER)
        return;
    memset(d->data + 8, 0, 4);
    uint32_t sum = crc32c(d->data, d->size);
    for (int i = 0; i < 4; i++)
        d->data[8 + i] = (uint8_t)(sum >> 8 * i);
}

static void put_header(struct datagram *d, bool with_tag)
{
    put16(d->data, ports[0]);
    put16(d->data + 2, ports[1]);
    memset(d->data + 4, 0, 8);
    if (with_tag)
        random_bytes(d->data + 4, 4);
    d->size = HEADER;
}

static uint8_t *put_chunk(struct datagram *d, unsigned type, unsigned flags, unsigned length)
{
    uint8_t *chunk = d->data + d->size;
    unsigned padded = (length + 3) & ~3u;
    memset(chunk, 0, padded);
    chunk[0] = (uint8_t)type;
    chunk[1] = (uint8_t)flags;
    put16(chunk + 2, length);
    d->size += padded;
    return chunk + 4;
}

static void make_noise(struct datagram *d)
{
    d->size = (uint32_t)random_below(DATAGRAM_MAX);
    random_bytes(d->data, d->size);
}

static void make_chunks(struct datagram *d)
{
    put_header(d, random_below(4) > 0);
    for (uint64_t left = 1 + random_below(6); left; left--) {
        unsigned length = 4 + (unsigned)random_below(180);
        unsigned type = random_below(8) ? (unsigned)random_below(16) : (unsigned)random_below(256);
        random_bytes(put_chunk(d, type, (unsigned)random_below(256), length), length - 4);
    }
}

static void make_right_sum(struct datagram *d)
{
    make_chunks(d);
    make_sum_right(d);
}

static void make_bad_length(struct datagram *d)
{
    make_chunks(d);
    static const unsigned lengths[] = {0, 1, 3, 5, 0xffff, 0x7fff, 1400};
    put16(d->data + HEADER + 2, lengths[random_below(sizeof lengths / sizeof *lengths)]);
    d->size = HEADER + 4 + (uint32_t)random_below(d->size - HEADER - 3);
    make_sum_right(d);
}

/* RFC 9260 section 3.3.2: tag, window, streams out and in, first TSN; verification tag 0. */
static void make_init(struct datagram *d)
{
    put_header(d, false);
    uint8_t *body = put_chunk(d, 1, 0, 20);
    random_bytes(body, 4);
    put16(body + 4, 0x10);
    put16(body + 8, 2048);
    put16(body + 10, 2048);
    random_bytes(body + 12, 4);
    make_sum_right(d);
}

static void make_cookie(struct datagram *d)
{
    put_header(d, true);
    unsigned length = 4 + (unsigned)random_below(400);
    random_bytes(put_chunk(d, 10, 0, length), length - 4);
    make_sum_right(d);
}

static void make_replayed(struct datagram *d)
{
    *d = captured[random_below(captured_count)];
}

static void make_truncated(struct datagram *d)
{
    make_replayed(d);
    if (d->size)
        d->size = (uint32_t)random_below(d->size);
    if (random_below(2))
        make_sum_right(d);
}

static void make_mutated(struct datagram *d)
{
    make_replayed(d);
    for (uint64_t left = 1 + random_below(8); left && d->size; left--)
        random_bytes(d->data + random_below(d->size), 1);
    if (random_below(4))
        make_sum_right(d);
}

static struct {
    const char *name;
    void (*make)(struct datagram *d);
    bool needs_capture;
    uint64_t sent;
} kinds[] = {
    {"noise", make_noise, false, 0},         {"wrong-sum", make_chunks, false, 0},
    {"right-sum", make_right_sum, false, 0}, {"bad-length", make_bad_length, false, 0},
    {"init", make_init, false, 0},           {"cookie", make_cookie, false, 0},
    {"replayed", make_replayed, true, 0},    {"truncated", make_truncated, true, 0},
    {"mutated", make_mutated, true, 0},
};
#define KINDS (sizeof kinds / sizeof *kinds)

/* Packets above DATAGRAM_MAX (there are none on a path of MTU 1500) are cut. */
static void load_captured(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        die(path);
    captured = calloc(CAPTURED_MAX, sizeof *captured);
    uint32_t size;
    while (captured_count < CAPTURED_MAX && fread(&size, sizeof size, 1, file) == 1) {
        struct datagram *d = &captured[captured_count];
        d->size = size < DATAGRAM_MAX ? size : DATAGRAM_MAX;
        if (fread(d->data, 1, d->size, file) != d->size ||
            fseek(file, (long)(size - d->size), SEEK_CUR))
            break;
        captured_count++;
    }
    fclose(file);
    if (captured_count && captured[0].size >= HEADER)
        for (int i = 0; i < 2; i++)
            ports[i] = (uint16_t)(captured[0].data[2 * i] << 8 | captured[0].data[2 * i + 1]);
}

static void throw_all(const struct address *to, uint64_t count, uint64_t rate)
{
    int fd = socket(to->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("socket");
    uint64_t started = clock_ns();
    struct datagram d;
    for (uint64_t i = 0, thrown = 0; thrown < count; i++) {
        size_t kind = i % KINDS;
        if (kinds[kind].needs_capture && !captured_count)
            continue;
        kinds[kind].make(&d);
        /* An error here is the echo of an earlier one (no such port): the next may pass. */
        if (sendto(fd, d.data, d.size, 0, &to->any, to->length) == (ssize_t)d.size)
            kinds[kind].sent++;
        thrown++;
        uint64_t due = started + thrown * 1000000000u / rate, now = clock_ns();
        if (due > now + 1000000)
            nanosleep(&(struct timespec){.tv_nsec = (long)((due - now) % 1000000000u)}, NULL);
    }
    close(fd);
}

int main(int argument_count, char **arguments)
{
    static const struct option options[] = {
        {"to", required_argument, NULL, 't'},
        {"count", required_argument, NULL, 'c'},
        {"rate", required_argument, NULL, 'r'},
        {"seed", required_argument, NULL, 's'},
        {"port", required_argument, NULL, 'p'},
        {"replay", required_argument, NULL, 'f'},
        {0},
    };
    struct address to = {0};
    uint64_t count = 1000, rate = 5000, port = 0;
    for (int option; (option = getopt_long(argument_count, arguments, "", options, NULL)) != -1;) {
        if (option == '?')
            return 2;
        else if (option == 't')
            to = address_of(optarg);
        else if (option == 'f')
            load_captured(optarg);
        else
            *(option == 'c'   ? &count
              : option == 'r' ? &rate
              : option == 's' ? &seed
                              : &port) = strtoull(optarg, NULL, 0);
    }
    if (!to.length || !rate) {
        fprintf(stderr, "usage: garbage --to ADDRESS [--count N] [--rate N] [--replay FILE]\n");
        return 2;
    }
    if (port)
        ports[0] = ports[1] = (uint16_t)port;
    throw_all(&to, count, rate);
    for (size_t i = 0; i < KINDS; i++)
        printf("%s %ju\n", kinds[i].name, (uintmax_t)kinds[i].sent);
    free(captured);
    return 0;
}
