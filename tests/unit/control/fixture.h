/* tests/unit/control/fixture.h: a folder for sockets. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/check.h"

struct fixture {
    char directory[64];
    char path[80]; /* of a socket */
};

static inline void fixture_init(struct fixture *fixture)
{
    strcpy(fixture->directory, "/tmp/hawser-control-XXXXXX");
    must(mkdtemp(fixture->directory));
    snprintf(fixture->path, sizeof fixture->path, "%s/a.sock", fixture->directory);
}

/* Fails if anything is left. */
static inline bool fixture_fini(const struct fixture *fixture)
{
    return rmdir(fixture->directory) == 0;
}

static inline struct sockaddr_un fixture_address(const struct fixture *fixture)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, fixture->path);
    return address;
}

static inline int fixture_connect(const struct fixture *fixture)
{
    struct sockaddr_un address = fixture_address(fixture);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    must(fd >= 0);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

/* A listening socket, or a stale file if it is closed. */
static inline int fixture_listen(const struct fixture *fixture)
{
    struct sockaddr_un address = fixture_address(fixture);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(fd >= 0);
    must(bind(fd, (const struct sockaddr *)&address, sizeof address) == 0);
    must(listen(fd, 8) == 0);
    return fd;
}
