/* The report of `hawser status --json`: every member, in every state of a tunnel, and its counts.
 */
#include "proxy/daemon/status_report.h"

#include <jansson.h>

#include "proxy/daemon/process.h"
#include "tests/unit/proxy/bed.h"

/* The report of the process that has this side as its only tunnel. */
static json_t *ask(struct side *side)
{
    struct process process = {
        .shared = {.workers = side->workers, .worker_count = side->worker_count},
        .tunnels = &side->tunnel,
        .tunnel_count = 1,
        .sessions = side->sessions,
        .started_us = loop_now(side->workers[0].loop) - 5000000};
    char *text = status_report_answer(&process.admin.handler, "status");
    must(text);
    json_t *report = json_loads(text, 0, NULL);
    free(text);
    must(report);
    return report;
}

static json_t *report_of_tunnel(json_t *report)
{
    return json_array_get(json_object_get(report, "tunnels"), 0);
}

/* The member at a path of names and numbers: "association.paths.0.state". NULL: not there. */
static json_t *at(json_t *object, const char *path)
{
    char words[128], *save, *word;
    snprintf(words, sizeof words, "%s", path);
    for (word = strtok_r(words, ".", &save); word && object; word = strtok_r(NULL, ".", &save))
        object = *word >= '0' && *word <= '9' ? json_array_get(object, (size_t)atoi(word))
                                              : json_object_get(object, word);
    return object;
}

static bool is_text(json_t *object, const char *path, const char *text)
{
    const char *value = json_string_value(at(object, path));
    return value && strcmp(value, text) == 0;
}

static bool state_is(struct side *side, const char *state)
{
    json_t *report = ask(side);
    bool is = is_text(report_of_tunnel(report), "state", state);
    json_decref(report);
    return is;
}

/* Missing members and members of another type, counted and named. */
static void has_members(json_t *object, const char *what, const char *const *paths, json_type type)
{
    bool all = true;
    for (; *paths; paths++) {
        json_t *member = at(object, *paths);
        if (!member || json_typeof(member) != type) {
            tap_note("%s is missing or of another type", *paths);
            all = false;
        }
    }
    ok(all, "%s", what);
}

static const char *const texts[] = {"name",
                                    "role",
                                    "transport",
                                    "state",
                                    "peer",
                                    "association.id",
                                    "association.transport",
                                    "association.scheduler",
                                    "association.paths.0.address",
                                    "association.paths.0.local",
                                    "association.paths.0.state",
                                    "tls.version",
                                    "tls.cipher",
                                    "tls.identity",
                                    "services.0.name",
                                    NULL};
static const char *const numbers[] = {"association.streams",
                                      "association.retransmissions",
                                      "association.paths.0.rtt_us",
                                      "association.paths.0.congestion_window",
                                      "association.paths.0.mtu",
                                      "children.started",
                                      "children.ready",
                                      "children.resumed",
                                      "children.full",
                                      "children.failed",
                                      "connections.open",
                                      "connections.total",
                                      "connections.refused",
                                      "connections.waiting",
                                      "bytes.in",
                                      "bytes.out",
                                      "services.0.open",
                                      "services.0.total",
                                      "services.0.refused",
                                      "counters.masters_renewed",
                                      "counters.path_changes",
                                      "counters.failovers",
                                      "counters.failures_not_resumed",
                                      "tls.resumable_s",
                                      NULL};

static void check_side(struct side *side, bool client)
{
    json_t *report = ask(side), *tunnel = report_of_tunnel(report);
    has_members(tunnel, client ? "client: texts" : "server: texts", texts, JSON_STRING);
    has_members(tunnel, "numbers", numbers, JSON_INTEGER);
    ok(json_is_false(at(tunnel, "tls.master_resumed")), "master_resumed is a truth value");
    ok(is_text(tunnel, "role", client ? "client" : "server") &&
           is_text(tunnel, "name", client ? "near" : "far") &&
           is_text(tunnel, "transport", "memory") && is_text(tunnel, "state", "up") &&
           is_text(tunnel, "peer", client ? "server.example" : "client.example"),
       "who it is and whom it talks to");
    ok(is_text(tunnel, "tls.version", "TLS1.3") &&
           is_text(tunnel, "association.transport", "memory") &&
           json_is_true(at(tunnel, "association.paths.0.in_use")),
       "how");
    ok(json_integer_value(at(tunnel, "association.streams")) == 8 &&
           strlen(json_string_value(at(tunnel, "association.id"))) == 32,
       "in which association");
    ok(json_integer_value(at(tunnel, "children.resumed")) == 4 &&
           json_integer_value(at(tunnel, "children.ready")) == 4,
       "with how many children");
    ok(json_integer_value(at(tunnel, "connections.open")) == 1 &&
           json_integer_value(at(tunnel, "connections.total")) == 2 &&
           json_integer_value(at(tunnel, "services.0.open")) == 1,
       "and connections");
    ok(json_integer_value(at(tunnel, client ? "bytes.in" : "bytes.out")) == 2200 &&
           json_integer_value(at(tunnel, client ? "bytes.out" : "bytes.in")) ==
               1100 + 2 * ENDS_NUMBER,
       "and bytes, also of connections that are open");
    ok(json_is_string(at(tunnel, client ? "services.0.listen" : "services.0.connect")) &&
           !at(tunnel, client ? "services.0.connect" : "services.0.listen"),
       "a service listens or connects");
    ok(strstr(json_string_value(at(tunnel, "tls.identity")),
              client ? "dns \"server.example\", sha256:" : "dns \"client.example\", sha256:"),
       "by which names and key the peer is known");
    ok(json_integer_value(at(tunnel, "tls.resumable_s")) > 3500, "how long children can resume");
    ok(json_integer_value(at(report, "sessions.cache.tickets")) == (client ? 1 : 0) &&
           json_integer_value(at(report, "sessions.cache.misses")) == (client ? 1 : 0) &&
           json_integer_value(at(report, "sessions.store.entries")) == 0 &&
           json_is_null(at(report, "sessions.redis")),
       "the stock of tickets is the process's");
    ok(json_integer_value(at(report, "uptime_s")) == 5 &&
           json_integer_value(at(report, "pid")) == getpid() && at(report, "version"),
       "the process has its own members");
    json_decref(report);
}

static void up(void)
{
    struct bed bed;
    bed_init(&bed, 2, 2, false);
    bed_start(&bed);
    bed_up(&bed);
    struct pair *gone = bed_connect(&bed, end_sends(1000), end_sends(2000));
    bed_reach(&bed, pair_is_complete(gone) && !bed_open_connections(&bed));
    struct pair *open = bed_connect(&bed, end_holds(100), end_holds(200));
    bed_reach(&bed, open->target && open->client.received == 200 && open->target->received == 100);
    check_side(&bed.client, true);
    check_side(&bed.server, false);
    json_t *client = ask(&bed.client), *server = ask(&bed.server);
    ok(json_equal(at(report_of_tunnel(client), "association.id"),
                  at(report_of_tunnel(server), "association.id")),
       "both ends name the association alike");
    char text[ADDRESS_TEXT_MAX];
    ok(is_text(report_of_tunnel(client), "services.0.listen",
               address_format(side_listener(&bed.client, 0), text)),
       "a listener tells the port that it took");
    ok(is_text(report_of_tunnel(server), "local.0",
               address_format(&bed.client.remote.address, text)),
       "and the server where it waits for peers");
    json_decref(client);
    json_decref(server);
    bed_fini(&bed);
}

static void states(void)
{
    struct bed bed;
    bed_init(&bed, 1, 1, false);
    bed.client.config.reconnect.min_us = bed.client.config.reconnect.max_us = 30000;
    bed.server.local.address = bed.client.remote.address = bed_loopback(32000);
    memory_set_faults(&(struct memory_faults){.delay_us = 5000});
    side_start(&bed.client);
    ok(state_is(&bed.client, "connecting"), "a client connects");
    bed_expect(&bed, state_is(&bed.client, "waiting"), "and waits when it is refused");
    json_t *report = ask(&bed.client);
    ok(json_is_null(at(report_of_tunnel(report), "association")) &&
           json_is_null(at(report_of_tunnel(report), "peer")),
       "it has no association then");
    json_decref(report);
    side_start(&bed.server);
    ok(state_is(&bed.server, "listening"), "a server listens");
    bed_expect(&bed, state_is(&bed.client, "up") && state_is(&bed.server, "up"), "both are up");
    link_close(side_link(&bed.client), ERR_INTERNAL, "test", true);
    ok(state_is(&bed.client, "closing"), "an association that closes is not up");
    bed_expect(&bed, !state_is(&bed.client, "closing"), "it goes");
    bed_expect(&bed, state_is(&bed.server, "listening"), "the server listens again");
    bed_expect(&bed, state_is(&bed.client, "up") && state_is(&bed.server, "up"), "up again");
    side_stop(&bed.server);
    bed_expect(&bed, !state_is(&bed.client, "up"), "the server has gone");
    bed_fini(&bed);
}

/* Texts that JSON does not take hide nothing. */
static void odd_names(void)
{
    struct bed bed;
    bed_init(&bed, 1, 1, false);
    struct config_service *service =
        side_add_service(&bed.server, "odd", CONFIG_CONNECT, bed_loopback(1));
    free(service->endpoint.text);
    service->endpoint.text = check_strdup("unix:/run/\xff\xfe.sock");
    bed_start(&bed);
    bed_up(&bed);
    snprintf(side_link(&bed.server)->peer.name, TLS_NAME_MAX, "evil\xff\n\"name");
    json_t *report = ask(&bed.server);
    json_t *tunnel = report_of_tunnel(report);
    ok(is_text(tunnel, "peer", "evil??\"name") && json_is_object(at(tunnel, "association")),
       "a peer whose name is no text");
    ok(is_text(tunnel, "services.1.name", "odd") &&
           is_text(tunnel, "services.1.connect", "unix:/run/??.sock"),
       "a path that is no text");
    json_decref(report);
    bed_fini(&bed);
}

static void other_requests(void)
{
    struct bed bed;
    bed_init(&bed, 1, 1, false);
    bed_start_server(&bed);
    struct process process = {.shared = {.workers = bed.server.workers, .worker_count = 1},
                              .sessions = bed.server.sessions};
    ok(!status_report_answer(&process.admin.handler, "") &&
           !status_report_answer(&process.admin.handler, "statuses"),
       "other requests have no answer");
    char *text = status_report_answer(&process.admin.handler, "status");
    ok(text && strstr(text, "\"tunnels\":[]"), "a process without tunnels has one");
    free(text);
    bed_fini(&bed);
}

int main(void)
{
    bed_main_begin();
    up();
    states();
    odd_names();
    other_requests();
    message_cache_clear();
    return tap_done();
}
