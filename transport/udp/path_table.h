/* transport/udp/path_table.h: finds the association of a datagram: a hash table from the peer's UDP
 * address, our socket (and our address, where it is bound to none) and the two SCTP ports; or, for
 * peers whose address has changed, from our verification tag. The hash is seeded at random, so that
 * a peer cannot choose addresses that collide. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

/* All of it is compared, so it is always made by path_key(): no unset bytes. */
struct path_key {
    uint8_t host[16], own[16]; /* IPv4 in the first four */
    uint32_t scope;
    uint16_t family, udp_port; /* as in the address; 0: host holds a tag */
    uint16_t peer_port, own_port;
    uint16_t socket;
    uint16_t unused; /* 0 */
};

/* Embedded in what the path leads to. */
struct path {
    struct path_key key;
    struct path *next; /* private */
};

struct path_table {
    struct path **buckets;
    size_t mask, count;
    uint64_t seed;
};

/* socket: number of ours; own: our address, of length 0 when the socket decides. */
struct path_key path_key(const struct address *peer, const struct address *own, uint16_t socket,
                         uint16_t peer_port, uint16_t own_port);
struct path_key path_key_of_tag(uint32_t tag, uint16_t peer_port, uint16_t own_port);

/* Owns: caller, path_table_fini, after all paths were removed. */
void path_table_init(struct path_table *table);
void path_table_fini(struct path_table *table);

/* The key must not be there yet; path->key is set. */
void path_table_add(struct path_table *table, struct path *path);
/* One more with a key that may be there. */
void path_table_add_another(struct path_table *table, struct path *path);
void path_table_remove(struct path_table *table, struct path *path);
/* NULL if there is none. */
struct path *path_table_find(const struct path_table *table, const struct path_key *key);
/* Another one with this one's key, after path_table_find; NULL: that was the last. */
struct path *path_table_find_next(const struct path *path);
