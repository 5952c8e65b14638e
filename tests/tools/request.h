/* tests/tools/request.h: the protocol between load and target: a header of 32 bytes, then bytes
 * that both can compute.
 *
 * The bytes of a stream are a window on one fixed random table whose length is prime, so that
 * sending costs no copy and checking is a memcmp; the seed says where the window starts. A lost,
 * repeated, moved or foreign piece is found unless it is a multiple of the table's length. */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include "base/address.h"

#define REQUEST_SIZE   32
#define REQUEST_MAGIC  0x48575331u /* "HWS1" */
#define VERDICT_SIZE   16
#define PATTERN_PERIOD 262139 /* the largest prime below 2^18: fits a second-level cache */
#define PATTERN_CHUNK  65536  /* any window of this length is contiguous */

enum request_flags {
    REQUEST_ECHO = 1,           /* send back everything, this header included */
    REQUEST_VERDICT = 2,        /* after the last byte up and down: 16 bytes, see struct verdict */
    REQUEST_FIN = 4,            /* half-close once everything is sent */
    REQUEST_DOWN_AFTER_FIN = 8, /* send only when the client has half-closed */
    REQUEST_RESET = 16,         /* RST instead of FIN */
    REQUEST_NEVER_READ = 32,    /* leave what follows the header unread */
    REQUEST_ASK = 64,           /* answer with the verdict on the finished connection `seed` */
};

struct request {
    uint32_t magic;
    uint32_t flags;
    uint64_t seed;
    uint64_t up;   /* bytes after the header */
    uint64_t down; /* bytes to send */
};

/* The end of a connection, as the target saw it. */
enum outcome { OUTCOME_NONE, OUTCOME_GOOD, OUTCOME_BAD, OUTCOME_EARLY_FIN, OUTCOME_RESET };

struct verdict {
    uint64_t outcome;
    uint64_t bytes; /* received after the header */
};

_Static_assert(sizeof(struct request) == REQUEST_SIZE, "the header goes over the wire as it is");
_Static_assert(sizeof(struct verdict) == VERDICT_SIZE, "the verdict goes over the wire as it is");

static uint8_t pattern_table[PATTERN_PERIOD + PATTERN_CHUNK];

static inline uint64_t pattern_mix(uint64_t value)
{
    value += 0x9e3779b97f4a7c15u; /* splitmix64 */
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

static inline void pattern_init(void)
{
    for (size_t i = 0; i < sizeof pattern_table; i++)
        pattern_table[i] = (uint8_t)(pattern_mix(i % PATTERN_PERIOD) >> 24);
}

/* The bytes of the stream `seed` from `offset`: at least PATTERN_CHUNK of them. */
static inline const uint8_t *pattern_at(uint64_t seed, uint64_t offset)
{
    return pattern_table + (pattern_mix(seed) % PATTERN_PERIOD + offset) % PATTERN_PERIOD;
}

static inline bool pattern_matches(uint64_t seed, uint64_t offset, const uint8_t *data, size_t size)
{
    for (size_t piece; size; offset += piece, data += piece, size -= piece) {
        piece = size < PATTERN_CHUNK ? size : PATTERN_CHUNK;
        if (memcmp(data, pattern_at(seed, offset), piece))
            return false;
    }
    return true;
}

/* The target sends another stream than the one it receives. */
static inline uint64_t pattern_down_seed(uint64_t seed)
{
    return ~seed;
}

static inline uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

_Noreturn static inline void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(2);
}

static inline void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (!getrlimit(RLIMIT_NOFILE, &limit)) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* A numeric address or unix:PATH; exits when it is neither. */
static inline struct address address_of(const char *text)
{
    struct endpoint endpoint;
    char why[200];
    enum err result = endpoint_parse(&endpoint, text, ".", why, sizeof why);
    if (result != ERR_OK || endpoint.needs_lookup) {
        fprintf(stderr, "%s: %s\n", text, result ? why : "give a numeric address");
        exit(2);
    }
    struct address address = endpoint.address;
    endpoint_clear(&endpoint);
    return address;
}

/* Makes the next close() send RST. */
static inline void reset_on_close(int fd)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

static inline void print_listening(int fd)
{
    struct address address = {.length = sizeof address - offsetof(struct address, any)};
    if (getsockname(fd, &address.any, &address.length))
        die("getsockname");
    char text[ADDRESS_TEXT_MAX];
    const char *shown = address_format(&address, text);
    const char *colon = strrchr(shown, ':');
    if (address.any.sa_family != AF_UNIX && colon)
        printf("port %s\n", colon + 1);
    printf("listening %s\n", shown);
    fflush(stdout);
}
