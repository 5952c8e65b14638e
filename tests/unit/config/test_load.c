/* Loading whole files: defaults, structure, keys, includes. */
#include "tests/lib/tap.h"
#include "tests/unit/config/fixture.h"

static struct fixture fixture;
#define says(text, line) ok(fixture_says(&fixture, text, line), "%s", line)

static void test_defaults(void)
{
    struct config *config = fixture_load_client(&fixture, FIXTURE_SERVICES);
    if (!ok(config && !*fixture.said, "a small configuration is enough"))
        return;
    const struct config_tunnel *t = &config->tunnels[0];
    ok(config->threads == (uint32_t)sysconf(_SC_NPROCESSORS_ONLN), "a thread for each core");
    ok(config->memory_limit == 268435456 && !config->admin_socket, "top level");
    ok(t->role == CONFIG_CLIENT && t->streams.initial == 16 && t->streams.max == 2048, "streams");
    ok(t->window.initial == 262144 && t->window.max == 33554432, "window");
    ok(t->waiting.max == 4096 && t->waiting.timeout_us == 10000000, "waiting");
    ok(t->reconnect.min_us == 100000 && t->reconnect.max_us == 500000 &&
           t->reconnect.refused_us == 30000000,
       "reconnect");
    ok(t->sctp.dead_after_us == 15000000 && t->sctp.heartbeat_us == 1000000 && t->sctp.mtu == 0,
       "the path");
    ok(t->tls.resume.ticket_lifetime_us == UINT64_C(21600000000) && t->tls.resume.required, "TLS");
    const struct config_service *service = &t->services[0];
    ok(service->direction == CONFIG_CONNECT && service->keepalive && !service->streams.max,
       "a service without map");
    ok(strcmp(config->directory, fixture.directory) == 0, "the file's directory");
    config_free(config);
}

static void test_structure(void)
{
    says("", "1: the file has no tunnels; write tunnels = ( { … }, { … } );");
    says("tunnels = ();", "1: tunnels has 0 elements; 1 to 256 are allowed");
    says("tunnels = { name = \"x\"; };",
         "1: tunnels must be a list of groups ( { … }, { … } ), not a group { … }; write for "
         "example tunnels = ( { … }, { … } );");
    says("tunnels = ( \"x\" );",
         "1: an element of tunnels must be a group { … }; write tunnels = ( { … }, { … } );");
    says("admin = \"x.sock\";", "1: admin must be a group { … }, not text in quotes; write for "
                                "example admin = { … };");
    says("tunnels = (\n{ role = \"client\"; tls = {}; } );",
         "2: tls has no ca; write ca = \"NAME.pem\"; or identify the peer by pins, known or psk");
    says("tunnels = (\n{ role = \"client\"; tls = {}; } );",
         "2: tls has no peer; write peer = \"…\";");
    says("tunnels = (\n{ role = \"client\"; } );",
         "2: a tunnel has no remote; write remote = [ \"192.0.2.1:9899\" ];");
    says("tunnels = (\n{ role = \"server\"; } );",
         "2: a tunnel has no local; write local = [ \"0.0.0.0:9899\" ];");
    says("tunnels = ( {\n} );", "1: a tunnel has no role; write role = \"client\" or \"server\";");
    ok(!strstr(fixture.said, "remote"), "without a role nothing is asked for that only one needs");
}

static void test_keys(void)
{
    says("threds = 2;", "1: threds is not known at the file's top level; did you mean threads?");
    says("tunnels = ( { ca = \"x\"; } );",
         "1: ca is not known in a tunnel; it belongs in tls = { … }");
    says("a = 1;\na = 2;", "2: a key is given twice in the same place; keep one of them");
    says("a = [ 1, \"x\" ];", "1: the elements of [ … ] are not of one type; write all of them in "
                              "the same way");
    says("threads = 1; # one",
         "1: the last line is a comment without a newline at its end; add one");
    says("a = 1;\nb = ;", "2: b has no value; write b = …;");
    says("tunnels = ( { role = \"client\"; tls = { allow = \"x\"; }; } );",
         "1: tls.allow is only for role = \"server\"; write peer = \"…\" instead");
    says("tunnels = ( { role = \"server\"; tls = { peer = \"x\"; }; } );",
         "1: tls.peer is only for role = \"client\"; write allow = [ … ] instead");
    says("tunnels = ( { role = \"server\"; remote = \"h:1\"; } );",
         "1: remote is only for role = \"client\"; write local = [ … ], or role = \"client\"");
    says("tunnels = ( { services = ( { name = \"a\"; } ); } );",
         "1: a service has neither listen nor connect; write listen = \"…\" where connections are "
         "accepted, connect = \"…\" at the other end");
    says("tunnels = ( { services = ( { listen = \"127.0.0.1:1\"; connect = \"h:1\"; } ); } );",
         "1: a service has both listen and connect; write listen = \"…\" where connections are "
         "accepted, connect = \"…\" at the other end");
}

static void test_all_in_one_run(void)
{
    ok(!fixture_load(&fixture, "threads = 0;\nthreds = 1;\nlog = {\n  level = 1;\n};\n"
                               "tunnels = ( {\n  name = \"t\";\n  role = \"cleint\"; } );\n"),
       "many mistakes: no configuration");
    const char *at = fixture.said;
    unsigned lines[] = {1, 2, 4, 6, 8};
    bool found = true;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char start[128];
        snprintf(start, sizeof start, "%s:%u: ", fixture.file, lines[i]);
        at = strstr(at, start);
        found = found && at;
        at = at ? at : fixture.said;
    }
    ok(found, "all of them are named, in the order of the file");
}

static void test_includes(void)
{
    char expected[256];
    fixture_write(&fixture, "tls.cfg", FIXTURE_TLS_CLIENT "\nmtuu = 1;\n");
    config_free(fixture_load(&fixture, "tunnels = ( { name = \"t\"; role = \"client\";\n"
                                       "@include \"tls.cfg\"\nremote = \"127.0.0.1:1\"; "
                                       "services = (); } );\n"));
    snprintf(expected, sizeof expected,
             "%s/tls.cfg:2: mtuu is not known in a tunnel; did you mean mtu?\n", fixture.directory);
    ok(strcmp(fixture.said, expected) == 0, "a mistake in an included file is named there");
    FILE *out = fmemopen(fixture.said, sizeof fixture.said - 1, "w");
    must(out);
    ok(!config_load("/nonexistent/x.cfg", out, NULL), "a missing file");
    fclose(out);
    ok(strstr(fixture.said, "/nonexistent/x.cfg: cannot read the configuration: No such file"),
       "and what is said about it");
}

int main(void)
{
    fixture_init(&fixture);
    test_defaults();
    test_structure();
    test_keys();
    test_all_in_one_run();
    test_includes();
    fixture_fini(&fixture);
    return tap_done();
}
