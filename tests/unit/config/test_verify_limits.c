/* Limits that depend on other options. */
#include "config/verify.h"

#include "tests/lib/tap.h"
#include "tests/unit/config/fixture.h"

static struct fixture fixture;

#define SERVER                                                                                     \
    "tunnels = ( { name = \"t\"; role = \"server\"; local = \"127.0.0.1:1\"; services = ();"       \
    "tls = { ca = \"ca.pem\"; cert = \"a.pem\"; key = \"a.key\"; allow = [ \"a\" ]; };\n"

static void says(const char *before, const char *more, const char *line)
{
    char text[2048];
    snprintf(text, sizeof text, "%s" SERVER "%s } );", before, more);
    ok(fixture_says(&fixture, text, line), "%s", line);
}

#define client_says(more, line)                                                                    \
    ok(fixture_client_says(&fixture, more FIXTURE_SERVICES, line), "%s", line)

static void test_pairs(void)
{
    client_says(
        "streams = { initial = 3000; }; ",
        "3: streams.initial = 3000 is more than streams.max = 2048 (its default); raise max or "
        "lower initial");
    client_says("streams = { initial = 9; max = 8; }; ",
                "3: streams.initial = 9 is more than streams.max = 8; raise max or lower initial");
    client_says(
        "window = { initial = 70000; max = 65536; }; ",
        "3: window.initial = 70000 is more than window.max = 65536; raise max or lower initial");
    client_says("reconnect = { min = 40; max = 30; }; ",
                "3: reconnect.min = 40 is more than reconnect.max = 30; swap them");
    client_says("heartbeat = 20; ",
                "3: heartbeat = 20 is not less than dead_after = 15 (its default); a peer would "
                "be given up before it can answer");
    client_says("dead_after = 1; ",
                "3: heartbeat = 1 (its default) is not less than dead_after = 1; a peer would be "
                "given up before it can answer");
    struct config *config =
        fixture_load_client(&fixture, "streams = { max = 8; }; window = { max = 65536; }; "
                                      "reconnect = { min = 2; };" FIXTURE_SERVICES);
    ok(config && config->tunnels[0].streams.initial == 8 &&
           config->tunnels[0].window.initial == 65536 &&
           config->tunnels[0].reconnect.max_us == 2000000,
       "a default gives way to what is given");
    config_free(config);
}

static void test_clock(void)
{
    client_says(
        "paths = { rto_min = 0.6; }; ",
        "3: paths.rto_min = 0.6 is more than paths.rto_initial = 0.5 (its default); the order is "
        "rto_min, rto_initial, rto_max");
    client_says("paths = { rto_initial = 3; rto_max = 2; }; ",
                "3: paths.rto_initial = 3 is more than paths.rto_max = 2; the order is rto_min, "
                "rto_initial, rto_max");
    client_says(
        "paths = { rto_initial = 0.1; }; ",
        "3: paths.rto_min = 0.2 (its default) is more than paths.rto_initial = 0.1; the order is "
        "rto_min, rto_initial, rto_max");
    client_says("paths = { rto_max = 20; }; ",
                "3: warning: paths.rto_max = 20 is more than dead_after = 15 (its default); the "
                "peer would be given "
                "up before it is tried again");
    client_says("paths = { failing_after = 4; }; ",
                "3: paths.failing_after = 4 is more than paths.max_retransmissions = 3 (its "
                "default); a path is failing "
                "before it is inactive: lower it");
    client_says("paths = { pathmaxrxt = 4; }; ",
                "3: paths.pathmaxrxt is not known in paths; did you mean max_retransmissions?");
    client_says("rto_min = 1; ",
                "3: rto_min is not known in a tunnel; it belongs in paths = { … }");
    struct config *config = fixture_load_client(&fixture, FIXTURE_SERVICES);
    const struct config_tunnel *t = config->tunnels;
    ok(t->sctp.rto_min_us == 200000 && t->sctp.rto_initial_us == 500000 &&
           t->sctp.rto_max_us == 10000000 && t->sctp.path_retransmissions == 3 &&
           !t->sctp.failing_after && t->sctp.association_retransmissions == 10 &&
           !t->sctp.encap_port && !t->sctp.auth && !t->sctp.buffer,
       "the defaults");
    config_free(config);
    config = fixture_load_client(&fixture, "heartbeat = 0.1; dead_after = 1;" FIXTURE_SERVICES);
    t = config->tunnels;
    ok(t->sctp.rto_min_us == 62500 && t->sctp.rto_initial_us == 250000 &&
           t->sctp.rto_max_us == 666666,
       "they give way to a short dead_after");
    config_free(config);
}

static void test_defaults(void)
{
    struct config *config =
        fixture_load(&fixture, SERVER "max_peers = 100; streams = { max = 50; }; } );");
    const struct config_identity *identity = config ? &config->tunnels[0].identity : NULL;
    ok(identity && identity->max_associations == 50 && identity->max_streams == 400 &&
           identity->max_connections == 400 && identity->memory == 201326592,
       "what one identity may take follows from what all may");
    config_free(config);
    config = fixture_load(&fixture, SERVER "} );");
    ok(config && config->tunnels[0].streams.max == 8192 &&
           config->tunnels[0].identity.max_associations == 256,
       "a server allows more streams than a client asks for");
    config_free(config);
    config = fixture_load(&fixture, SERVER "max_peers = 1; } );");
    ok(config && config->tunnels[0].identity.max_associations == 1, "one at least");
    config_free(config);
}

int main(void)
{
    fixture_init(&fixture);
    test_defaults();
    test_pairs();
    test_clock();
    says("", "max_peers = 8; identity = { max_associations = 9; };",
         "2: warning: identity.max_associations = 9 is more than max_peers = 8; max_peers decides");
    says("", "identity = { max_connections = 9; max_streams = 8; };",
         "2: warning: identity.max_connections = 9 is more than identity.max_streams = 8; each "
         "connection "
         "takes a stream: raise max_streams");
    says("", "identity = { memory = 268435457; };",
         "2: warning: identity.memory = 268435457 is more than memory_limit = 268435456 (its "
         "default); "
         "memory_limit decides");
    says("memory_limit = 4194304; ", "",
         "1: warning: memory_limit = 4194304 leaves room for 1024 connections, fewer than "
         "streams.max = 8192 (its default) of tunnel \"t\"; raise it, or lower streams.max");
    fixture_fini(&fixture);
    return tap_done();
}
