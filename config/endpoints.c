/* Addresses of the configuration, for their use. */
#include "config/endpoints.h"

#include <stdio.h>
#include <string.h>

/* Adds "; what was meant" to an error of endpoint_parse, where it can be guessed. */
static void add_hint(const char *text, enum endpoints_use use, char *why, size_t size)
{
    bool binds = use == ENDPOINTS_LOCAL || use == ENDPOINTS_LISTEN;
    size_t used = strlen(why), digits = strspn(text, "0123456789");
    if (used >= size)
        return;
    if (digits && !text[digits] && digits <= 5)
        snprintf(why + used, size - used, "; write \"%s:%s\"", binds ? "0.0.0.0" : "HOST", text);
    else if (text[0] == '/' || text[0] == '.')
        snprintf(why + used, size - used, "; a UNIX socket is written \"unix:%s\"", text);
    else if (strncmp(text, "*:", 2) == 0)
        snprintf(why + used, size - used,
                 "; every address is written \"0.0.0.0:%s\" or \"[::]:%s\"", text + 2, text + 2);
    else if (strstr(text, "://"))
        snprintf(why + used, size - used, "; write host:port, without the scheme before \"://\"");
    else if (text[0] && !strchr(text, ':'))
        snprintf(why + used, size - used, "; write \"%s:PORT\"", text);
}

bool endpoints_is_any(const struct address *address)
{
    return address->any.sa_family == AF_INET    ? address->in.sin_addr.s_addr == INADDR_ANY
           : address->any.sa_family == AF_INET6 ? IN6_IS_ADDR_UNSPECIFIED(&address->in6.sin6_addr)
                                                : false;
}

/* NULL: the endpoint fits the use; else why not. */
static const char *misfit(const struct endpoint *endpoint, enum endpoints_use use, char *text,
                          size_t size)
{
    bool binds = use == ENDPOINTS_LOCAL || use == ENDPOINTS_LISTEN;
    bool is_unix = !endpoint->needs_lookup && endpoint->address.any.sa_family == AF_UNIX;
    if (is_unix)
        return use == ENDPOINTS_LOCAL || use == ENDPOINTS_REMOTE
                   ? "a tunnel needs an IP address and a port, not a UNIX socket"
                   : NULL;
    if (binds && endpoint->needs_lookup) {
        bool is_localhost = strcmp(endpoint->host, "localhost") == 0;
        snprintf(text, size,
                 "a host name cannot be bound; write an address of this host, %s\"%s:%u\"",
                 is_localhost ? "" : "for example ", is_localhost ? "127.0.0.1" : "0.0.0.0",
                 endpoint->port);
        return text;
    }
    if (!binds && endpoint->port == 0)
        return "port 0 cannot be connected to; write the port of the far end";
    if (!binds && !endpoint->needs_lookup && endpoints_is_any(&endpoint->address))
        return "it stands for every address of this host and cannot be connected to; write one "
               "address";
    return NULL;
}

enum err endpoints_parse(struct endpoint *endpoint, const char *text, enum endpoints_use use,
                         const char *directory, char *why, size_t why_size)
{
    char sentence[160];
    enum err e = endpoint_parse(endpoint, text, directory, why, why_size);
    if (e) {
        add_hint(text, use, why, why_size);
    } else {
        const char *problem = misfit(endpoint, use, sentence, sizeof sentence);
        if (problem) {
            snprintf(why, why_size, "%s", problem);
            e = ERR_TRANSPORT_ADDRESS;
        }
    }
    if (e) {
        endpoint_clear(endpoint);
        memset(endpoint, 0, sizeof *endpoint);
    }
    return e;
}

bool endpoints_collide(const struct address *a, const struct address *b)
{
    if (a->any.sa_family != b->any.sa_family)
        return false;
    if (a->any.sa_family == AF_UNIX)
        return strcmp(a->un.sun_path, b->un.sun_path) == 0;
    if (address_port(a) != address_port(b) || address_port(a) == 0)
        return false;
    return endpoints_is_any(a) || endpoints_is_any(b) || address_equal(a, b);
}
