/* Parses and writes addresses, and compares them. */
#include "base/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/number.h"

#define UNIX_PREFIX          "unix:"
#define UNIX_PATH_LONGEST    (sizeof((struct sockaddr_un *)0)->sun_path - 1)
#define HOST_NAME_MAX_LENGTH 253 /* RFC 1035 section 2.3.4, without the root's dot */

/* Takes the sentence about the mistake. */
struct complaint {
    char *text;
    size_t size;
};

__attribute__((format(printf, 2, 3))) static enum err refuse(struct complaint why,
                                                             const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (why.size)
        vsnprintf(why.text, why.size, format, arguments);
    va_end(arguments);
    return ERR_TRANSPORT_ADDRESS;
}

static enum err parse_unix(struct endpoint *endpoint, const char *path, const char *directory,
                           struct complaint why)
{
    if (!path[0])
        return refuse(why, "the path after \"unix:\" is empty");
    bool relative = path[0] != '/' && directory && directory[0];
    struct sockaddr_un *un = &endpoint->address.un;
    un->sun_family = AF_UNIX;
    int length = snprintf(un->sun_path, sizeof un->sun_path, "%s%s%s", relative ? directory : "",
                          relative ? "/" : "", path);
    if (length < 0 || (size_t)length > UNIX_PATH_LONGEST)
        return refuse(why, "the path is %d bytes long, a UNIX socket takes at most %zu", length,
                      UNIX_PATH_LONGEST);
    endpoint->address.length =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)length + 1);
    return ERR_OK;
}

static enum err parse_port(uint16_t *port, const char *text, struct complaint why)
{
    size_t digits = strspn(text, "0123456789");
    if (!text[0])
        return refuse(why, "the port is missing");
    if (text[digits])
        return refuse(why, "port \"%s\" is not a number", text);
    unsigned long value = strtoul(text, NULL, 10);
    if (digits > 9 || value > 65535)
        return refuse(why, "port %s is out of range 0..65535", text);
    *port = (uint16_t)value;
    return ERR_OK;
}

/* Host is what stood between the brackets: an address, perhaps with %interface. */
static enum err set_ipv6(struct address *address, const char *host, uint16_t port,
                         struct complaint why)
{
    char numeric[INET6_ADDRSTRLEN] = "";
    const char *percent = strchr(host, '%');
    size_t length = percent ? (size_t)(percent - host) : strlen(host);
    if (length < sizeof numeric)
        memcpy(numeric, host, length);
    address->in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
    address->length = sizeof address->in6;
    if (length >= sizeof numeric || inet_pton(AF_INET6, numeric, &address->in6.sin6_addr) != 1)
        return refuse(why, "\"%s\" is not an IPv6 address", host);
    if (!percent)
        return ERR_OK;
    address->in6.sin6_scope_id = if_nametoindex(percent + 1);
    if (address->in6.sin6_scope_id == 0)
        return refuse(why, "there is no network interface \"%s\"", percent + 1);
    return ERR_OK;
}

static enum err set_host_name(struct endpoint *endpoint, const char *host, struct complaint why)
{
    size_t length = strlen(host);
    if (strspn(host, "0123456789.") == length)
        return refuse(why, "\"%s\" is not an IPv4 address", host);
    if (length > HOST_NAME_MAX_LENGTH)
        return refuse(why, "a host name of %zu bytes is too long", length);
    for (const char *c = host; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("-._", *c))
            return refuse(why, "\"%s\" is neither an address nor a host name", host);
    endpoint->needs_lookup = true;
    endpoint->host = check_strdup(host);
    return ERR_OK;
}

static enum err set_host(struct endpoint *endpoint, const char *host, struct complaint why)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(endpoint->port)};
    if (!host[0])
        return refuse(why, "the host is missing; write 0.0.0.0 or [::] for every address");
    if (inet_pton(AF_INET, host, &in.sin_addr) != 1)
        return set_host_name(endpoint, host, why);
    endpoint->address.in = in;
    endpoint->address.length = sizeof in;
    return ERR_OK;
}

/* "[HOST]:PORT"; text is a copy that may be cut. */
static enum err parse_bracketed(struct endpoint *endpoint, char *text, struct complaint why)
{
    char *close = strchr(text, ']');
    if (!close)
        return refuse(why, "\"]\" is missing after the IPv6 address");
    if (!close[1])
        return refuse(why, "the port is missing");
    if (close[1] != ':')
        return refuse(why, "\":PORT\" must follow \"]\"");
    *close = '\0';
    enum err e = parse_port(&endpoint->port, close + 2, why);
    return e ? e : set_ipv6(&endpoint->address, text + 1, endpoint->port, why);
}

static enum err parse_host_port(struct endpoint *endpoint, char *text, struct complaint why)
{
    char *colon = strrchr(text, ':');
    if (!colon)
        return refuse(why, "the port is missing");
    if (strchr(text, ':') != colon)
        return refuse(why, "an IPv6 address must be in brackets: \"[::1]:80\"");
    *colon = '\0';
    enum err e = parse_port(&endpoint->port, colon + 1, why);
    return e ? e : set_host(endpoint, text, why);
}

enum err endpoint_parse(struct endpoint *endpoint, const char *text, const char *directory,
                        char *why, size_t why_size)
{
    struct complaint complaint = {.text = why, .size = why_size};
    *endpoint = (struct endpoint){.text = check_strdup(text)};
    if (strncmp(text, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0)
        return parse_unix(endpoint, text + strlen(UNIX_PREFIX), directory, complaint);
    if (!text[0])
        return refuse(complaint, "the address is empty");

    char *copy = check_strdup(text);
    enum err e = copy[0] == '[' ? parse_bracketed(endpoint, copy, complaint)
                                : parse_host_port(endpoint, copy, complaint);
    free(copy);
    return e;
}

void endpoint_clear(struct endpoint *endpoint)
{
    free(endpoint->text);
    free(endpoint->host);
    *endpoint = (struct endpoint){.text = NULL};
}

/* Bytes of the name. The kernel gives paths with and without a NUL, none for unnamed sockets, and
 * abstract names, which begin with a NUL and may hold more (unix(7)). */
static size_t name_length(const struct address *address)
{
    size_t start = offsetof(struct sockaddr_un, sun_path);
    size_t room = address->length > start ? address->length - start : 0;
    if (room > sizeof address->un.sun_path)
        room = sizeof address->un.sun_path;
    return room && address->un.sun_path[0] ? strnlen(address->un.sun_path, room) : room;
}

static void format_unix(const struct address *address, char text[static ADDRESS_TEXT_MAX])
{
    const char *name = address->un.sun_path;
    int length = (int)name_length(address);
    bool abstract = length > 0 && name[0] == '\0';
    snprintf(text, ADDRESS_TEXT_MAX, UNIX_PREFIX "%s%.*s", abstract ? "@" : "", length - abstract,
             name + abstract);
}

const char *address_format(const struct address *address, char text[static ADDRESS_TEXT_MAX])
{
    char host[INET6_ADDRSTRLEN] = "";
    switch (address->any.sa_family) {
    case AF_INET:
        inet_ntop(AF_INET, &address->in.sin_addr, host, sizeof host);
        snprintf(text, ADDRESS_TEXT_MAX, "%s:%u", host, ntohs(address->in.sin_port));
        break;
    case AF_INET6: {
        const struct sockaddr_in6 *in6 = &address->in6;
        char scope[IF_NAMESIZE + 1] = "";
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        if (in6->sin6_scope_id && if_indextoname(in6->sin6_scope_id, scope + 1))
            scope[0] = '%';
        snprintf(text, ADDRESS_TEXT_MAX, "[%s%s]:%u", host, scope, ntohs(in6->sin6_port));
        break;
    }
    case AF_UNIX:
        format_unix(address, text);
        break;
    default:
        snprintf(text, ADDRESS_TEXT_MAX, "(address family %d)", address->any.sa_family);
    }
    return text;
}

bool address_equal(const struct address *a, const struct address *b)
{
    if (a->any.sa_family != b->any.sa_family)
        return false;
    switch (a->any.sa_family) {
    case AF_INET:
        return a->in.sin_port == b->in.sin_port && a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
    case AF_INET6:
        return a->in6.sin6_port == b->in6.sin6_port &&
               a->in6.sin6_scope_id == b->in6.sin6_scope_id &&
               memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, sizeof a->in6.sin6_addr) == 0;
    case AF_UNIX:
        return name_length(a) == name_length(b) &&
               memcmp(a->un.sun_path, b->un.sun_path, name_length(a)) == 0;
    default:
        return false;
    }
}

/* The address as a number; addresses of one owner, as far as that can be seen, share it. */
static uint64_t source_of(const struct address *address)
{
    const uint8_t *bytes = address->in6.sin6_addr.s6_addr;
    uint64_t prefix = 0;
    uint32_t host;
    if (address->any.sa_family != AF_INET && address->any.sa_family != AF_INET6)
        return 0;
    if (address->any.sa_family == AF_INET6 && !IN6_IS_ADDR_V4MAPPED(&address->in6.sin6_addr)) {
        memcpy(&prefix, bytes, sizeof prefix);
        return prefix;
    }
    memcpy(&host,
           address->any.sa_family == AF_INET ? (const uint8_t *)&address->in.sin_addr : bytes + 12,
           sizeof host);
    return (uint64_t)host << 32 | 0xffff;
}

size_t address_place(const struct address *address, uint64_t seed, size_t places)
{
    return number_mix(source_of(address) ^ seed) % places;
}
