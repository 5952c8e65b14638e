/* sctp/tsn_map.h: the TSNs that have arrived (RFC 9260 section 6.2), and their part of a SACK
 * (section 3.3.4). A ring of bits, one for each TSN beyond the cumulative one; it starts at 64
 * bits, doubles when a TSN is further ahead, and is given back when no gap is left. Pure; the
 * thread that owns the association. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The wire's own limit: a Gap Ack Block counts 16 bits from the cumulative TSN. */
#define SCTP_TSN_MAP_MAX 65535u

/* Duplicates that are remembered until a SACK reports them, which clears duplicate_count. */
#define SCTP_TSN_DUPLICATES 16

struct sctp_tsn_map {
    uint32_t cumulative; /* it, and all before it, have arrived */
    uint32_t ahead;      /* the highest that has arrived is cumulative + ahead */
    uint32_t size;       /* bits: a power of two; 0: none */
    uint64_t *bits;      /* of TSN t at place t % size */
    uint32_t duplicate_count;
    uint32_t duplicates[SCTP_TSN_DUPLICATES];
};

/* TSNs from cumulative + start to cumulative + end, both of them included. */
struct sctp_gap {
    uint16_t start, end;
};

enum sctp_tsn {
    SCTP_TSN_NEW,
    SCTP_TSN_DUPLICATE, /* it is there already, and was remembered for the next SACK */
    SCTP_TSN_BEYOND,    /* more than SCTP_TSN_MAP_MAX ahead: it must be dropped (section 6.2) */
};

/* first: the peer's initial TSN. Owns: caller, sctp_tsn_map_fini. */
void sctp_tsn_map_init(struct sctp_tsn_map *map, uint32_t first);
void sctp_tsn_map_fini(struct sctp_tsn_map *map);

/* The same without a change: what sctp_tsn_map_add would return. */
enum sctp_tsn sctp_tsn_map_check(const struct sctp_tsn_map *map, uint32_t tsn);

/* It has arrived. Moves the cumulative TSN over all that now follow each other. */
enum sctp_tsn sctp_tsn_map_add(struct sctp_tsn_map *map, uint32_t tsn);

static inline bool sctp_tsn_map_has_gaps(const struct sctp_tsn_map *map)
{
    return map->ahead != 0;
}

/* The blocks from TSN cumulative + from on (from: 1 or more), in order, at most `most`. Returns
 * their number; 0: there are no more. */
size_t sctp_tsn_map_gaps(const struct sctp_tsn_map *map, uint32_t from, struct sctp_gap *gaps,
                         size_t most);

/* The beginning of the last `count` blocks: gaps() from there on gives exactly those, or all, if
 * there are no more. */
uint32_t sctp_tsn_map_newest(const struct sctp_tsn_map *map, size_t count);
