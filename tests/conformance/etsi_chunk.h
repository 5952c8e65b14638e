/* tests/conformance/etsi_chunk.h: chunks as scripts write them, as bytes: to be sent to the engine,
 * or to be compared with what it sends. */
#pragma once

#include "tests/conformance/etsi_script.h"

/* Scripts and packets number tags and TSNs differently: a script begins its own anywhere. The
 * peer's are the script's. */
struct chunk_names {
    bool knows_tag, knows_tsn;
    uint32_t own_tag, own_tsn; /* a packet's less a script's */
    uint32_t tag;              /* in packets */
    const uint8_t *cookie;     /* of the latest INIT ACK */
    size_t cookie_length;
};

#define CHUNK_PARTS 16

/* A chunk. Bytes that are not cared for are 0. */
struct chunk_pattern {
    uint8_t bytes[2048], care[2048];
    size_t length;
    bool more; /* "...": others may follow in it */
    unsigned part_count;
    struct chunk_part { /* the fixed part, then parameters or causes */
        size_t from, length;
        bool open; /* it may be longer */
    } parts[CHUNK_PARTS];
};

/* False: that is no chunk that is known here. to_engine: with the cookie, and in the packet's
 * numbers. */
bool chunk_make(const struct script_node *node, const struct chunk_names *names, bool to_engine,
                struct chunk_pattern *pattern);

/* Compares with the chunk at bytes, of which there are so many; *length: how long it is, with its
 * padding. NULL: they agree, or what does not. */
const char *chunk_compare(const struct chunk_pattern *pattern, const uint8_t *bytes, size_t left,
                          size_t *length);

/* An INIT or INIT ACK that is expected and has come tells what its numbers are, the first time. */
void chunk_learn(const struct script_node *node, const uint8_t *bytes, size_t left,
                 struct chunk_names *names);
