/* Limits: defaults that depend on others, and limits that must not exceed others. */
#include <inttypes.h>
#include <unistd.h>

#include "base/number.h"
#include "config/store.h"
#include "config/verify.h"

#define THREADS_MAX            256 /* of options.def */
#define STREAMS_CLIENT         2048
#define STREAMS_SERVER         8192
#define IDENTITY_ASSOCIATIONS  256
#define IDENTITY_STREAMS_SHARE 8

/* ---- derived defaults ---- */

/* Sets a number that the file does not give. */
#define derive(loader, field, value)                                                               \
    do {                                                                                           \
        if (!loader_is_given((loader), (field)))                                                   \
            *(field) = (value);                                                                    \
    } while (0)

static void derive_identity(const struct loader *loader, struct config_tunnel *tunnel)
{
    struct config_identity *identity = &tunnel->identity;
    uint64_t memory = loader->config->memory_limit;
    derive(loader, &identity->max_associations,
           (uint32_t)number_between(tunnel->max_peers / 2, 1, IDENTITY_ASSOCIATIONS));
    derive(loader, &identity->max_streams, IDENTITY_STREAMS_SHARE * tunnel->streams.max);
    derive(loader, &identity->max_connections, identity->max_streams);
    derive(loader, &identity->memory, memory - memory / 4);
}

/* A default gives way to a short dead_after: several time-outs have to fit into it. */
static void derive_timeouts(const struct loader *loader, struct config_sctp *sctp)
{
    uint64_t dead = sctp->dead_after_us;
    derive(loader, &sctp->rto_max_us, number_least(sctp->rto_max_us, dead / 3 * 2));
    derive(loader, &sctp->rto_initial_us, number_least(sctp->rto_initial_us, dead / 4));
    derive(loader, &sctp->rto_min_us, number_least(sctp->rto_min_us, dead / 16));
}

static void derive_defaults(const struct verify_scope *scope)
{
    const struct loader *loader = scope->loader;
    struct config_tunnel *tunnel = scope->tunnel;
    struct config_service *service = scope->service;
    if (!tunnel) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        derive(loader, &scope->config->threads,
               (uint32_t)number_between(cores < 1 ? 1 : (uint64_t)cores, 1, THREADS_MAX));
    } else if (!service) {
        /* A server's streams cost nothing until a client asks for as many. */
        bool is_server = tunnel->role == CONFIG_SERVER;
        derive(loader, &tunnel->streams.max, is_server ? STREAMS_SERVER : STREAMS_CLIENT);
        derive_timeouts(loader, &tunnel->sctp);
        if (is_server)
            derive_identity(loader, tunnel);
    } else if (loader_is_given(loader, &service->streams.min)) {
        derive(loader, &service->streams.max, tunnel->streams.max);
    }
}

/* ---- limits in order ---- */

enum relation { NOT_MORE, LESS };
enum yields { NONE, SMALL, GREAT, BOTH }; /* bits */

struct limit {
    enum option_section section;
    const char *key;
};

static const struct order {
    struct limit small, great;
    enum relation relation;
    enum yields yields;
    enum severity severity;
    const char *hint;
} orders[] = {
#define ORDER(where, key, relation, other_where, other_key, yields, kind, hint)                    \
    {{SECTION_##where, key},                                                                       \
     {SECTION_##other_where, other_key},                                                           \
     relation,                                                                                     \
     yields,                                                                                       \
     SEVERITY_##kind,                                                                              \
     hint},
#include "config/limits.def"
#undef ORDER
};

/* One side of an order, looked up. */
struct side {
    const struct option_row *option;
    void *field;
    uint64_t number;
    bool is_given;
    char text[96]; /* "streams.max = 8 (its default)" */
};

static struct side look_up(const struct verify_scope *scope, struct limit limit)
{
    enum option_owner owner = option_sections[limit.section].owner;
    struct side side = {.option = option_find(limit.section, limit.key)};
    void *base = verify_base(scope, owner);
    side.field = (char *)base + side.option->stored.offset;
    side.number = store_number_of(side.option, base);
    side.is_given = loader_is_given(scope->loader, side.field);
    double shown = (double)side.number / (side.option->type == OPTION_SECONDS ? 1e6 : 1);
    snprintf(side.text, sizeof side.text, "%s%s = %.15g%s",
             owner == OWNER_TUNNEL && scope->service ? "the tunnel's " : "", side.option->name,
             shown, side.is_given ? "" : " (its default)");
    return side;
}

static void check_order(const struct verify_scope *scope, const struct order *order)
{
    struct side small = look_up(scope, order->small), great = look_up(scope, order->great);
    if (small.number < great.number ||
        (small.number == great.number && order->relation == NOT_MORE))
        return;
    if (order->yields & GREAT && !great.is_given)
        store_number(great.field, great.option->stored.size, small.number);
    else if (order->yields & SMALL && !small.is_given)
        store_number(small.field, small.option->stored.size, great.number);
    else
        diagnostics_add(scope->loader->diagnostics, order->severity,
                        loader_place(scope->loader, small.is_given ? small.field : great.field,
                                     verify_base(scope, verify_owner(scope))),
                        "%s is %s %s; %s", small.text,
                        order->relation == LESS ? "not less than" : "more than", great.text,
                        order->hint);
}

/* CREDIT_PROMISED_MIN of mux/credit.h: a connection counts with at least this much. */
#define CONNECTION_LEAST 4096

static void check_memory(struct loader *loader, const struct config_tunnel *tunnel)
{
    const struct config *config = loader->config;
    uint64_t connections = config->memory_limit / CONNECTION_LEAST;
    if (loader_is_given(loader, &config->memory_limit) && tunnel->streams.max > connections)
        report(loader, WARNING, &config->memory_limit, NULL,
               "memory_limit = %" PRIu64 " leaves room for %" PRIu64
               " connections, fewer than streams.max = %" PRIu32 "%s of tunnel \"%s\"; raise it, "
               "or lower streams.max",
               config->memory_limit, connections, tunnel->streams.max,
               loader_is_given(loader, &tunnel->streams.max) ? "" : " (its default)",
               tunnel->name ? tunnel->name : "");
}

void verify_limits(const struct verify_scope *scope)
{
    derive_defaults(scope);
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++)
        if (option_sections[orders[i].small.section].owner == verify_owner(scope))
            check_order(scope, &orders[i]);
    if (scope->tunnel && !scope->service)
        check_memory(scope->loader, scope->tunnel);
}
