/* tests/unit/proxy/bed.h: two whole endpoints in one process, each with workers and one tunnel,
 * joined by the memory transport; clients and target on a loop of the test's own (ends.h).
 *
 * stepped: all loops are turned by the test's thread in an order that the seed chooses, so that
 * every interleaving of the workers can happen and be repeated. threads: the workers are real.
 * A header with code, because each test is one source file. */
#pragma once

#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/log.h"
#include "base/message.h"
#include "base/resolver.h"
#include "config/config.h"
#include "mux/credit.h"
#include "proxy/link/link.h"
#include "proxy/local/connection.h"
#include "proxy/local/linger.h"
#include "proxy/tunnel/sessions.h"
#include "proxy/tunnel/tunnel.h"
#include "proxy/worker/worker.h"
#include "tests/lib/tap.h"
#include "tests/memory/memory.h"
#include "tests/unit/proxy/certificates.h"
#include "tests/unit/proxy/ends.h"

#define BED_SERVICES_MAX 4
#define BED_PATIENCE_US  20000000ull /* for a machine that is busy */

struct side {
    struct bed *bed;
    struct config_tunnel config;
    struct config_service services[BED_SERVICES_MAX];
    struct endpoint local, remote;
    struct worker *workers; /* NULL: not started */
    unsigned worker_count;
    size_t number; /* of the tunnel in its configuration: decides which worker is its home */
    struct mux_budget budget;
    struct config_sessions remembers;
    struct sessions sessions;
    struct sessions *borrowed; /* of another side, as tunnels of one process share them */
    struct tunnel_shared shared;
    struct tunnel *tunnel;
    bool frozen;   /* its loops are not turned */
    bool hasty;    /* side_stop gives peers no time that went while they connected: they would
                    * have 5 s to answer */
    bool looks_up; /* with a resolver */
    struct resolver *resolver;
    uint16_t stream; /* for errands */
    char why[512];
};

struct bed {
    struct loop *loop; /* of the test's own ends */
    struct ends ends;
    struct side client, server;
    struct side second; /* another client, if side_init was called for it */
    bool threads;
    bool still; /* the ends' loop is not turned */
    uint64_t random;
    uint64_t deadline_us;
    size_t descriptors; /* before anything was opened but the loop */
};

/* ---- small things ---- */

static inline uint64_t bed_random(struct bed *bed, uint64_t limit)
{
    uint64_t z = bed->random += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return (z ^ z >> 31) % limit;
}

static inline size_t bed_count_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    must(directory);
    size_t count = 0;
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

static inline struct address bed_loopback(uint16_t port)
{
    return (struct address){.length = sizeof(struct sockaddr_in),
                            .in = {.sin_family = AF_INET,
                                   .sin_port = htons(port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
}

/* ---- turning ---- */

/* One of the loops, at random. Waits a little now and then, so that the test burns no processor. */
static inline void bed_step(struct bed *bed)
{
    struct loop *loops[1 + 3 * 8];
    size_t count = 0;
    if (!bed->still)
        loops[count++] = bed->loop;
    struct side *sides[] = {&bed->client, &bed->server, &bed->second};
    for (size_t s = 0; s < 3 && !bed->threads; s++)
        for (unsigned i = 0; sides[s]->workers && !sides[s]->frozen && i < sides[s]->worker_count;
             i++)
            loops[count++] = sides[s]->workers[i].loop;
    uint64_t wait = bed->threads ? 1000 : bed_random(bed, 8 * count) ? 0 : 100;
    loop_turn(loops[bed_random(bed, count)], wait);
}

static inline bool bed_in_time(const struct bed *bed)
{
    return loop_now(bed->loop) < bed->deadline_us;
}

/* False: too late. */
static inline bool bed_turn(struct bed *bed)
{
    for (int i = 0; i < 4; i++)
        bed_step(bed);
    return bed_in_time(bed);
}

static inline void bed_arm(struct bed *bed, uint64_t patience_us)
{
    loop_turn(bed->loop, 0);
    bed->deadline_us = loop_now(bed->loop) + patience_us;
}

/* Steps until the condition holds, and looks after each: it may hold only for a while. In a
 * threaded bed it may look at atomics and the ends only. */
#define bed_reach(bed, condition)                                                                  \
    do {                                                                                           \
        bed_arm((bed), BED_PATIENCE_US);                                                           \
        while (!(condition) && bed_in_time(bed))                                                   \
            bed_step(bed);                                                                         \
    } while (0)
#define bed_expect(bed, condition, ...)                                                            \
    do {                                                                                           \
        bed_reach(bed, condition);                                                                 \
        ok((condition), __VA_ARGS__);                                                              \
    } while (0)

static inline void bed_pause(struct bed *bed, uint64_t us)
{
    bed_arm(bed, us);
    while (bed_turn(bed))
        ;
}

/* ---- something on a side's home worker ---- */

struct bed_errand {
    struct mail mail;
    struct side *side;
    int (*run)(struct side *side);
    int result;
    atomic_bool done;
};

static inline void bed_on_errand(struct mail *mail)
{
    struct bed_errand *errand = container_of(mail, struct bed_errand, mail);
    errand->result = errand->run(errand->side);
    atomic_store(&errand->done, true);
}

/* Runs it where the tunnel lives; returns what it returns. */
static inline int bed_ask(struct side *side, int (*run)(struct side *side))
{
    if (!side->bed->threads)
        return run(side);
    struct bed_errand errand = {.mail.deliver = bed_on_errand, .side = side, .run = run};
    mailbox_post(&side->tunnel->base.home->mailbox, &errand.mail);
    while (!atomic_load(&errand.done))
        loop_turn(side->bed->loop, 100);
    return errand.result;
}

/* ---- configuration ---- */

static inline void side_init(struct side *side, struct bed *bed, enum config_role role,
                             unsigned workers)
{
    bool client = role == CONFIG_CLIENT;
    static char *allow[] = {(char *)(uintptr_t) "client.example"};
    *side = (struct side){.bed = bed, .worker_count = workers};
    side->budget.limit = 64u << 20;
    side->local = side->remote =
        (struct endpoint){.text = check_strdup("127.0.0.1:0"), .address = bed_loopback(0)};
    side->config = (struct config_tunnel){
        .name = check_strdup(client ? "near" : "far"),
        .role = role,
        .transport = check_strdup("memory"),
        .local = client ? NULL : &side->local,
        .local_count = !client,
        .remote = client ? &side->remote : NULL,
        .remote_count = client,
        .streams = {.initial = 4, .max = 8},
        .window = {.initial = 65536, .max = 1 << 20},
        .waiting = {.max = 16, .timeout_us = 2000000},
        .connect_timeout_us = 1000000,
        .sctp = {.heartbeat_us = 1000000, .dead_after_us = 5000000},
        .reconnect = {.min_us = 5000, .max_us = 20000},
        .max_peers = 4,
        .identity = {.max_associations = 4,
                     .max_connections = 64,
                     .max_streams = 64,
                     .memory = 48u << 20},
        .tls = {.ca = certificates_path("ca.pem"),
                .cert = certificates_path(client ? "client.pem" : "server.pem"),
                .key = certificates_path(client ? "client.key" : "server.key"),
                .peer = client ? check_strdup("server.example") : NULL,
                .allow = {allow, !client},
                .resume = {.required = true, .ticket_lifetime_us = 3600000000ull},
                .handshake_timeout_us = 5000000},
        .services = side->services,
    };
}

static inline struct config_service *side_add_service(struct side *side, const char *name,
                                                      enum config_direction direction,
                                                      struct address address)
{
    must(side->config.service_count < BED_SERVICES_MAX);
    struct config_service *service = &side->services[side->config.service_count++];
    *service = (struct config_service){
        .name = check_strdup(name),
        .direction = direction,
        .endpoint = {.text = check_strdup("test"), .address = address},
        .connect_timeout_us = 1000000,
        .keepalive = true,
        .socket_mode = 0600,
    };
    return service;
}

static inline void side_clear(struct side *side)
{
    struct config_tunnel *config = &side->config;
    for (size_t i = 0; i < config->service_count; i++) {
        free(side->services[i].name);
        free(side->services[i].endpoint.text);
        free(side->services[i].endpoint.host);
    }
    char *texts[] = {config->name,     config->transport, config->tls.ca,
                     config->tls.cert, config->tls.key,   config->tls.peer};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        free(texts[i]);
    free(side->local.text); /* shared with remote */
}

/* ---- life ---- */

static inline int side_start_tunnel(struct side *side)
{
    return tunnel_start(side->tunnel, side->why, sizeof side->why);
}

/* Once its workers are there. False with side->why, and nothing to be ended. */
static inline bool side_make_tunnel(struct side *side)
{
    must(sessions_open(&side->sessions, &side->remembers, side->why, sizeof side->why) == 0);
    side->shared =
        (struct tunnel_shared){.workers = side->workers,
                               .worker_count = side->worker_count,
                               .budget = &side->budget,
                               .sessions = side->borrowed ? side->borrowed : &side->sessions};
    side->tunnel =
        tunnel_new(&side->config, side->number, &side->shared, side->why, sizeof side->why);
    if (side->tunnel && side->tunnel->owner.credentials)
        return true;
    if (side->tunnel)
        snprintf(side->why, sizeof side->why, "%.500s", side->tunnel->waits_for);
    tunnel_free(side->tunnel);
    side->tunnel = NULL;
    tap_note("%s", side->why);
    sessions_close(&side->sessions);
    return false;
}

static inline void side_start(struct side *side)
{
    side->workers = check_alloc(side->worker_count * sizeof *side->workers);
    side->resolver = side->looks_up ? resolver_new(NULL) : NULL;
    for (unsigned i = 0; i < side->worker_count; i++)
        must(worker_init(&side->workers[i], i, side->resolver) == 0);
    must(side_make_tunnel(side));
    for (unsigned i = 0; side->bed->threads && i < side->worker_count; i++)
        must(worker_start(&side->workers[i]) == 0);
    must(bed_ask(side, side_start_tunnel) == 0);
}

static inline int side_close(struct side *side)
{
    for (struct link *link = side->tunnel->owner.links; side->hasty && link; link = link->next)
        if (!link->life.was_ready)
            link_close(link, ERR_DRAIN_TIMEOUT, NULL, false);
    tunnel_close(side->tunnel, ERR_LOCAL_SHUTDOWN);
    return 0;
}

static inline int side_drain(struct side *side)
{
    tunnel_drain(side->tunnel);
    return 0;
}

static inline int side_is_gone(struct side *side)
{
    return tunnel_is_gone(side->tunnel);
}

static inline int side_stop_tunnel(struct side *side)
{
    tunnel_stop(side->tunnel);
    return 0;
}

static inline uint64_t side_left(const struct side *side)
{
    const struct counters *c = &side->tunnel->counters;
    uint64_t left = counter_get(&c->connections_open) + counter_get(&c->connections_waiting) +
                    counter_get(&c->children_ready) + counter_get(&c->associations_up);
    for (size_t i = 0; i < side->config.service_count; i++)
        left += counter_get(&side->tunnel->services.list[i].service.open);
    return left;
}

/* Closes the tunnel and ends the workers, as the process does. Checks that nothing is left. */
static inline void side_stop(struct side *side)
{
    struct bed *bed = side->bed;
    if (!side->workers)
        return;
    bed_ask(side, side_close);
    bed_reach(bed, bed_ask(side, side_is_gone));
    must(bed_ask(side, side_is_gone));
    bed_ask(side, side_stop_tunnel);
    for (unsigned i = 0; bed->threads && i < side->worker_count; i++)
        worker_stop(&side->workers[i]);
    for (unsigned i = 0; bed->threads && i < side->worker_count; i++)
        worker_join(&side->workers[i]);
    for (unsigned i = 0; i < side->worker_count; i++)
        linger_end_all(&side->workers[i], ERR_DRAIN_TIMEOUT);
    ok(side_left(side) == 0, "%s: no connection, child or association is left (%llu)",
       side->config.name, (unsigned long long)side_left(side));
    ok(atomic_load(&side->budget.used) == 0, "%s: all window memory was given back",
       side->config.name);
    tunnel_free(side->tunnel);
    sessions_close(&side->sessions);
    resolver_free(side->resolver);
    for (unsigned i = 0; i < side->worker_count; i++)
        worker_fini(&side->workers[i]);
    free(side->workers);
    side->workers = NULL;
    side->tunnel = NULL;
}

/* Both sides know "echo": listened on at the client, connected to the target by the server. */
static inline void bed_init(struct bed *bed, unsigned client_workers, unsigned server_workers,
                            bool threads)
{
    *bed = (struct bed){.threads = threads, .random = tap_seed(), .loop = loop_new()};
    must(bed->loop);
    transport_add(&memory_ops);
    bed->descriptors = bed_count_descriptors();
    ends_open(&bed->ends, bed->loop);
    side_init(&bed->client, bed, CONFIG_CLIENT, client_workers);
    side_init(&bed->server, bed, CONFIG_SERVER, server_workers);
    side_add_service(&bed->client, "echo", CONFIG_LISTEN, bed_loopback(0));
    side_add_service(&bed->server, "echo", CONFIG_CONNECT, bed->ends.address);
}

static inline void bed_start_server(struct bed *bed)
{
    side_start(&bed->server);
    bed->client.remote.address = *transport_local(bed->server.tunnel->endpoints.list[0].transport);
}

static inline bool side_is_up(const struct side *side)
{
    const struct counters *c = &side->tunnel->counters;
    return counter_get(&c->associations_up) &&
           counter_get(&c->children_ready) >= side->config.streams.initial;
}

static inline void bed_start(struct bed *bed)
{
    bed_start_server(bed);
    side_start(&bed->client);
}

/* Until the association and its first children are there. */
static inline void bed_up(struct bed *bed)
{
    bed_expect(bed, side_is_up(&bed->client) && side_is_up(&bed->server), "the tunnel is up");
}

static inline void bed_fini(struct bed *bed)
{
    ends_fini(&bed->ends);
    side_stop(&bed->client);
    side_stop(&bed->second);
    side_stop(&bed->server);
    side_clear(&bed->second);
    side_clear(&bed->client);
    side_clear(&bed->server);
    memory_set_faults(&(struct memory_faults){0});
    /* A look-up that was given up may take its time. */
    bed_reach(bed, bed_count_descriptors() == bed->descriptors);
    size_t now = bed_count_descriptors();
    ok(now == bed->descriptors, "every descriptor is closed (%zu, %zu)", bed->descriptors, now);
    loop_free(bed->loop);
}

/* ---- connections ---- */

static inline const struct address *side_listener(const struct side *side, size_t service)
{
    return &side->tunnel->services.list[service].listener.address;
}

static inline struct pair *bed_connect(struct bed *bed, struct end_plan client,
                                       struct end_plan target)
{
    return ends_connect(&bed->ends, side_listener(&bed->client, 0), client, target);
}

static inline uint64_t bed_open_connections(const struct bed *bed)
{
    uint64_t open = 0;
    if (bed->client.tunnel)
        open += counter_get(&bed->client.tunnel->counters.connections_open);
    if (bed->server.tunnel)
        open += counter_get(&bed->server.tunnel->counters.connections_open);
    return open;
}

#define side_count(side, name) counter_get(&(side)->tunnel->counters.name)

static inline int bed_main_begin(void)
{
    log_set_level(getenv("VERBOSE") ? LOG_INFO : LOG_ERROR);
    certificates_make();
    return 0;
}

/* ---- looking inside: only of a stepped bed ---- */

/* The one that is ready, else the newest: a server may have others, whose peers went while they
 * connected. */
static inline struct link *side_link(const struct side *side)
{
    for (struct link *link = side->tunnel->owner.links; link; link = link->next)
        if (link->state == LINK_READY)
            return link;
    return side->tunnel->owner.links;
}

static inline struct channel *side_channel(const struct side *side, uint16_t stream)
{
    return side_link(side)->streams.list[stream].channel;
}

/* A message that no TLS session accepts: the child of stream fails at this side. */
static inline void side_hurt_child(struct side *side, uint16_t stream)
{
    struct message *message = message_new(100);
    memset(message->data, 0xa5, 100);
    message->length = 100;
    message->stream = stream;
    message->epoch = side_link(side)->streams.list[stream].epoch;
    side_link(side)->transport.events.on_message(&side_link(side)->transport.events, message);
}

/* Turns the workers until all mail has come; clients and target do nothing meanwhile. */
static inline void bed_calm_down(struct bed *bed)
{
    bed->still = true;
    for (int i = 0; i < 2000; i++)
        bed_step(bed);
    bed->still = false;
}

/* True if the link's books have nothing leased, begun or on its way. Thread: home. */
static inline bool side_books_are_even(const struct side *side)
{
    const struct link *link = side_link(side);
    uint32_t ready = 0;
    if (!link || link->state != LINK_READY)
        return false;
    for (uint32_t i = 1; i <= link->streams.max; i++) {
        const struct link_stream *stream = &link->streams.list[i];
        ready += stream->child == CHILD_READY;
        if (stream->lease != LEASE_NONE || stream->out.first || stream->child == CHILD_STARTED ||
            (stream->channel && atomic_load(&stream->channel->flow.unsent)))
            return false;
    }
    return !link->children.started && pool_idle(link->leases.pool) == ready &&
           !pool_leased(link->leases.pool) && !pool_waiting(link->leases.pool);
}

/* True if the link knows all leased streams, once all mail has come. Only of a stepped bed.
 */
static inline bool side_knows_its_leases(const struct side *side)
{
    const struct link *link = side_link(side);
    uint32_t own = 0;
    if (!link || link->state != LINK_READY)
        return true;
    for (uint32_t i = 1; i <= link->streams.max; i++) {
        const struct link_stream *stream = &link->streams.list[i];
        own += stream->lease == LEASE_OWN;
        if (stream->lease == LEASE_BOTH)
            return false;
        if (stream->child == CHILD_READY &&
            mux_stream_is_idle(stream->channel->mux) != (stream->lease == LEASE_NONE))
            return false;
    }
    return pool_leased(link->leases.pool) == own;
}

/* True if the channels agree with that. Only of a stepped bed. */
static inline bool side_is_settled(const struct side *side)
{
    if (!side_books_are_even(side))
        return false;
    for (uint32_t i = 1; i <= side_link(side)->streams.max; i++) {
        const struct channel *channel = side_link(side)->streams.list[i].channel;
        bool ready = side_link(side)->streams.list[i].child == CHILD_READY;
        if ((channel && channel->connection) || (ready && !channel->mux) ||
            (channel && channel->mux && !mux_stream_is_idle(channel->mux)))
            return false;
    }
    return true;
}
