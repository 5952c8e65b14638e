/* Checks of addresses: families, ports, none twice. */
#include "config/verify.h"

#include "tests/lib/tap.h"
#include "tests/unit/config/fixture.h"

static struct fixture fixture;
#define says(more, line) ok(fixture_client_says(&fixture, more FIXTURE_SERVICES, line), "%s", line)

static void test_families(void)
{
    says("local = \"[::1]:0\"; ", "1: remote \"127.0.0.1:1\" cannot be reached from local "
                                  "\"[::1]:0\"; both must be IPv4 or both IPv6");
    says("local = [ \"127.0.0.1:0\", \"[::1]:0\" ]; ",
         "3: warning: local \"[::1]:0\" leads nowhere: no remote is IPv6; remove it, or add such "
         "a remote");
}

static void test_lists(void)
{
    says("local = [ \"127.0.0.1:0\", \"127.0.0.1:0\" ]; ",
         "3: local has \"127.0.0.1:0\" twice; a path begins or ends at each address once: keep "
         "one of them");
    says("local = [ \"127.0.0.1:5\", \"0.0.0.0:5\" ]; ",
         "3: local has \"0.0.0.0:5\", which stands for every address of this host, beside "
         "\"127.0.0.1:5\"; keep the first one alone, or write each address");
    says("transport = \"kernel\"; local = [ \"127.0.0.1:5\", \"127.0.0.2:6\" ]; ",
         "3: local has port 5 and port 6, but the kernel's SCTP has one port at all addresses of "
         "an end; use one port, or transport = \"udp\"");
    ok(fixture_says(&fixture,
                    "tunnels = ( { role = \"client\"; transport = \"auto\";\n"
                    "remote = [ \"h:1\", \"10.0.0.1:2\", \"h:1\" ]; } );",
                    "2: remote has \"h:1\" twice; a path begins or ends at each address once: keep "
                    "one of them"),
       "a name twice");
    ok(fixture_says(&fixture,
                    "tunnels = ( { role = \"client\"; transport = \"auto\";\n"
                    "remote = [ \"h:1\", \"10.0.0.1:2\" ]; } );",
                    "2: remote has port 1 and port 2, but the kernel's SCTP has one port at all "
                    "addresses of an end; use one port, or transport = \"udp\""),
       "ports of names count too");
    struct config *config = fixture_load_client(
        &fixture, "local = [ \"127.0.0.1:5\", \"127.0.0.2:6\" ];" FIXTURE_SERVICES);
    ok(config && !*fixture.said && config->tunnels[0].local_count == 2,
       "a client with two addresses, and two ports with transport udp");
    config_free(config);
}

/* SCTP's ports are not UDP's. */
static void test_two_transports(void)
{
    struct config *config = fixture_load(
        &fixture, "tunnels = ( { name = \"a\"; role = \"server\"; local = \"127.0.0.1:9899\"; "
                  "transport = \"kernel\"; " FIXTURE_TLS_SERVER FIXTURE_SERVICES " },"
                  "{ name = \"b\"; role = \"server\"; local = \"127.0.0.1:9899\"; "
                  "transport = \"udp\"; " FIXTURE_TLS_SERVER FIXTURE_SERVICES " } );");
    ok(config && !*fixture.said, "kernel and udp at the same port");
    config_free(config);
}

int main(void)
{
    fixture_init(&fixture);
    test_families();
    test_lists();
    test_two_transports();
    fixture_fini(&fixture);
    return tap_done();
}
