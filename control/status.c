/* The client of the admin socket. */
#include "control/status.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"

#define ANSWER_US  5000000
#define ANSWER_MAX (64u << 20) /* 65535 peers fit; whoever sends more is no hawser */

/* Waits until fd is ready for events; false when the deadline has passed. */
static bool wait_ready(int fd, short events, uint64_t deadline)
{
    struct pollfd one = {.fd = fd, .events = events};
    for (;;) {
        uint64_t now = clock_us();
        if (now >= deadline)
            return false;
        int rc = poll(&one, 1, (int)((deadline - now) / 1000 + 1));
        if (rc > 0)
            return true;
        if (rc < 0 && errno != EINTR)
            return false;
    }
}

static int connect_to(const char *path, uint64_t deadline, FILE *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        fprintf(err, "hawser status: the path %s is longer than %zu bytes\n", path,
                sizeof address.sun_path - 1);
        return -1;
    }
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int rc = fd < 0 ? -1 : connect(fd, (const struct sockaddr *)&address, sizeof address);
    /* A full backlog gives EAGAIN, and poll says nothing about it. */
    while (fd >= 0 && rc && errno == EAGAIN && clock_us() < deadline) {
        poll(NULL, 0, 20);
        rc = connect(fd, (const struct sockaddr *)&address, sizeof address);
    }
    if (!rc)
        return fd;
    fprintf(err, "hawser status: cannot reach %s: %s%s\n", path, strerror(errno),
            errno == ENOENT || errno == ECONNREFUSED
                ? "; is hawser running there, and is this its admin.socket?"
                : "");
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Reads until the far end closes. NULL with a reason. Owns: caller frees. */
static char *read_answer(int fd, uint64_t deadline, const char **why)
{
    size_t used = 0, room = 65536;
    char *text = check_alloc(room);
    for (;;) {
        *why = "no answer within 5 seconds";
        if (!wait_ready(fd, POLLIN, deadline))
            break;
        ssize_t count = recv(fd, text + used, room - used - 1, 0);
        if (count < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        *why = strerror(errno);
        if (count < 0)
            break;
        used += (size_t)count;
        text[used] = '\0';
        if (count == 0)
            return text;
        *why = "the answer is too long";
        if (room - used > 1)
            continue;
        if (room >= ANSWER_MAX)
            break;
        char *larger = realloc(text, room *= 2);
        check_made(larger);
        text = larger;
    }
    free(text);
    return NULL;
}

/* Asks; NULL after a line on err. Owns: caller frees. */
static char *ask(const char *path, FILE *err)
{
    static const char request[] = "status\n";
    uint64_t deadline = clock_us() + ANSWER_US;
    int fd = connect_to(path, deadline, err);
    if (fd < 0)
        return NULL;
    const char *why = strerror(EIO);
    char *answer = NULL;
    if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) == (ssize_t)sizeof request - 1)
        answer = read_answer(fd, deadline, &why);
    if (!answer)
        fprintf(err, "hawser status: %s: %s\n", path, why);
    close(fd);
    return answer;
}

json_t *status_ask(const char *socket_path, FILE *err)
{
    char *answer = ask(socket_path, err);
    if (!answer)
        return NULL;
    json_t *report = json_loads(answer, 0, NULL);
    const char *refused = json_string_value(json_object_get(report, "error"));
    free(answer);
    if (json_is_object(report) && !refused)
        return report;
    fprintf(err, "hawser status: %s: %s\n", socket_path,
            refused ? refused : "the answer is not a JSON object");
    json_decref(report);
    return NULL;
}
