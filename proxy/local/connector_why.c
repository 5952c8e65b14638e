/* Says in a code and in words why a target could not be connected. */
#include "proxy/local/connector.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static enum err code_of(int error)
{
    switch (error) {
    case ECONNREFUSED:
    case ENOENT: /* no such UNIX socket */
    case EAGAIN: /* the backlog of a UNIX socket is full */
        return ERR_CONNECT_REFUSED;
    case 0:
    case ETIMEDOUT:
        return ERR_CONNECT_TIMEOUT;
    case EACCES:
    case EPERM:
        return ERR_CONNECT_DENIED;
    case EADDRNOTAVAIL:
        return ERR_CONNECT_NO_PORT;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case ENOSPC: /* of epoll's watches */
        return ERR_NO_DESCRIPTORS;
    default:
        return ERR_CONNECT_UNREACHABLE;
    }
}

static int weight(int error)
{
    switch (error) {
    case ENETUNREACH:
    case EHOSTUNREACH:
    case EAFNOSUPPORT:
        return 0; /* a host without IPv6 says so of every such address */
    case 0:
    case ETIMEDOUT:
    case EADDRNOTAVAIL:
        return 1;
    default:
        return 2;
    }
}

static const char *words(int error)
{
    const char *text = strerrordesc_np(error);
    switch (error) {
    case 0:
    case ETIMEDOUT:
        return "no answer";
    case EADDRNOTAVAIL:
        return "Cannot assign requested address (no free local port, or no address of its family)";
    case EPERM:
        return "Operation not permitted (a packet filter of this host?)";
    case EAGAIN:
        return "its queue of connections is full";
    default:
        return text ? text : "unknown error";
    }
}

/* Appends, as far as there is room. */
__attribute__((format(printf, 3, 4))) static void add(char *why, size_t size, const char *format,
                                                      ...)
{
    va_list arguments;
    size_t used = strlen(why);
    va_start(arguments, format);
    vsnprintf(why + used, size - used, format, arguments);
    va_end(arguments);
}

/* "1.2.3.4:80, 1.2.3.5:80: Connection refused; [::1]:80: no answer" */
static void add_addresses(const struct connector *connector, char *why, size_t size)
{
    char text[ADDRESS_TEXT_MAX];
    for (int i = 0; i < connector->begun; i++) {
        const struct connector_try *try = &connector->tries[i];
        bool same = i + 1 < connector->begun && try[1].error == try->error;
        add(why, size, "%s%s", i ? "" : ": ", address_format(try->address, text));
        if (same)
            add(why, size, ", ");
        else
            add(why, size, ": %s%s", words(try->error), i + 1 < connector->begun ? "; " : "");
    }
}

/* The system refuses a path that is no socket as one that nobody listens at. */
static bool is_other_file(const struct connector_try *try)
{
    struct stat status;
    return try->address->any.sa_family == AF_UNIX &&
           stat(try->address->un.sun_path, &status) == 0 && !S_ISSOCK(status.st_mode);
}

enum err connector_why(const struct connector *connector, const struct resolver_answer *look_up,
                       char *why, size_t size)
{
    const struct connector_try *best = connector->tries;
    const struct endpoint *endpoint = connector->endpoint;
    snprintf(why, size, "%s", endpoint->text);
    if (look_up) {
        bool answered = look_up->why[0];
        add(why, size, ": %s", answered ? look_up->why : "the name servers have not answered yet");
        return answered && !look_up->temporary ? ERR_NAME_UNKNOWN : ERR_NAME_SILENT;
    }
    for (int i = 1; i < connector->begun; i++)
        if (weight(connector->tries[i].error) >= weight(best->error))
            best = &connector->tries[i];
    if (endpoint->needs_lookup)
        add_addresses(connector, why, size);
    else
        add(why, size, ": %s%s", words(best->error),
            is_other_file(best) ? " (it is no socket)" : "");
    return code_of(best->error);
}
