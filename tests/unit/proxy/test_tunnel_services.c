/* A service that listens at the server: which of several clients takes its connections. */
#include <sys/stat.h>

#include "tests/unit/proxy/bed.h"

static char *client_only[] = {(char *)(uintptr_t) "client.example"};
static char *other_only[] = {(char *)(uintptr_t) "other.example"};
static char *both[] = {(char *)(uintptr_t) "client.example", (char *)(uintptr_t) "other.example"};
static char *pattern[] = {(char *)(uintptr_t) "*.peers.example"};

#define BACK 1 /* index of the service, at every side */

static void replace(char **text, char *with)
{
    free(*text);
    *text = with;
}

static void allow(struct config_service *service, char **names, size_t count)
{
    service->allow.list = names;
    service->allow.count = count;
}

/* Two clients, client and other, both let in and both connecting "back". */
static void init(struct bed *bed, unsigned workers)
{
    bed_init(bed, 1, workers, false);
    side_init(&bed->second, bed, CONFIG_CLIENT, 1);
    side_add_service(&bed->second, "echo", CONFIG_LISTEN, bed_loopback(0));
    replace(&bed->second.config.tls.cert, certificates_path("other.pem"));
    replace(&bed->second.config.tls.key, certificates_path("other.key"));
    bed->server.config.tls.allow.list = both;
    bed->server.config.tls.allow.count = 2;
    side_add_service(&bed->server, "back", CONFIG_LISTEN, bed_loopback(0));
    side_add_service(&bed->client, "back", CONFIG_CONNECT, bed->ends.address);
    side_add_service(&bed->second, "back", CONFIG_CONNECT, bed->ends.address);
}

static void start(struct bed *bed)
{
    bed_start(bed);
    bed_up(bed);
    bed->second.remote.address = bed->client.remote.address;
    side_start(&bed->second);
    bed_expect(bed, side_is_up(&bed->second) && side_count(&bed->server, associations_up) == 2,
               "both clients are up");
}

static struct pair *back(struct bed *bed, struct end_plan plan)
{
    return ends_connect(&bed->ends, side_listener(&bed->server, BACK), plan, plan);
}

static uint64_t taken(const struct side *side)
{
    return counter_get(&side->tunnel->services.list[BACK].service.total);
}

static bool has_come(const struct pair *pair)
{
    return pair->target && pair->client.received == 10 && pair->target->received == 10;
}

/* A new rule, as a reload brings it. */
static void set_rules(struct bed *bed, const struct config_service *rules)
{
    atomic_store(&bed->server.tunnel->services.list[BACK].service.rules, rules);
    tunnel_services_changed(bed->server.tunnel);
}

static void identity_decides(unsigned workers)
{
    struct bed bed;
    init(&bed, workers);
    allow(&bed.server.services[BACK], client_only, 1);
    start(&bed);
    for (int i = 0; i < 20; i++)
        back(&bed, end_sends(1000));
    bed_expect(&bed, ends_all(&bed.ends, pair_is_complete), "20 connections, %u workers", workers);
    ok(taken(&bed.client) == 20 && taken(&bed.second) == 0, "all by the client that may");
    side_stop(&bed.client);
    struct pair *pair = back(&bed, end_sends(1000));
    bed_expect(&bed, side_count(&bed.server, connections_waiting) == 1, "without it, one waits");
    bed_expect(&bed, pair_is_over(pair), "until its time is over");
    ok(pair->client.got_reset && !pair->target && taken(&bed.second) == 0,
       "and does not go to the other one, who is there");
    bed_fini(&bed);
}

/* The client has one stream: the first connection has it, the second waits in its pool. */
static void rules_change(void)
{
    struct bed bed;
    init(&bed, 2);
    bed.client.config.streams.max = bed.client.config.streams.initial = 1;
    bed.server.config.streams.initial = 1;
    bed.server.config.waiting.timeout_us = BED_PATIENCE_US;
    allow(&bed.server.services[BACK], client_only, 1);
    struct config_service others = bed.server.services[BACK], nobodys = others, all = others;
    allow(&others, other_only, 1);
    allow(&nobodys, pattern, 1);
    allow(&all, both, 2);
    start(&bed);
    struct pair *first = back(&bed, end_holds(10));
    bed_expect(&bed, has_come(first) && taken(&bed.client) == 1, "one connection");
    struct pair *waits = back(&bed, end_holds(10));
    bed_expect(&bed, side_count(&bed.server, connections_waiting) == 1,
               "another waits for a stream");
    set_rules(&bed, &nobodys);
    bed_pause(&bed, 5000);
    ok(side_count(&bed.server, connections_waiting) == 1 && !waits->target &&
           TAILQ_FIRST(&bed.server.tunnel->waiting.parked),
       "when nobody may serve it, it waits in the tunnel");
    set_rules(&bed, &others);
    bed_expect(&bed, has_come(waits), "when somebody else may, it goes through");
    ok(taken(&bed.client) == 1 && taken(&bed.second) == 1, "by the one who may");
    ok(!end_is_closed(&first->client) && !first->client.got_reset, "the first one stays open");
    struct pair *next = back(&bed, end_holds(10));
    bed_expect(&bed, has_come(next) && taken(&bed.second) == 2, "the next one is the other's, too");
    set_rules(&bed, &all);
    ok(services_link(&bed.server.tunnel->services.list[BACK]) != side_link(&bed.server),
       "where both may, it is not the newest but the one that is named first");
    set_rules(&bed, &bed.server.services[BACK]);
    bed_fini(&bed);
}

/* The rule is gone, and more than one is let in: a reload that failed half way must open nothing.
 */
static void no_rule(void)
{
    struct bed bed;
    init(&bed, 1);
    allow(&bed.server.services[BACK], client_only, 1);
    struct config_service none = bed.server.services[BACK];
    allow(&none, NULL, 0);
    start(&bed);
    set_rules(&bed, &none);
    ok(!services_link(&bed.server.tunnel->services.list[BACK]),
       "where several may come and no rule says who, nobody serves it");
    set_rules(&bed, &bed.server.services[BACK]);
    bed_fini(&bed);
    init(&bed, 1);
    bed.server.workers = check_alloc(sizeof *bed.server.workers);
    must(worker_init(bed.server.workers, 0, NULL) == 0);
    ok(!side_make_tunnel(&bed.server) && strstr(bed.server.why, "\"back\" listens at the server"),
       "such a tunnel is not begun: %s", bed.server.why);
    worker_fini(bed.server.workers);
    free(bed.server.workers);
    bed.server.workers = NULL;
    bed_fini(&bed);
}

/* A client that is there twice, because the older association is of a process that has died. */
static void one_identity_twice(void)
{
    struct bed bed;
    init(&bed, 1);
    replace(&bed.second.config.tls.cert, certificates_path("client.pem"));
    replace(&bed.second.config.tls.key, certificates_path("client.key"));
    allow(&bed.server.services[BACK], client_only, 1);
    start(&bed);
    bed.client.frozen = true;
    struct pair *pair = back(&bed, end_holds(10));
    bed_expect(&bed, has_come(pair) && taken(&bed.second) == 1,
               "the newest association of one identity is used");
    bed.client.frozen = false;
    bed_fini(&bed);
}

static void hello(void)
{
    struct bed bed;
    init(&bed, 1);
    replace(&bed.second.services[BACK].name, check_strdup("else"));
    allow(&bed.server.services[BACK], both, 2);
    start(&bed);
    struct link *newest = side_link(&bed.server);
    struct tunnel_service *service = &bed.server.tunnel->services.list[BACK];
    struct link *carrier = services_link(service);
    ok(carrier && carrier != newest, "whose HELLO did not name it has no connections of it");
    side_stop(&bed.client);
    bed_expect(&bed, !services_link(service), "not even if nobody else is there");
    const char *names[] = {"else"};
    free(newest->peer.offered);
    services_offered(&bed.server.tunnel->services, newest, names, 1, false);
    tunnel_services_changed(bed.server.tunnel);
    ok(services_link(service) == newest, "but where HELLO was full, it may have it");
    bed_fini(&bed);
}

static char log_path[64];

static size_t lines_of_log(const char *what)
{
    char line[4096];
    size_t count = 0;
    FILE *log = fopen(log_path, "r");
    must(log);
    while (fgets(line, sizeof line, log))
        count += strstr(line, what) != NULL;
    fclose(log);
    return count;
}

static int begin_log(void)
{
    int before = dup(STDERR_FILENO);
    snprintf(log_path, sizeof log_path, "/tmp/hawser-told-%ld", (long)getpid());
    must(before >= 0 && freopen(log_path, "w", stderr));
    log_set_level(LOG_WARNING);
    return before;
}

static void end_log(int before)
{
    log_set_level(LOG_ERROR);
    fflush(stderr);
    must(dup2(before, STDERR_FILENO) >= 0);
    close(before);
}

/* The peer's HELLO, with this one name. */
static void offer(struct tunnel *tunnel, struct link *link, const char *name)
{
    free(link->peer.offered);
    services_offered(&tunnel->services, link, &name, 1, true);
}

/* Somebody who comes again and again with what he may not serve fills no log. */
static void told_at_a_limit(void)
{
    struct bed bed;
    init(&bed, 1);
    allow(&bed.server.services[BACK], client_only, 1);
    start(&bed);
    int before = begin_log();
    for (int i = 0; i < 200; i++)
        offer(bed.server.tunnel, side_link(&bed.server), "back");
    end_log(before);
    size_t lines = lines_of_log("the peer offers \"back\"");
    ok(lines >= 9 && lines <= 10, "a guest who offers it 201 times has %zu lines in a minute",
       lines);
    ok(lines_of_log("dns \"other.example\"") == lines, "which say who it is");
    unlink(log_path);
    bed_fini(&bed);
}

/* Of many that a pattern lets in, one is enough: no line for each of the others. */
static void told_where_expected(void)
{
    static char *addresses[] = {(char *)(uintptr_t) "*.example.org",
                                (char *)(uintptr_t) "spiffe://example/*"};
    struct bed bed;
    init(&bed, 1);
    allow(&bed.server.services[BACK], both, 2);
    struct config_service many = bed.server.services[BACK];
    allow(&many, addresses, 2);
    start(&bed);
    struct link *link = side_link(&bed.server);
    tls_identity_add_name(link->peer.identity, TLS_NAME_DNS, "a.example.org", 13);
    int before = begin_log();
    offer(bed.server.tunnel, link, "else");
    set_rules(&bed, &many);
    offer(bed.server.tunnel, link, "else");
    end_log(before);
    ok(lines_of_log("far end has no \"connect\" for \"back\"") == 1,
       "who is named and has no such service is told of, one of many that may is not");
    unlink(log_path);
    set_rules(&bed, &bed.server.services[BACK]);
    bed_fini(&bed);
}

int main(void)
{
    bed_main_begin();
    identity_decides(1);
    identity_decides(3);
    rules_change();
    no_rule();
    one_identity_twice();
    hello();
    told_at_a_limit();
    told_where_expected();
    message_cache_clear();
    return tap_done();
}
