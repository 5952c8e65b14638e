/* base/address.h: socket addresses (IPv4, IPv6, UNIX) and their text. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/error.h"

struct address {
    socklen_t length;
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    };
};

/* Longest text of address_format, with its NUL. */
#define ADDRESS_TEXT_MAX 128

/* The address of a listener or a target, as configured: a numeric address, "unix:PATH", or a host
 * name that must be looked up each time (base/resolver.h). */
struct endpoint {
    char *text;             /* as written */
    bool needs_lookup;      /* host and port are set, address is not */
    struct address address; /* when !needs_lookup */
    char *host;             /* NULL unless needs_lookup */
    uint16_t port;
};

/* Parses "1.2.3.4:80", "[::1]:80", "unix:/path" (relative paths are taken from directory) or
 * "host:80". Returns ERR_OK, or ERR_TRANSPORT_ADDRESS with a sentence in why ("port 70000 is out of
 * range 0..65535"). Owns: caller calls endpoint_clear, also after an error. Thread: any. */
enum err endpoint_parse(struct endpoint *endpoint, const char *text, const char *directory,
                        char *why, size_t why_size);
void endpoint_clear(struct endpoint *endpoint);

/* Text of an address: "1.2.3.4:80", "[::1]:80", "unix:/path"; an unnamed UNIX socket is "unix:".
 * Returns text. Thread: any. */
const char *address_format(const struct address *address, char text[static ADDRESS_TEXT_MAX]);

/* Of an IP address, in the order of the network. */
static inline in_port_t address_port(const struct address *address)
{
    return address->any.sa_family == AF_INET6 ? address->in6.sin6_port : address->in.sin_port;
}

/* Same family, host and port (and scope of IPv6). */
bool address_equal(const struct address *a, const struct address *b);

/* A number below places for the owner of an address, as far as that can be seen: the same for one
 * IPv4 address (mapped or not), for one /64 of IPv6 (a site has one to itself), for all others.
 * Nobody without the seed can tell which addresses share one. */
size_t address_place(const struct address *address, uint64_t seed, size_t places);
