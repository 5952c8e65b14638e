/* bench/resume/memory.h: handshakes of both ends in memory, by many threads through many
 * masters at once: what remains when everything but TLS is taken away. */
#pragma once

#include <stddef.h>

#include "tls/credentials.h"

struct bench_memory {
    struct tls_credentials *client, *server;
    unsigned threads, masters;
    unsigned children, full; /* handshakes of each kind; no children: 0 in the result */
};

struct bench_memory_result {
    double children_per_s, full_per_s;
    double child_us;  /* processor time of both ends together */
    unsigned resumed; /* of the children, at both ends */
};

/* ERR_OK, or why a master's handshake failed, with words in why. */
enum err bench_resume_memory(const struct bench_memory *bench, struct bench_memory_result *result,
                             char *why, size_t why_size);
