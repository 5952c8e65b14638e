/* Connecting: every way in which it can end, and giving up in every state. */
#include "proxy/local/connector.h"

#include <dirent.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
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
    char why[CONNECTOR_WHY_MAX];
};

static void on_done(struct connector *connector, enum err result, int fd, const char *why)
{
    struct bed *bed = container_of(connector, struct bed, connector);
    bed->dones++;
    bed->result = result;
    bed->fd = fd;
    snprintf(bed->why, sizeof bed->why, "%s", why ? why : "");
}

/* "several" has the addresses that a test wants, "held" none while a test holds the gate; other
 * names are the system's. */
static const char *const *several;
static atomic_int look_ups;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static int look_up(const char *host, struct addrinfo **found)
{
    const struct addrinfo numeric = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
    const struct addrinfo named = {.ai_socktype = SOCK_STREAM};
    atomic_fetch_add(&look_ups, 1);
    if (!strcmp(host, "held")) {
        pthread_mutex_lock(&gate);
        pthread_mutex_unlock(&gate);
        return EAI_NONAME;
    }
    if (strcmp(host, "several"))
        return getaddrinfo(host, NULL, &named, found);
    for (const char *const *text = several; *text; text++) {
        must(getaddrinfo(*text, NULL, &numeric, found) == 0);
        found = &(*found)->ai_next;
    }
    return 0;
}

static void init(struct bed *bed, bool names)
{
    *bed = (struct bed){.fd = -1, .timeout_us = 2000000};
    bed->endpoint.text = (char *)(uintptr_t) "the target";
    const struct resolver_options options = {.look_up = look_up};
    bed->resolver = names ? resolver_new(&options) : NULL;
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
    ok(!strcmp(bed.why, "the target: No such file or directory"), "and says so: %s", bed.why);
    int file = open(address->un.sun_path, O_CREAT | O_EXCL | O_WRONLY, 0600);
    must(file >= 0);
    expect(&bed, ERR_CONNECT_REFUSED, "a file");
    ok(!strcmp(bed.why, "the target: Connection refused (it is no socket)"), "%s", bed.why);
    close(file);
    unlink(address->un.sun_path);
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
    bed->endpoint = (struct endpoint){.text = (char *)(uintptr_t)host,
                                      .needs_lookup = true,
                                      .host = (char *)(uintptr_t)host,
                                      .port = bed->endpoint.port};
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
    /* A label of 64 bytes is more than DNS allows: no name server is asked. */
    name(&bed, "x123456789012345678901234567890123456789012345678901234567890123.invalid");
    expect(&bed, ERR_NAME_UNKNOWN, "a name that does not exist");
    ok(strstr(bed.why, "does not exist"), "and says so: %s", bed.why);
    fini(&bed);
}

/* ---- several addresses ---- */

static bool connected_to(const struct bed *bed, const char *wanted)
{
    struct address peer = {.length = sizeof peer.in6};
    char text[ADDRESS_TEXT_MAX];
    return getpeername(bed->fd, &peer.any, &peer.length) == 0 &&
           !strncmp(address_format(&peer, text), wanted, strlen(wanted));
}

static unsigned count_descriptors(void)
{
    unsigned count = 0;
    DIR *directory = opendir("/proc/self/fd");
    must(directory);
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

/* Listens at another loopback address and the same port. */
static int listen_beside(const struct address *address, uint32_t host)
{
    struct address other = *address;
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    other.in.sin_addr.s_addr = htonl(host);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    must(bind(fd, &other.any, other.length) == 0 && listen(fd, 4) == 0);
    return fd;
}

static void silent_first(void)
{
    static const char *const two[] = {"127.0.0.1", "127.0.0.2", NULL};
    struct bed bed;
    struct deaf deaf;
    init(&bed, true);
    deaf_open(&deaf);
    int listener = listen_beside(&deaf.address, INADDR_LOOPBACK + 1);
    bed.endpoint.port = ntohs(deaf.address.in.sin_port);
    bed.timeout_us = 4000000;
    several = two;
    name(&bed, "several");
    unsigned before = count_descriptors();
    uint64_t begun = loop_now(bed.local.worker.loop);
    expect(&bed, ERR_OK, "a name whose first address is silent");
    ok(connected_to(&bed, "127.0.0.2:"), "the second one has it");
    ok(loop_now(bed.local.worker.loop) - begun >= 250000, "250 ms later");
    ok(count_descriptors() == before + 1, "the other attempt is closed");
    close(bed.fd);
    bed.fd = -1;
    int peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    ok(peer >= 0 && accept4(listener, NULL, NULL, SOCK_NONBLOCK) < 0, "the target sees one");
    close(peer);
    close(listener);
    bed.timeout_us = 50000; /* shorter than the delay: both are tried nevertheless */
    expect(&bed, ERR_CONNECT_REFUSED, "a silent and a refusing address: refused");
    ok(strstr(bed.why, "several: 127.0.0.1:") && strstr(bed.why, ": no answer; 127.0.0.2:") &&
           strstr(bed.why, ": Connection refused"),
       "and both are told: %s", bed.why);
    deaf_close(&deaf);
    fini(&bed);
}

static void refusals_first(void)
{
    static const char *const many[] = {"127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5",
                                       "127.0.0.6", "127.0.0.7", "127.0.0.8", "127.0.0.1",
                                       "127.0.0.9", NULL};
    struct bed bed;
    struct address address;
    init(&bed, true);
    int listener = local_bind(&address, 4);
    bed.endpoint.port = ntohs(address.in.sin_port);
    several = many;
    name(&bed, "several");
    /* By delays the eighth would come after 1.75 s. */
    bed.timeout_us = 1000000;
    expect(&bed, ERR_OK, "seven addresses that refuse, and one that does not");
    ok(connected_to(&bed, "127.0.0.1:"), "it has it");
    close(listener);
    fini(&bed);
}

/* The port of an address where nobody listens stays taken while the test needs that. */
static void moved(void)
{
    static const char *const one[] = {"127.0.0.1", NULL}, *const other[] = {"127.0.0.2", NULL};
    struct bed bed;
    struct address address;
    init(&bed, true);
    int silent = local_bind(&address, -1);
    int listener = listen_beside(&address, INADDR_LOOPBACK + 1);
    bed.endpoint.port = ntohs(address.in.sin_port);
    several = one;
    name(&bed, "several");
    int before = atomic_load(&look_ups);
    expect(&bed, ERR_CONNECT_REFUSED, "a target that is not there");
    ok(atomic_load(&look_ups) == before + 1, "one look-up");
    expect(&bed, ERR_CONNECT_REFUSED, "once more");
    ok(atomic_load(&look_ups) == before + 2 && strstr(bed.why, "127.0.0.1:"),
       "the remembered address is not believed, and said: %s", bed.why);
    several = other;
    expect(&bed, ERR_OK, "the name has moved");
    ok(connected_to(&bed, "127.0.0.2:"),
       "its new address is found, in spite of the remembered one");
    close(silent);
    close(listener);
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
    ok(bed.connector.only.socket.fd >= 0, "it waits for an answer");
    cancelled(&bed, "while it connects");
    pthread_mutex_lock(&gate);
    name(&bed, "held");
    start(&bed);
    cancelled(&bed, "while the name is looked up");
    bed.timeout_us = 1;
    start(&bed);
    local_expect(&bed.local, bed.dones == 1 && bed.result == ERR_NAME_SILENT,
                 "the time limit holds for the look-up, too");
    ok(!strcmp(bed.why, "held: the name servers have not answered yet"), "and says so: %s",
       bed.why);
    bed.timeout_us = 4000000;
    start(&bed); /* and the process ends meanwhile */
    connector_cancel(&bed.connector);
    deaf_close(&deaf);
    fini(&bed);
    pthread_mutex_unlock(&gate);
}

int main(void)
{
    connects();
    refused();
    too_slow();
    unix_sockets();
    no_descriptors();
    names();
    silent_first();
    refusals_first();
    moved();
    gives_up();
    return tap_done();
}
