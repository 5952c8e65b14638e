/* The hash table that finds the association of a datagram. */
#include "transport/udp/path_table.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/number.h"

#define FIRST_BUCKETS 64

struct path_key path_key(const struct address *peer, const struct address *own, uint16_t socket,
                         uint16_t peer_port, uint16_t own_port)
{
    struct path_key key;
    memset(&key, 0, sizeof key);
    key.family = peer->any.sa_family;
    key.peer_port = peer_port;
    key.own_port = own_port;
    key.socket = socket;
    if (key.family == AF_INET) {
        memcpy(key.host, &peer->in.sin_addr, 4);
        key.udp_port = peer->in.sin_port;
    } else {
        memcpy(key.host, &peer->in6.sin6_addr, 16);
        key.udp_port = peer->in6.sin6_port;
        key.scope = peer->in6.sin6_scope_id;
    }
    if (own->length && own->any.sa_family == AF_INET)
        memcpy(key.own, &own->in.sin_addr, 4);
    else if (own->length)
        memcpy(key.own, &own->in6.sin6_addr, 16);
    return key;
}

struct path_key path_key_of_tag(uint32_t tag, uint16_t peer_port, uint16_t own_port)
{
    struct path_key key;
    memset(&key, 0, sizeof key);
    memcpy(key.host, &tag, sizeof tag);
    key.peer_port = peer_port;
    key.own_port = own_port;
    return key;
}

static size_t bucket_of(const struct path_table *table, const struct path_key *key)
{
    uint64_t words[6] = {0};
    _Static_assert(sizeof *key <= sizeof words, "a key fits the words that are hashed");
    memcpy(words, key, sizeof *key);
    uint64_t hash = table->seed;
    for (int i = 0; i < 6; i++)
        hash = number_mix(hash ^ words[i]);
    return (size_t)hash & table->mask;
}

void path_table_init(struct path_table *table)
{
    *table = (struct path_table){.mask = FIRST_BUCKETS - 1};
    table->buckets = check_alloc(FIRST_BUCKETS * sizeof *table->buckets);
    must(getrandom(&table->seed, sizeof table->seed, 0) == sizeof table->seed);
}

void path_table_fini(struct path_table *table)
{
    must(table->count == 0);
    free(table->buckets);
    table->buckets = NULL;
}

static void grow(struct path_table *table)
{
    struct path **old = table->buckets;
    size_t old_count = table->mask + 1;
    table->mask = old_count * 2 - 1;
    table->buckets = check_alloc(old_count * 2 * sizeof *table->buckets);
    for (size_t i = 0; i < old_count; i++)
        for (struct path *path = old[i], *next; path; path = next) {
            next = path->next;
            struct path **bucket = &table->buckets[bucket_of(table, &path->key)];
            path->next = *bucket;
            *bucket = path;
        }
    free(old);
}

void path_table_add(struct path_table *table, struct path *path)
{
    must(!path_table_find(table, &path->key));
    path_table_add_another(table, path);
}

void path_table_add_another(struct path_table *table, struct path *path)
{
    if (table->count > table->mask)
        grow(table);
    struct path **bucket = &table->buckets[bucket_of(table, &path->key)];
    path->next = *bucket;
    *bucket = path;
    table->count++;
}

void path_table_remove(struct path_table *table, struct path *path)
{
    struct path **link = &table->buckets[bucket_of(table, &path->key)];
    while (*link && *link != path)
        link = &(*link)->next;
    must(*link);
    *link = path->next;
    table->count--;
}

static struct path *first_of(struct path *path, const struct path_key *key)
{
    while (path && memcmp(&path->key, key, sizeof *key))
        path = path->next;
    return path;
}

struct path *path_table_find(const struct path_table *table, const struct path_key *key)
{
    return first_of(table->buckets[bucket_of(table, key)], key);
}

struct path *path_table_find_next(const struct path *path)
{
    return first_of(path->next, &path->key);
}
