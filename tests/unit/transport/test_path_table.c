/* The table that finds an association by addresses or by its tag. */
#include "transport/udp/path_table.h"

#include <arpa/inet.h>
#include <string.h>

#include "tests/lib/tap.h"

static struct address ipv4(uint32_t host, uint16_t port)
{
    struct address address;
    memset(&address, 0xee, sizeof address); /* unset bytes must not matter */
    address.length = sizeof address.in;
    address.in = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(host)};
    return address;
}

static struct address ipv6(uint8_t last, uint16_t port, uint32_t scope)
{
    struct address address = {.length = sizeof address.in6};
    address.in6 = (struct sockaddr_in6){
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_scope_id = scope};
    address.in6.sin6_addr.s6_addr[15] = last;
    return address;
}

static const struct address none;

static void keys(void)
{
    struct address a = ipv4(1, 10), b = ipv4(1, 10), c = ipv4(2, 10), d = ipv4(1, 11);
    struct path_key key = path_key(&a, &none, 0, 7, 8), other = path_key(&b, &none, 0, 7, 8);
    ok(!memcmp(&key, &other, sizeof key), "equal addresses give equal keys");
    other = path_key(&c, &none, 0, 7, 8);
    ok(memcmp(&key, &other, sizeof key), "another host does not");
    other = path_key(&d, &none, 0, 7, 8);
    ok(memcmp(&key, &other, sizeof key), "nor another UDP port");
    other = path_key(&a, &none, 0, 9, 8);
    ok(memcmp(&key, &other, sizeof key), "nor another SCTP port");
    other = path_key(&a, &none, 1, 7, 8);
    ok(memcmp(&key, &other, sizeof key), "nor another socket of ours");
    other = path_key(&a, &c, 0, 7, 8);
    ok(memcmp(&key, &other, sizeof key), "nor another own address");
    struct path_key tag = path_key_of_tag(1, 7, 8), tag2 = path_key_of_tag(2, 7, 8);
    ok(memcmp(&tag, &tag2, sizeof tag), "tags differ, too");
    struct address e = ipv6(1, 10, 1), f = ipv6(1, 10, 2);
    key = path_key(&e, &none, 0, 7, 8);
    other = path_key(&f, &none, 0, 7, 8);
    ok(memcmp(&key, &other, sizeof key), "nor another scope of IPv6");
}

static void table_grows(void)
{
    static struct path paths[5000];
    struct path_table table;
    path_table_init(&table);
    for (unsigned i = 0; i < 5000; i++) {
        struct address address = ipv4(i / 10, (uint16_t)(i % 10 + 1));
        paths[i].key = path_key(&address, &none, 0, 1, 2);
        path_table_add(&table, &paths[i]);
    }
    unsigned found = 0, wrong = 0;
    for (unsigned i = 0; i < 5000; i++)
        found += path_table_find(&table, &paths[i].key) == &paths[i];
    ok(found == 5000, "5000 paths are found");
    for (unsigned i = 0; i < 5000; i += 2)
        path_table_remove(&table, &paths[i]);
    for (unsigned i = 0; i < 5000; i++)
        wrong += path_table_find(&table, &paths[i].key) != (i % 2 ? &paths[i] : NULL);
    ok(!wrong, "those removed are not, the others are");
    for (unsigned i = 1; i < 5000; i += 2)
        path_table_remove(&table, &paths[i]);
    path_table_fini(&table);
    ok(table.count == 0, "an empty table ends");
}

/* An ICMP message names an address, and no ports of SCTP. */
static void several_of_one_key(void)
{
    struct path_table table;
    struct path paths[300];
    unsigned seen = 0;
    path_table_init(&table);
    memset(paths, 0, sizeof paths);
    for (unsigned i = 0; i < 300; i++) {
        paths[i].key = path_key_of_tag(i % 100, 1, 2);
        path_table_add_another(&table, &paths[i]);
    }
    struct path_key key = path_key_of_tag(7, 1, 2);
    for (struct path *path = path_table_find(&table, &key); path; path = path_table_find_next(path))
        seen += path == &paths[7] || path == &paths[107] || path == &paths[207];
    ok(seen == 3, "all of one key are found, and no other (%u)", seen);
    path_table_remove(&table, &paths[107]);
    seen = 0;
    for (struct path *path = path_table_find(&table, &key); path; path = path_table_find_next(path))
        seen += path == &paths[7] || path == &paths[207];
    ok(seen == 2, "one of them can go");
    for (unsigned i = 0; i < 300; i++)
        if (i != 107)
            path_table_remove(&table, &paths[i]);
    ok(!table.count, "and all");
    path_table_fini(&table);
}

int main(void)
{
    several_of_one_key();
    keys();
    table_grows();
    return tap_done();
}
