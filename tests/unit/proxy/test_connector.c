/* Connecting: every way in which it can end, and giving up in every state. */
#include "proxy/connector.h"

#include <sys/resource.h>

#include "tests/unit/proxy/local.h"

struct bed {
    struct local local;
    struct resolver *resolver;
    struct connector connector;
    struct endpoint endpoint;
    uint64_t timeout_us;
    unsigned dones;
    enum err result;
    int fd;
};

static void on_done(struct connector *connector, enum err result, int fd)
{
    struct bed *bed = container_of(connector, struct bed, connector);
    bed->dones++;
    bed->result = result;
    bed->fd = fd;
}

static void init(struct bed *bed, bool names)
{
    *bed = (struct bed){.fd = -1, .timeout_us = 2000000};
    bed->resolver = names ? resolver_new(NULL) : NULL;
    must(!names || bed->resolver);
    local_init(&bed->local, bed->resolver);
}

static void fini(struct bed *bed)
{
    if (bed->fd >= 0)
        close(bed->fd);
    resolver_free(bed->resolver);
    local_fini(&bed->local); /* asserts that nothing is watched or set any more */
}

static void start(struct bed *bed)
{
    bed->dones = 0;
    bed->connector.on_done = on_done;
    connector_start(&bed->connector, bed->local.worker.loop, &bed->endpoint, bed->timeout_us,
                    bed->resolver, &bed->local.worker.mailbox);
    ok(bed->dones == 0, "nothing is told inside the call");
}

static void expect(struct bed *bed, enum err result, const char *what)
{
    start(bed);
    local_expect(&bed->local, bed->dones == 1 && bed->result == result, "%s", what);
    ok((bed->fd >= 0) == (result == ERR_OK), "a socket comes with success only");
    local_pause(&bed->local, 2000);
    ok(bed->dones == 1, "told once");
}

static void connects(void)
{
    struct bed bed;
    init(&bed, false);
    int listener = local_bind(&bed.endpoint.address, 4);
    expect(&bed, ERR_OK, "a target that listens");
    int peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    ok(peer >= 0 && send(bed.fd, "x", 1, 0) == 1, "is connected");
    ok(fcntl(bed.fd, F_GETFL) & O_NONBLOCK && fcntl(bed.fd, F_GETFD) & FD_CLOEXEC,
       "by a socket that never blocks and is not inherited");
    close(peer);
    close(listener);
    fini(&bed);
}

static void refused(void)
{
    struct bed bed;
    init(&bed, false);
    int fd = local_bind(&bed.endpoint.address, -1);
    expect(&bed, ERR_CONNECT_REFUSED, "a port that nobody listens on");
    close(fd);
    bed.endpoint.address = local_loopback();
    bed.endpoint.address.in.sin_addr.s_addr = INADDR_BROADCAST;
    bed.endpoint.address.in.sin_port = htons(9);
    expect(&bed, ERR_CONNECT_UNREACHABLE, "an address without a route");
    fini(&bed);
}

/* A listener whose queue is full answers no more. */
struct deaf {
    struct address address;
    int listener, clients[64];
    size_t count;
};

static void deaf_open(struct deaf *deaf)
{
    *deaf = (struct deaf){0};
    deaf->listener = local_bind(&deaf->address, 0);
    for (int rc = 0; deaf->count < 64; deaf->count++) {
        int fd = deaf->clients[deaf->count] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        rc = connect(fd, &deaf->address.any, deaf->address.length);
        if (rc < 0 && connect(fd, &deaf->address.any, deaf->address.length) < 0) {
            deaf->count++;
            return; /* EALREADY: no answer */
        }
    }
}

static void deaf_close(struct deaf *deaf)
{
    for (size_t i = 0; i < deaf->count; i++)
        close(deaf->clients[i]);
    close(deaf->listener);
}

static void too_slow(void)
{
    struct bed bed;
    struct deaf deaf;
    init(&bed, false);
    deaf_open(&deaf);
    bed.endpoint.address = deaf.address;
    bed.timeout_us = 50000;
    uint64_t begun = loop_now(bed.local.worker.loop);
    expect(&bed, ERR_CONNECT_TIMEOUT, "a target that does not answer");
    ok(loop_now(bed.local.worker.loop) - begun >= 50000, "after its time");
    deaf_close(&deaf);
    fini(&bed);
}

static void unix_sockets(void)
{
    struct bed bed;
    init(&bed, false);
    struct address *address = &bed.endpoint.address;
    *address = (struct address){.length = sizeof address->un, .un.sun_family = AF_UNIX};
    snprintf(address->un.sun_path, sizeof address->un.sun_path, "/tmp/hawser-connector-%ld",
             (long)getpid());
    expect(&bed, ERR_CONNECT_REFUSED, "a UNIX socket that is not there");
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    must(bind(listener, &address->any, address->length) == 0);
    expect(&bed, ERR_CONNECT_REFUSED, "one that nobody listens on");
    must(listen(listener, 0) == 0);
    expect(&bed, ERR_OK, "one that is listened on");
    close(bed.fd);
    bed.fd = -1;
    expect(&bed, ERR_CONNECT_REFUSED, "one with a full queue");
    close(listener);
    unlink(address->un.sun_path);
    fini(&bed);
}

static void no_descriptors(void)
{
    struct bed bed;
    struct rlimit before, none;
    init(&bed, false);
    int listener = local_bind(&bed.endpoint.address, 4);
    must(getrlimit(RLIMIT_NOFILE, &before) == 0);
    none = (struct rlimit){.rlim_cur = 3, .rlim_max = before.rlim_max};
    must(setrlimit(RLIMIT_NOFILE, &none) == 0);
    expect(&bed, ERR_NO_DESCRIPTORS, "without a descriptor");
    must(setrlimit(RLIMIT_NOFILE, &before) == 0);
    close(listener);
    fini(&bed);
}

static void name(struct bed *bed, const char *host)
{
    bed->endpoint = (struct endpoint){
        .needs_lookup = true, .host = (char *)(uintptr_t)host, .port = bed->endpoint.port};
}

static void names(void)
{
    struct bed bed;
    struct address address;
    init(&bed, true);
    /* "localhost" may be ::1 first, where nobody listens: then the next address is tried. */
    int listener = local_bind(&address, 4);
    bed.endpoint.port = ntohs(address.in.sin_port);
    name(&bed, "localhost");
    expect(&bed, ERR_OK, "a name");
    close(listener);
    close(bed.fd);
    bed.fd = -1;
    expect(&bed, ERR_CONNECT_REFUSED, "a name of a host where nobody listens");
    name(&bed, "no-such-host.invalid");
    bed.timeout_us = 4000000;
    expect(&bed, ERR_NAME_UNKNOWN, "a name that does not exist");
    fini(&bed);
}

static void cancelled(struct bed *bed, const char *when)
{
    connector_cancel(&bed->connector);
    local_pause(&bed->local, 5000);
    ok(bed->dones == 0, "given up %s: nothing is told", when);
    connector_cancel(&bed->connector);
}

static void gives_up(void)
{
    struct bed bed;
    struct deaf deaf;
    init(&bed, true);
    connector_cancel(&bed.connector); /* never started */
    deaf_open(&deaf);
    bed.endpoint.address = deaf.address;
    start(&bed);
    cancelled(&bed, "before it began");
    start(&bed);
    loop_turn(bed.local.worker.loop, 0);
    loop_turn(bed.local.worker.loop, 0);
    ok(bed.connector.socket.fd >= 0, "it waits for an answer");
    cancelled(&bed, "while it connects");
    bed.endpoint.port = ntohs(deaf.address.in.sin_port);
    name(&bed, "localhost");
    start(&bed);
    cancelled(&bed, "while the name is looked up");
    bed.timeout_us = 1;
    start(&bed);
    local_expect(&bed.local, bed.dones == 1 && bed.result == ERR_CONNECT_TIMEOUT,
                 "the time limit holds for the look-up, too");
    name(&bed, "no-such-host.invalid");
    bed.timeout_us = 4000000;
    start(&bed); /* and the process ends meanwhile */
    connector_cancel(&bed.connector);
    deaf_close(&deaf);
    fini(&bed);
}

int main(void)
{
    connects();
    refused();
    too_slow();
    unix_sockets();
    no_descriptors();
    names();
    gives_up();
    return tap_done();
}
