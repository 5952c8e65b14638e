/* Listening sockets: what is bound, what is accepted, and what happens without descriptors. */
#include "proxy/local/listener.h"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "proxy/local/connection.h"
#include "tests/unit/proxy/local.h"

static char directory[] = "/tmp/hawser-listener-XXXXXX";

struct bed {
    struct local local;
    struct listener listener;
    TAILQ_HEAD(accepted, connection) accepted;
    char why[256];
};

static void on_connection(struct listener *listener, struct connection *connection)
{
    struct bed *bed = container_of(listener, struct bed, listener);
    TAILQ_INSERT_TAIL(&bed->accepted, connection, wait.others);
}

static void init(struct bed *bed)
{
    *bed = (struct bed){0};
    local_init(&bed->local, NULL);
    TAILQ_INIT(&bed->accepted);
    bed->listener.on_connection = on_connection;
    bed->local.service_config.endpoint.address = local_loopback();
}

static int open_listener(struct bed *bed)
{
    return listener_open(&bed->listener, &bed->local.service, &bed->local.worker, bed->why,
                         sizeof bed->why);
}

static void fini(struct bed *bed)
{
    listener_close(&bed->listener);
    for (struct connection *c; (c = TAILQ_FIRST(&bed->accepted));) {
        TAILQ_REMOVE(&bed->accepted, c, wait.others);
        connection_end(c, ERR_DRAINING, NULL);
    }
    ok(!atomic_load(&bed->local.counters.connections_open), "nothing is left");
    local_fini(&bed->local);
}

static int connect_to(const struct address *address)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    must(fd >= 0);
    must(connect(fd, &address->any, address->length) == 0 || errno == EINPROGRESS);
    return fd;
}

static unsigned accepted(const struct bed *bed)
{
    unsigned count = 0;
    const struct connection *connection;
    TAILQ_FOREACH(connection, &bed->accepted, wait.others)
    count++;
    return count;
}

static struct address unix_address(const char *name)
{
    struct address address = {.length = sizeof address.un, .un.sun_family = AF_UNIX};
    snprintf(address.un.sun_path, sizeof address.un.sun_path, "%s/%s", directory, name);
    return address;
}

static bool exists(const struct address *address)
{
    struct stat status;
    return lstat(address->un.sun_path, &status) == 0;
}

static void accepts(void)
{
    struct bed bed;
    init(&bed);
    ok(open_listener(&bed) == 0 && bed.listener.address.in.sin_port, "port 0 takes a free one");
    int fd = connect_to(&bed.listener.address);
    local_expect(&bed.local, accepted(&bed) == 1, "a client is accepted");
    const struct connection *connection = TAILQ_FIRST(&bed.accepted);
    struct address client = {.length = sizeof client.in};
    char text[ADDRESS_TEXT_MAX];
    must(getsockname(fd, &client.any, &client.length) == 0);
    ok(connection->id && connection->about.opened_here && connection->service == &bed.local.service,
       "as a connection of the service, with an id");
    ok(strcmp(connection->about.client, address_format(&client, text)) == 0, "of the client at %s",
       connection->about.client);
    int value = 0;
    socklen_t size = sizeof value;
    ok(getsockopt(connection->socket.fd, IPPROTO_TCP, TCP_NODELAY, &value, &size) == 0 && value,
       "its socket does not wait for more to send");
    ok(getsockopt(connection->socket.fd, SOL_SOCKET, SO_KEEPALIVE, &value, &size) == 0 && value,
       "and looks after its client");
    ok(fcntl(connection->socket.fd, F_GETFL) & O_NONBLOCK &&
           fcntl(connection->socket.fd, F_GETFD) & FD_CLOEXEC,
       "never blocks, and is not inherited");
    close(fd);
    fini(&bed);
}

static void many_at_once(void)
{
    struct bed bed;
    int fds[200];
    init(&bed);
    must(open_listener(&bed) == 0);
    for (size_t i = 0; i < 200; i++)
        fds[i] = connect_to(&bed.listener.address);
    loop_turn(bed.local.worker.loop, 1000);
    ok(accepted(&bed) > 0 && accepted(&bed) <= 64, "a flood does not take the turn: %u accepted",
       accepted(&bed));
    local_expect(&bed.local, accepted(&bed) == 200, "the others in the next ones");
    bool differ = true;
    for (const struct connection *a = TAILQ_FIRST(&bed.accepted); a; a = TAILQ_NEXT(a, wait.others))
        for (const struct connection *b = TAILQ_NEXT(a, wait.others); b;
             b = TAILQ_NEXT(b, wait.others))
            differ &= a->id != b->id;
    ok(differ, "each has an id of its own");
    for (size_t i = 0; i < 200; i++)
        close(fds[i]);
    fini(&bed);
}

static void taken(void)
{
    struct bed bed;
    init(&bed);
    int fd = local_bind(&bed.local.service_config.endpoint.address, 1);
    ok(open_listener(&bed) < 0 && strstr(bed.why, "\"service\"") && strstr(bed.why, "in use"),
       "a port that is taken: %s", bed.why);
    listener_close(&bed.listener);
    close(fd);
    fini(&bed);
}

static void both_families(void)
{
    struct bed bed;
    init(&bed);
    bed.local.service_config.endpoint.address =
        (struct address){.length = sizeof(struct sockaddr_in6), .in6.sin6_family = AF_INET6};
    if (open_listener(&bed) < 0) {
        tap_skip("[::] takes IPv4 clients, too", bed.why);
        fini(&bed);
        return;
    }
    struct address address = local_loopback();
    address.in.sin_port = bed.listener.address.in6.sin6_port;
    int fd = connect_to(&address);
    local_expect(&bed.local, accepted(&bed) == 1, "[::] takes IPv4 clients, too");
    close(fd);
    fini(&bed);
}

static void unix_socket(void)
{
    struct bed bed;
    struct stat status;
    init(&bed);
    struct address address = unix_address("socket");
    bed.local.service_config.endpoint.address = address;
    bed.local.service_config.socket_mode = 0620;
    ok(open_listener(&bed) == 0, "a UNIX socket");
    must(lstat(address.un.sun_path, &status) == 0);
    ok(S_ISSOCK(status.st_mode) && (status.st_mode & 0777) == 0620, "with the mode that is wanted");
    int fd = connect_to(&address);
    local_expect(&bed.local, accepted(&bed) == 1, "a client is accepted");
    struct bed second;
    init(&second);
    second.local.service_config.endpoint.address = address;
    ok(open_listener(&second) < 0 && exists(&address), "one that is listened on stays: %s",
       second.why);
    fini(&second);
    close(fd);
    fini(&bed);
    ok(!exists(&address), "it goes with its listener");
}

static void stale_socket(void)
{
    struct bed bed;
    init(&bed);
    struct address address = unix_address("stale");
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    must(bind(fd, &address.any, address.length) == 0);
    close(fd);
    bed.local.service_config.endpoint.address = address;
    ok(open_listener(&bed) == 0, "the socket of a process that was killed is replaced");
    fd = connect_to(&address);
    local_expect(&bed.local, accepted(&bed) == 1, "a client is accepted");
    close(fd);
    fini(&bed);
}

/* The path may be wrong: nothing but a dead socket is ever removed. */
static void other_files(void)
{
    struct bed bed;
    init(&bed);
    struct address address = unix_address("file"), link = unix_address("link");
    int fd = open(address.un.sun_path, O_CREAT | O_WRONLY, 0600);
    must(fd >= 0 && write(fd, "precious", 8) == 8);
    close(fd);
    must(symlink(address.un.sun_path, link.un.sun_path) == 0);
    bed.local.service_config.endpoint.address = address;
    ok(open_listener(&bed) < 0 && exists(&address), "a file stays: %s", bed.why);
    bed.local.service_config.endpoint.address = link;
    ok(open_listener(&bed) < 0 && exists(&link) && exists(&address), "a link to it, too");
    bed.local.service_config.endpoint.address = unix_address("missing/socket");
    ok(open_listener(&bed) < 0, "a directory that is not there: %s", bed.why);
    unlink(address.un.sun_path);
    unlink(link.un.sun_path);
    fini(&bed);
}

static void out_of_descriptors(void)
{
    struct bed bed;
    struct rlimit before, none;
    init(&bed);
    must(open_listener(&bed) == 0);
    must(getrlimit(RLIMIT_NOFILE, &before) == 0);
    int fds[3];
    for (int i = 0; i < 3; i++)
        fds[i] = connect_to(&bed.listener.address);
    none = (struct rlimit){.rlim_cur = 3, .rlim_max = before.rlim_max};
    must(setrlimit(RLIMIT_NOFILE, &none) == 0);
    local_expect(&bed.local, bed.listener.rests > 0, "without descriptors the listener rests");
    unsigned turns = 0;
    uint64_t begun = loop_now(bed.local.worker.loop);
    while (loop_now(bed.local.worker.loop) < begun + 250000) {
        loop_turn(bed.local.worker.loop, 250000);
        turns++;
    }
    ok(turns <= 8 && accepted(&bed) == 0, "and does not spin (%u turns in 250 ms)", turns);
    must(setrlimit(RLIMIT_NOFILE, &before) == 0);
    local_expect(&bed.local, accepted(&bed) == 3, "when there are some, the clients are accepted");
    ok(bed.listener.rests == 0, "the rest is over");
    must(setrlimit(RLIMIT_NOFILE, &none) == 0);
    close(fds[0]);
    fds[0] = -1;
    must(setrlimit(RLIMIT_NOFILE, &before) == 0);
    fds[0] = connect_to(&bed.listener.address);
    must(setrlimit(RLIMIT_NOFILE, &none) == 0);
    local_reach(&bed.local, bed.listener.rests > 0);
    listener_close(&bed.listener);
    must(setrlimit(RLIMIT_NOFILE, &before) == 0);
    ok(!loop_timer_is_set(&bed.listener.rest), "closed while it rests: nothing comes back");
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    fini(&bed);
}

int main(void)
{
    must(mkdtemp(directory));
    accepts();
    many_at_once();
    taken();
    both_families();
    unix_socket();
    stale_socket();
    other_files();
    out_of_descriptors();
    message_cache_clear();
    ok(rmdir(directory) == 0, "no file is left");
    return tap_done();
}
