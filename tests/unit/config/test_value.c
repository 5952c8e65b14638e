/* Single settings: numbers, words, addresses. */
#include "config/value.h"

#include "base/log.h"
#include "tests/lib/tap.h"
#include "tests/unit/config/fixture.h"

static struct fixture fixture;
#define SERVICE(text)            "services = ( { name = \"w\"; " text " } );"
#define says(more, line)         ok(fixture_client_says(&fixture, more FIXTURE_SERVICES, line), "%s", line)
#define service_says(text, line) ok(fixture_client_says(&fixture, SERVICE(text), line), "%s", line)

static void test_numbers(void)
{
    says("max_peers = 1; ", "3: max_peers is only for role = \"server\"; remove it here");
    says("mtu = \"1500\"; ", "3: mtu must be a whole number, not text in quotes; write for example "
                             "mtu = 1500;");
    says("mtu = 1500.0; ", "3: mtu must be a whole number, not a number with a fraction; write for "
                           "example mtu = 576;");
    says("mtu = 70000; ", "3: mtu = 70000 is out of range; 576 to 65535 bytes is allowed");
    says("mtu = -1; ", "3: mtu = -1 is out of range; 576 to 65535 bytes is allowed");
    says("mtu = 4294968796; ", "3: 4294968796 does not fit into 32 bits; write 4294968796L");
    says("heartbeat = 0.01; ",
         "3: heartbeat = 0.01 is out of range; 0.1 to 600 seconds is allowed");
    says("heartbeat = true; ", "3: heartbeat must be a number of seconds, not true or false; write "
                               "for example heartbeat = 1;");
    says("connect_timeout = 1e999; ",
         "3: connect_timeout = inf is out of range; 0.1 to 600 seconds is allowed");
    service_says("listen = \"127.0.0.1:0\"; keepalive = 1;",
                 "3: keepalive must be true or false, not a whole number; write for example "
                 "keepalive = true;");
}

static void test_words(void)
{
    says("transport = \"upd\"; ", "3: transport = \"upd\" is not known; did you mean \"udp\"?");
    says("transport = \"quic\"; ",
         "3: transport = \"quic\" is not known; write \"udp\", \"kernel\" or \"auto\"");
    service_says("name2 = 1; connect = \"h:1\";",
                 "3: name2 is not known in a service; did you mean name?");
    ok(fixture_says(&fixture, "tunnels = ( { name = \"a b\"; } );",
                    "1: name = \"a b\" cannot be used; 1 to 63 letters, digits, '.', '_' and '-' "
                    "are allowed"),
       "a name with a blank");
    ok(fixture_says(&fixture, "tunnels = ( { name = \"\"; } );",
                    "1: name = \"\" cannot be used; 1 to 63 letters, digits, '.', '_' and '-' are "
                    "allowed"),
       "an empty name");
    service_says("listen = \"unix:x\"; socket_mode = \"0999\";",
                 "3: socket_mode = \"0999\" is not a file mode; octal digits from \"0000\" to "
                 "\"0777\" are allowed");
    service_says("listen = \"unix:x\"; socket_mode = 660;",
                 "3: socket_mode must be octal digits in double quotes, not a whole number; write "
                 "for example socket_mode = \"0600\";");
}

static void test_addresses(void)
{
    service_says("listen = 8080;", "3: listen must be an address in double quotes, not a whole "
                                   "number; write for example listen = \"127.0.0.1:8080\";");
    service_says("listen = \"localhost:8080\";",
                 "3: listen = \"localhost:8080\" cannot be used: a host name cannot be bound; "
                 "write an address of this host, \"127.0.0.1:8080\"");
    says("local = [ ]; ", "3: local has 0 elements; 1 to 8 are allowed");
    says("local = { }; ", "3: local must be a list of addresses, not a group { … }; write for "
                          "example local = [ \"0.0.0.0:9899\" ];");
    says("local = [ \"127.0.0.1:70000\" ]; ", "3: local = \"127.0.0.1:70000\" cannot be used: port "
                                              "70000 is out of range 0..65535");
    ok(fixture_says(&fixture,
                    "tunnels = ( { role = \"server\"; tls = {\n\nallow = [ \"a\",\n\"\" ]; "
                    "}; } );",
                    "4: tls.allow has an empty name"),
       "each element has its own line");
    ok(fixture_says(&fixture, "admin = { socket = \"\"; };",
                    "1: admin.socket = \"\" cannot be used: the path after \"unix:\" is empty"),
       "an empty socket path");
}

static void test_stored(void)
{
    struct config *config = fixture_load(
        &fixture,
        "threads = 3; drain_timeout = 0.5; memory_limit = 8589934592L;\n"
        "log = { level = \"debug\"; format = \"json\"; }; admin = { socket = \"a.sock\"; };\n"
        "tunnels = ( { name = \"t\"; role = \"server\"; transport = \"auto\"; local = "
        "\"127.0.0.1:0\"; mtu = 1400; encap_port = 9900; sctp_auth = true; buffer = 1000000; "
        "congestion = \"cubic\";\n"
        "paths = { rto_min = 0.05; rto_initial = 0.1; rto_max = 2; max_retransmissions = 5; "
        "failing_after = 1; association_retransmissions = 20; };\n"
        "tls = { ca = \"ca.pem\"; cert = \"a.pem\"; key = \"a.key\"; allow = ( \"x\", \"y\" ); "
        "resume = \"prefer\"; priority = \"NORMAL\"; };\n"
        "services = ( { name = \"s\"; listen = \"unix:x.sock\"; allow = \"x\"; socket_mode = "
        "\"0660\"; keepalive "
        "= "
        "false; } ); } );");
    if (!ok(config && !*fixture.said, "a full configuration is taken without a word"))
        return;
    const struct config_tunnel *tunnel = &config->tunnels[0];
    char path[128];
    ok(config->threads == 3 && config->drain_timeout_us == 500000, "numbers and times");
    ok(config->memory_limit == UINT64_C(8589934592), "a number above 32 bits");
    ok(config->log_level == LOG_DEBUG && config->log_format == CONFIG_JSON, "words");
    snprintf(path, sizeof path, "%s/a.sock", fixture.directory);
    ok(strcmp(config->admin_socket, path) == 0, "a socket's path is made absolute");
    ok(strcmp(tunnel->transport, "auto") == 0 && tunnel->sctp.mtu == 1400, "auto stays");
    ok(strcmp(tunnel->sctp.congestion, "cubic") == 0, "how packets are sent");
    ok(tunnel->sctp.encap_port == 9900 && tunnel->sctp.buffer == 1000000, "numbers of other sizes");
    ok(tunnel->sctp.auth, "and truths");
    ok(tunnel->sctp.rto_min_us == 50000 && tunnel->sctp.rto_initial_us == 100000 &&
           tunnel->sctp.rto_max_us == 2000000 && tunnel->sctp.path_retransmissions == 5 &&
           tunnel->sctp.failing_after == 1 && tunnel->sctp.association_retransmissions == 20,
       "SCTP's clock");
    ok(tunnel->local_count == 1 && !strcmp(tunnel->local[0].text, "127.0.0.1:0"), "one address");
    snprintf(path, sizeof path, "%s/a.key", fixture.directory);
    ok(strcmp(tunnel->tls.key, path) == 0, "a file's path is made absolute");
    ok(tunnel->tls.allow.count == 2 && !strcmp(tunnel->tls.allow.list[1], "y"), "several names");
    ok(!tunnel->tls.resume.required && !strcmp(tunnel->tls.priority, "NORMAL"), "TLS");
    const struct config_service *service = &tunnel->services[0];
    snprintf(path, sizeof path, "%s/x.sock", fixture.directory);
    ok(service->socket_mode == 0660 && !service->keepalive &&
           !strcmp(service->endpoint.address.un.sun_path, path),
       "a service on a UNIX socket");
    ok(service->allow.count == 1 && !strcmp(service->allow.list[0], "x"), "and who may serve it");
    config_free(config);
}

int main(void)
{
    fixture_init(&fixture);
    test_numbers();
    test_words();
    test_addresses();
    test_stored();
    fixture_fini(&fixture);
    return tap_done();
}
