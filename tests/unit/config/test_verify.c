/* Checks across options: names, addresses, services, tunnels. */
#include "config/verify.h"

#include "tests/lib/tap.h"
#include "tests/unit/config/fixture.h"

static struct fixture fixture;
#define services_say(text, line)                                                                   \
    ok(fixture_client_says(&fixture, "services = (\n" text "\n);", line), "%s", line)

static void test_addresses(void)
{
    ok(fixture_says(&fixture, "tunnels = ( { role = \"client\"; tls = {\npeer = \"h:99\"; }; } );",
                    "2: tls.peer = \"h:99\" is not a name; write the DNS name or IP address in the "
                    "server's certificate, without a port"),
       "a peer with a port");
    struct config *config = fixture_load(
        &fixture,
        "tunnels = ( { name = \"t\"; role = \"client\"; remote = [ \"127.0.0.1:1\", \"h:2\" ];"
        "tls = { ca = \"ca.pem\"; cert = \"a.pem\"; key = \"a.key\"; peer = \"::1\"; };"
        "services = (); } );");
    ok(config && config->tunnels[0].remote_count == 2, "several remotes, and a peer by address");
    config_free(config);
}

static void test_services(void)
{
    services_say("{ name = \"a\"; connect = \"h:1\"; },\n{ name = \"a\"; connect = \"h:2\"; }",
                 "5: service \"a\" is defined twice, first in line 4; give each its own name");
    services_say("{ name = \"a\"; listen = \"127.0.0.1:80\"; },\n"
                 "{ name = \"b\"; listen = \"0.0.0.0:80\"; }",
                 "5: \"0.0.0.0:80\" is taken already, by \"127.0.0.1:80\" in line 4; use another "
                 "port");
    services_say("{ name = \"a\"; listen = \"unix:s\"; },\n{ name = \"b\"; listen = \"unix:s\"; }",
                 "5: \"unix:s\" is taken already, by \"unix:s\" in line 4; use another path");
    services_say("{ name = \"a\"; listen = \"127.0.0.1:0\"; },\n"
                 "{ name = \"b\"; listen = \"127.0.0.1:0\"; socket_mode = \"0660\"; }",
                 "5: warning: socket_mode has no effect here; it is for listen = \"unix:…\"");
    services_say("{ name = \"a\"; listen = \"127.0.0.1:0\";\nconnect_timeout = 3; }",
                 "5: warning: connect_timeout has no effect with listen; it belongs to the end "
                 "with connect");
    services_say("{ name = \"a\"; connect = \"h:1\"; streams = { min = 3; max = 2; }; }",
                 "4: streams.min = 3 is more than streams.max = 2; lower min or raise max");
    services_say("{ name = \"a\"; connect = \"h:1\"; streams = { max = 3000; }; }",
                 "4: warning: streams.max = 3000 is more than the tunnel's streams.max = 2048 (its "
                 "default); the tunnel's "
                 "streams.max decides");
    ok(fixture_client_says(&fixture,
                           "streams = { max = 20; }; services = (\n"
                           "{ name = \"a\"; connect = \"h:1\"; streams = { min = 12; }; },\n"
                           "{ name = \"b\"; connect = \"h:1\"; streams = { min = 9; }; } );",
                           "3: the services reserve 21 streams (the sum of streams.min), but "
                           "streams.max = 20; raise it or reserve fewer"),
       "the services keep more streams than there are");
    ok(fixture_client_says(&fixture,
                           "streams = { max = 20; }; services = (\n"
                           "{ name = \"a\"; listen = \"127.0.0.1:0\"; streams = { min = 20; }; },\n"
                           "{ name = \"b\"; listen = \"127.0.0.1:0\"; } );",
                           "3: the services reserve 20 streams (the sum of streams.min) and others "
                           "need some too, but streams.max = 20; raise it or reserve fewer"),
       "the services keep all streams from one that keeps none");
    ok(fixture_client_says(&fixture, "",
                           "1: warning: the tunnel has no services, so nothing can go through it; "
                           "write services = ( { … } );"),
       "no services");
    struct config *config = fixture_load_client(
        &fixture, "services = ( { name = \"a\"; connect = \"h:1\"; streams = { min = 2; }; } );");
    ok(config && config->tunnels[0].services[0].streams.max == 2048,
       "a map without max may take all of the tunnel");
    config_free(config);
}

static void test_tunnels(void)
{
    static const char two[] = "tunnels = ( { name = \"t\"; role = \"server\";\nlocal = "
                              "\"127.0.0.1:9899\"; " FIXTURE_TLS_SERVER " services = (); },\n"
                              "{ name = \"t\"; role = \"server\";\nlocal = \"0.0.0.0:9899\";\n"
                              "tls = { ca = \"ca.pem\"; cert = \"a.pem\"; key = \"a.key\"; }; "
                              "services = (); } );";
    ok(fixture_says(&fixture, two,
                    "3: tunnel \"t\" is defined twice, first in line 1; give each its own name"),
       "two tunnels of one name");
    ok(fixture_says(&fixture, two,
                    "4: \"0.0.0.0:9899\" is taken already, by \"127.0.0.1:9899\" in line 2; use "
                    "another port"),
       "two tunnels on one port");
    ok(fixture_says(&fixture, two,
                    "5: warning: the tunnel has no tls.allow: every certificate of the CA is "
                    "accepted; write allow = [ \"name of the client\" ];"),
       "a server that takes every certificate");
    config_free(fixture_load(&fixture, "admin = { socket = \"none/a.sock\"; };"));
    ok(strstr(fixture.said, ":1: warning: admin.socket: cannot use the directory ") &&
           strstr(fixture.said, "/none: No such file or directory"),
       "a socket in a missing directory");
}

int main(void)
{
    fixture_init(&fixture);
    test_addresses();
    test_services();
    test_tunnels();
    fixture_fini(&fixture);
    return tap_done();
}
