/* The status of the process as JSON. */
#include "proxy/daemon/status_report.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "proxy/daemon/process.h"
#include "proxy/daemon/reload.h"
#include "proxy/link/link.h"
#include "proxy/link/places.h"
#include "proxy/tunnel/tunnel.h"
#include "proxy/worker/worker.h"

static const char *const link_states[] = {[LINK_CONNECTING] = "connecting",
                                          [LINK_MASTER] = "handshake",
                                          [LINK_READY] = "up",
                                          [LINK_CLOSING] = "closing"};

static const char *const tunnel_states[] = {
    [TUNNEL_WAITING] = "waiting",     [TUNNEL_LISTENING] = "listening",   [TUNNEL_DOWN] = "down",
    [TUNNEL_RESOLVING] = "resolving", [TUNNEL_CONNECTING] = "connecting", [TUNNEL_UP] = "up"};

/* Names come from certificates: JSON takes only UTF-8, and a terminal only what can be printed. */
static json_t *printable(const char *name)
{
    char text[1024];
    size_t length = 0;
    for (; length < sizeof text - 1 && name[length]; length++)
        text[length] = name[length] >= ' ' && name[length] <= '~' ? name[length] : '?';
    return json_stringn(text, length);
}

/* The end that limits the streams; null: the peer's HELLO has not come. */
static json_t *report_limit(const struct link *link)
{
    if (!link->streams.max)
        return json_null();
    return json_pack("{s:s, s:I, s:I}", "by", link_streams_limiter(link), "here",
                     (json_int_t)link->tunnel->config->streams.max, "far_end",
                     (json_int_t)link->streams.peer_max);
}

/* The state of our congestion control; null: the transport has another. */
static json_t *report_congestion(const struct path_status *path)
{
    if (!path->congestion)
        return json_null();
    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:f}", "name", path->congestion, "phase",
                     path->phase, "window", (json_int_t)path->congestion_window, "in_flight",
                     (json_int_t)path->in_flight, "rate", (json_int_t)path->rate, "min_rtt_us",
                     (json_int_t)path->min_rtt_us, "loss_floor", path->loss_floor);
}

static json_t *report_paths(const struct association_status *status)
{
    json_t *paths = json_array();
    for (size_t i = 0; i < status->path_count; i++) {
        const struct path_status *path = &status->paths[i];
        char to[ADDRESS_TEXT_MAX], from[ADDRESS_TEXT_MAX] = "";
        if (path->local.length)
            address_format(&path->local, from);
        json_array_append_new(
            paths,
            json_pack("{s:s, s:s, s:s, s:b, s:I, s:I, s:I, s:o}", "address",
                      address_format(&path->address, to), "local", from, "state",
                      transport_path_state_name(path->state), "in_use", (int)path->in_use, "rtt_us",
                      (json_int_t)path->rtt_us, "mtu", (json_int_t)path->mtu, "congestion_window",
                      (json_int_t)path->congestion_window, "congestion", report_congestion(path)));
    }
    return paths;
}

static json_t *report_tls(const struct link *link)
{
    char identity[1024] = "";
    int64_t left =
        link->masters.generation ? tls_generation_expires_in(link->masters.generation) : 0;
    if (link->peer.identity)
        tls_identity_describe(link->peer.identity, identity, sizeof identity);
    return json_pack("{s:s, s:s, s:b, s:o, s:I}", "version",
                     link->peer.tls_version ? link->peer.tls_version : "", "cipher",
                     link->peer.tls_cipher ? link->peer.tls_cipher : "", "master_resumed",
                     (int)link->peer.is_resumed, "identity", printable(identity), "resumable_s",
                     (json_int_t)(left > 0 ? left : 0));
}

static json_t *report_link_id(const struct link *link)
{
    char id[2 * MUX_ASSOCIATION_ID_SIZE + 1] = "";
    for (size_t i = 0; link->life.was_ready && i < MUX_ASSOCIATION_ID_SIZE; i++)
        snprintf(id + 2 * i, 3, "%02x", link->group.association_id[i]);
    return json_string(id);
}

static json_t *report_link(struct link *link)
{
    struct association_status status = {0};
    if (link->transport.association)
        association_status(link->transport.association, &status);
    return json_pack(
        "{s:o, s:s, s:o, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, "
        "s:o}",
        "id", report_link_id(link), "state", link_states[link->state], "peer",
        printable(link->peer.name), "address", link->peer.text, "transport",
        link->transport.ops->name, "sctp_auth", link_auth_state(link), "scheduler",
        status.scheduler ? status.scheduler : "", "worker", (json_int_t)link->tunnel->home->index,
        "retransmissions", (json_int_t)status.retransmissions, "lost", (json_int_t)status.lost,
        "spurious", (json_int_t)status.spurious, "loss_probes", (json_int_t)status.probes,
        "timeouts", (json_int_t)status.timeouts, "streams", (json_int_t)link->streams.max,
        "streams_limit", report_limit(link), "queued",
        json_integer((json_int_t)atomic_load_explicit(&link->group.queued, memory_order_relaxed)),
        "paths", report_paths(&status), "tls", report_tls(link));
}

/* null: nobody. */
static json_t *report_link_of(struct tunnel_service *service)
{
    const struct link *link = services_link(service);
    if (!link)
        return json_null();
    return json_pack("{s:o, s:o}", "peer", printable(link->peer.name), "association",
                     report_link_id(link));
}

static json_t *report_memory(const struct mux_budget *budget)
{
    uint64_t used = atomic_load_explicit(&budget->used, memory_order_relaxed);
    return json_pack("{s:I, s:I}", "used", (json_int_t)used, "limit", (json_int_t)budget->limit);
}

static void report_quota(void *all, struct quota *quota)
{
    const struct config_identity *limits = quota->limits;
    json_array_append_new(
        all, json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "identity",
                       printable(quota->label), "associations", (json_int_t)quota->associations,
                       "max_associations", (json_int_t)limits->max_associations, "connections",
                       (json_int_t)atomic_load(&quota->connections), "max_connections",
                       (json_int_t)limits->max_connections, "streams", (json_int_t)quota->streams,
                       "max_streams", (json_int_t)limits->max_streams, "memory",
                       report_memory(&quota->budget)));
}

/* The use that each client makes of a server's tunnel. */
static json_t *report_identities(const struct tunnel *tunnel)
{
    json_t *all = json_array();
    places_each_identity(tunnel->owner.places, report_quota, all);
    return all;
}

/* The sum of all parts of a tunnel; counted part by part, on the worker of each. */
struct service_counts {
    uint64_t open, total, refused;
};
struct sum {
    json_t *associations;
    json_t *first; /* the one that is shown alone: up, if one is; of associations */
    bool is_up;
    struct counters counters;
    struct service_counts *services;
};

static json_t *report_service(struct tunnel_service *at, const struct service_counts *counts)
{
    const struct service *service = &at->service;
    bool listens = service->config->direction == CONFIG_LISTEN;
    char text[ADDRESS_TEXT_MAX];
    const char *where = service->config->endpoint.text;
    if (listens && at->listener.worker)
        where = address_format(&at->listener.address, text);
    json_t *place = json_string(where); /* NULL: a path that is not UTF-8 */
    json_t *report = json_pack("{s:s, s:o, s:I, s:I, s:I}", "name", service->config->name,
                               listens ? "listen" : "connect", place ? place : printable(where),
                               "open", (json_int_t)counts->open, "total", (json_int_t)counts->total,
                               "refused", (json_int_t)counts->refused);
    if (listens)
        json_object_set_new(report, "carried_by", report_link_of(at));
    return report;
}

static json_t *report_counters(const struct counters *counters)
{
    json_t *all = json_object();
#define COUNTER_ROW(name, kind, help)                                                              \
    json_object_set_new(all, #name, json_integer((json_int_t)counter_get(&counters->name)));
#include "control/counters.def"
#undef COUNTER_ROW
    return all;
}

#define COUNT(name) (json_int_t) counter_get(&c->name)

static void report_counts(json_t *object, const struct counters *c)
{
    json_object_set_new(object, "children",
                        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "started",
                                  COUNT(children_started), "ready", COUNT(children_ready),
                                  "by_gnutls", COUNT(children_by_gnutls), "resumed",
                                  COUNT(children_resumed), "full", COUNT(children_full), "failed",
                                  COUNT(children_failed)));
    json_object_set_new(object, "connections",
                        json_pack("{s:I, s:I, s:I, s:I}", "open", COUNT(connections_open), "total",
                                  COUNT(connections_total), "refused", COUNT(connections_refused),
                                  "waiting", COUNT(connections_waiting)));
    json_object_set_new(object, "bytes",
                        json_pack("{s:I, s:I}", "in", COUNT(bytes_in), "out", COUNT(bytes_out)));
    json_object_set_new(object, "counters", report_counters(c));
}

static void add_counters(struct counters *sum, const struct counters *counters)
{
#define COUNTER_ROW(name, kind, help) counter_add(&sum->name, counter_get(&counters->name));
#include "control/counters.def"
#undef COUNTER_ROW
}

static void add_part(struct sum *sum, const struct tunnel *part)
{
    for (struct link *link = part->owner.links; link; link = link->next) {
        bool is_up = link->state == LINK_READY;
        json_t *one = report_link(link);
        json_array_append_new(sum->associations, one);
        if (!sum->first || (is_up && !sum->is_up))
            sum->first = one;
        sum->is_up |= is_up;
    }
    add_counters(&sum->counters, &part->counters);
    for (size_t i = 0; i < part->config->service_count; i++) {
        const struct service *service = &part->services.list[i].service;
        sum->services[i].open += counter_get(&service->open);
        sum->services[i].total += counter_get(&service->total);
        sum->services[i].refused += counter_get(&service->refused);
    }
}

static void report_associations(json_t *object, const struct tunnel *tunnel, struct sum *sum)
{
    json_t *first = sum->first;
    enum tunnel_state state = tunnel_state(tunnel);
    bool closing = first && !sum->is_up && state == TUNNEL_UP;
    json_object_set_new(object, "state",
                        json_string(sum->is_up ? "up"
                                    : closing  ? "closing"
                                               : tunnel_states[state]));
    json_object_set_new(object, "waits_for",
                        *tunnel->waits_for ? json_string(tunnel->waits_for) : json_null());
    json_object_set(object, "association", first ? first : json_null());
    json_object_set(object, "tls", first ? json_object_get(first, "tls") : json_null());
    json_object_set(object, "peer", first ? json_object_get(first, "peer") : json_null());
    json_object_set(object, "associations", sum->associations);
}

/* Each address once: two transports have the same ones. */
static void report_addresses(json_t *local, struct transport *transport)
{
    const struct address *address;
    for (size_t i = 0; (address = transport_local_at(transport, i)); i++) {
        char text[ADDRESS_TEXT_MAX];
        bool known = false;
        address_format(address, text);
        for (size_t j = 0; j < json_array_size(local); j++)
            known |= strcmp(json_string_value(json_array_get(local, j)), text) == 0;
        if (!known)
            json_array_append_new(local, json_string(text));
    }
}

/* On the worker of the first part. */
static json_t *report_tunnel(const struct tunnel *tunnel, struct sum *sum)
{
    const struct config_tunnel *config = tunnel->config;
    json_t *object = json_pack("{s:s, s:s, s:s}", "name", config->name, "role",
                               config->role == CONFIG_CLIENT ? "client" : "server", "transport",
                               config->transport);
    json_t *local = json_array(), *services = json_array();
    for (size_t i = 0; i < tunnel->endpoints.count; i++)
        report_addresses(local, tunnel->endpoints.list[i].transport);
    json_object_set_new(object, "local", local);
    report_associations(object, tunnel, sum);
    report_counts(object, &sum->counters);
    for (size_t i = 0; i < config->service_count; i++)
        json_array_append_new(services,
                              report_service(&tunnel->services.list[i], &sum->services[i]));
    json_object_set_new(object, "services", services);
    if (config->role == CONFIG_SERVER)
        json_object_set_new(object, "identities", report_identities(tunnel));
    return object;
}

static json_t *report_cache(struct tls_client_cache *cache)
{
    struct tls_client_cache_statistics s;
    tls_client_cache_statistics(cache, &s);
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "servers", (json_int_t)s.peers,
                     "tickets", (json_int_t)s.tickets, "hits", (json_int_t)s.hits, "misses",
                     (json_int_t)s.misses, "stored", (json_int_t)s.stored, "expired",
                     (json_int_t)s.expired, "evicted", (json_int_t)s.evicted, "refused",
                     (json_int_t)s.refused);
}

static json_t *report_store(struct tls_store *store)
{
    struct tls_store_statistics s;
    tls_store_statistics(store, &s);
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "entries", (json_int_t)s.entries,
                     "bytes", (json_int_t)s.bytes, "hits", (json_int_t)s.hits, "misses",
                     (json_int_t)s.misses, "stored", (json_int_t)s.stored, "expired",
                     (json_int_t)s.expired, "evicted", (json_int_t)s.evicted, "refused",
                     (json_int_t)s.refused);
}

static json_t *report_redis(struct tls_store_redis *redis)
{
    struct tls_store_redis_statistics s;
    if (!redis)
        return json_null();
    tls_store_redis_statistics(redis, &s);
    return json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "connected", (int)s.is_connected,
                     "hits", (json_int_t)s.hits, "misses", (json_int_t)s.misses, "timeouts",
                     (json_int_t)s.timeouts, "unavailable", (json_int_t)s.unavailable,
                     "not_accepted", (json_int_t)s.not_accepted, "stored", (json_int_t)s.stored,
                     "dropped", (json_int_t)s.dropped);
}

static json_t *report_sessions(const struct sessions *sessions)
{
    return json_pack("{s:o, s:o, s:o}", "cache", report_cache(sessions->cache), "store",
                     report_store(sessions->store), "redis", report_redis(sessions->redis));
}

/* null: nothing was read again yet. */
static json_t *report_record(const struct reload_record *record)
{
    char at[32];
    struct tm parts;
    if (!record->at)
        return json_null();
    strftime(at, sizeof at, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&(time_t){record->at}, &parts));
    return json_pack("{s:I, s:I, s:s, s:b, s:o}", "done", (json_int_t)record->done, "failed",
                     (json_int_t)record->failed, "at", at, "fine", (int)record->is_fine, "failure",
                     printable(record->failure));
}

static json_t *report_reloads(const struct reload *reload)
{
    if (!reload)
        return json_null();
    return json_pack("{s:o, s:o}", "configuration", report_record(reload_of_config(reload)),
                     "redis_keys", report_record(reload_of_store_keys(reload)));
}

struct question {
    const struct tunnel *tunnel;
    struct sum sum;
    json_t *answer;
};

static void answer_part(void *argument)
{
    struct question *question = argument;
    add_part(&question->sum, question->tunnel);
}

static void answer_first(void *argument)
{
    struct question *question = argument;
    add_part(&question->sum, question->tunnel);
    question->answer = report_tunnel(question->tunnel, &question->sum);
}

/* The first part comes last: it has what is the tunnel's. */
static json_t *ask(const struct tunnel *tunnel)
{
    struct question question = {
        .sum = {.associations = json_array(),
                .services = check_alloc((tunnel->config->service_count + 1) *
                                        sizeof *question.sum.services)}};
    for (struct tunnel *part = tunnel->next_part; part; part = part->next_part) {
        question.tunnel = part;
        worker_call(part->base.home, answer_part, &question);
    }
    question.tunnel = tunnel;
    worker_call(tunnel->base.home, answer_first, &question);
    json_decref(question.sum.associations);
    free(question.sum.services);
    return question.answer;
}

char *status_report_answer(struct admin_handler *handler, const char *request)
{
    struct process *process = container_of(handler, struct process, admin.handler);
    if (strcmp(request, "status") != 0)
        return NULL;
    uint64_t uptime = (clock_us() - process->started_us) / 1000000;
    json_t *tunnels = json_array();
    for (size_t i = 0; i < process->tunnel_count; i++) {
        const struct tunnel *tunnel = process->tunnels[i];
        json_t *answer = ask(tunnel);
        json_object_set_new(answer, "reload",
                            process->reload
                                ? report_record(reload_of_tunnel(process->reload, tunnel))
                                : json_null());
        json_array_append_new(tunnels, answer);
    }
    json_t *report = json_pack(
        "{s:s, s:I, s:I, s:I, s:b, s:o, s:o, s:o, s:o}", "version", HAWSER_VERSION, "pid",
        (json_int_t)getpid(), "uptime_s", (json_int_t)uptime, "threads",
        (json_int_t)process->shared.worker_count, "draining", (int)process->end.draining,
        "sessions", report_sessions(&process->sessions), "reloads", report_reloads(process->reload),
        "memory", report_memory(&process->budget), "tunnels", tunnels);
    char *text = json_dumps(report, JSON_COMPACT);
    json_decref(report);
    return text;
}
