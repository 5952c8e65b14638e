/* tests/tools/deaf.c: an address that answers no connection, as a host that is down: listens with a
 * full queue, which it fills itself.
 *
 *     deaf --listen ADDRESS      prints "listening ADDRESS", waits to be ended */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/address.h"
#include "base/check.h"

/* True: the last one got no answer, and neither will others. */
static bool fill(const struct address *address)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    must(fd >= 0);
    int result = connect(fd, &address->any, address->length);
    if (result < 0 && errno == EINPROGRESS)
        result = connect(fd, &address->any, address->length);
    return result < 0 && errno == EALREADY;
}

int main(int argc, char **argv)
{
    struct endpoint endpoint;
    char why[256], text[ADDRESS_TEXT_MAX];
    int on = 1;
    if (argc != 3 || strcmp(argv[1], "--listen") ||
        endpoint_parse(&endpoint, argv[2], NULL, why, sizeof why) || endpoint.needs_lookup) {
        fprintf(stderr, "usage: deaf --listen ADDRESS\n");
        return 2;
    }
    struct address *address = &endpoint.address;
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, &address->any, address->length) < 0 || listen(fd, 0) < 0 ||
        getsockname(fd, &address->any, &address->length) < 0) {
        perror("deaf");
        return 1;
    }
    while (!fill(address))
        ;
    printf("listening %s\n", address_format(address, text));
    fflush(stdout);
    pause();
    return 0;
}
