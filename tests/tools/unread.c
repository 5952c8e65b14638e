/* tests/tools/unread.c: senders to a target that never reads: how much does the way there hold?
 *
 *     unread --to ADDRESS [--connections N] [--timeout S]
 *
 * Each of N connections sends until nobody has taken a byte of any of them for half a second, then
 * "ready BYTES" is printed (all together); after SIGUSR1 they close, with RST. Exit code 0: they
 * were held back before --timeout; 1: bytes went on and on, or a connection broke. */
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "tests/tools/request.h"

#define QUIET_MS 500

static int open_sender(const struct address *to, uint64_t seed)
{
    struct request request = {
        .magic = REQUEST_MAGIC, .flags = REQUEST_NEVER_READ, .seed = seed, .up = UINT64_C(1) << 50};
    int fd = socket(to->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, &to->any, to->length) ||
        send(fd, &request, sizeof request, MSG_NOSIGNAL) != sizeof request)
        die("connect");
    return fd;
}

/* Bytes taken; UINT64_MAX: a connection broke, or the deadline came first. */
static uint64_t send_until_held(struct pollfd *polls, nfds_t count, uint64_t deadline)
{
    uint64_t sent = 0;
    while (poll(polls, count, QUIET_MS) > 0) {
        if (clock_ns() > deadline)
            return UINT64_MAX;
        for (nfds_t i = 0; i < count; i++) {
            if (!polls[i].revents)
                continue;
            ssize_t put =
                send(polls[i].fd, pattern_at(i, 0), PATTERN_CHUNK, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (put < 0 && errno != EAGAIN)
                return UINT64_MAX;
            sent += put > 0 ? (uint64_t)put : 0;
        }
    }
    return sent;
}

int main(int argument_count, char **arguments)
{
    static const struct option options[] = {{"to", required_argument, NULL, 't'},
                                            {"connections", required_argument, NULL, 'n'},
                                            {"timeout", required_argument, NULL, 's'},
                                            {0}};
    struct address to = {0};
    nfds_t count = 1;
    uint64_t seconds = 60;
    for (int option; (option = getopt_long(argument_count, arguments, "", options, NULL)) != -1;) {
        if (option == 't')
            to = address_of(optarg);
        else if (option == 'n')
            count = strtoul(optarg, NULL, 0);
        else if (option == 's')
            seconds = strtoul(optarg, NULL, 0);
        else
            return 2;
    }
    if (!to.length) {
        fprintf(stderr, "usage: unread --to ADDRESS [--connections N] [--timeout S]\n");
        return 2;
    }
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    pattern_init();
    struct pollfd *polls = calloc(count, sizeof *polls);
    for (nfds_t i = 0; i < count; i++)
        polls[i] = (struct pollfd){.fd = open_sender(&to, i), .events = POLLOUT};
    uint64_t sent = send_until_held(polls, count, clock_ns() + seconds * 1000000000u);
    for (nfds_t i = 0; i < count; i++)
        reset_on_close(polls[i].fd);
    free(polls);
    if (sent == UINT64_MAX) {
        fprintf(stderr, "unread: a connection broke, or was never held back\n");
        return 1;
    }
    printf("ready %ju\n", (uintmax_t)sent);
    fflush(stdout);
    struct timespec limit = {.tv_sec = (time_t)seconds};
    return sigtimedwait(&set, NULL, &limit) == SIGUSR1 ? 0 : 1;
}
