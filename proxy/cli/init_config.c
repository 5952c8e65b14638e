/* The configurations that `hawser init` writes. */
#include "proxy/cli/init_config.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

static const char *const server_tls[] = {
    [INIT_CONFIG_CERTIFICATES] = "      ca = \"ca.pem\";\n"
                                 "      cert = \"server.pem\";\n"
                                 "      key = \"server.key\";\n"
                                 "      allow = [ \"" INIT_CONFIG_CLIENT_NAME
                                 "\" ];             # names in the clients' certificates\n",
    [INIT_CONFIG_RAW] =
        "      key = \"server.key\";                 # a raw key: there are no certificates\n"
        "      known = \"server.known\";             # the clients' keys, with a name for each\n"
        "      allow = [ \"" INIT_CONFIG_CLIENT_NAME "\" ];             # these names\n",
};

static const char *const client_tls[] = {
    [INIT_CONFIG_CERTIFICATES] = "      ca = \"ca.pem\";\n"
                                 "      cert = \"client.pem\";\n"
                                 "      key = \"client.key\";\n"
                                 "      peer = \"" INIT_CONFIG_SERVER_NAME
                                 "\";                    # a name in the server's certificate\n",
    [INIT_CONFIG_RAW] =
        "      key = \"client.key\";                 # a raw key: there are no certificates\n"
        "      known = \"client.known\";             # the server's key, with a name\n"
        "      peer = \"" INIT_CONFIG_SERVER_NAME "\";                    # this name\n",
};

static const char server_text[] =
    "# server.cfg: waits for clients on UDP port 9899 and connects to what they ask for.\n"
    "# Every option: hawser check --reference. After a change: hawser check server.cfg\n"
    "\n"
    "admin = { socket = \"server.sock\"; };        # for: hawser status -s server.sock\n"
    "log = { level = \"info\"; format = \"text\"; };\n"
    "\n"
    "tunnels = (\n"
    "  {\n"
    "    name = \"site\";\n"
    "    role = \"server\";\n"
    "    transport = \"udp\";\n"
    "    local = [ \"%s:9899\" ];%s\n"
    "    tls = {\n"
    "%s"
    "    };\n"
    "    services = (\n"
    "      # Clients reach this web server as their service \"web\".\n"
    "      { name = \"web\"; connect = \"127.0.0.1:80\"; }\n"
    "      # One more, after a comma: { name = \"db\"; connect = \"unix:/run/db.sock\"; }\n"
    "      # The other way, to a program at the client \"" INIT_CONFIG_CLIENT_NAME
    "\" (allow: who may serve it):\n"
    "      #   { name = \"back\"; listen = \"127.0.0.1:9000\"; allow = [ \"" INIT_CONFIG_CLIENT_NAME
    "\" ]; }\n"
    "    );\n"
    "  }\n"
    ");\n";

static const char client_text[] =
    "# client.cfg: listens for local connections and takes them through the tunnel.\n"
    "# Every option: hawser check --reference. After a change: hawser check client.cfg\n"
    "\n"
    "admin = { socket = \"client.sock\"; };        # for: hawser status -s client.sock\n"
    "log = { level = \"info\"; format = \"text\"; };\n"
    "\n"
    "tunnels = (\n"
    "  {\n"
    "    name = \"site\";\n"
    "    role = \"client\";\n"
    "    transport = \"udp\";\n"
    "    remote = [ \"%s%s%s:9899\" ];             # where the server is; several are tried in "
    "turn\n"
    "    streams = { initial = 16; max = 1024; };  # sessions made ready; most connections at "
    "once\n"
    "    tls = {\n"
    "%s"
    "    };\n"
    "    services = (\n"
    "      # Connections to this address go to what the server calls \"web\".\n"
    "      { name = \"web\"; listen = \"127.0.0.1:8080\"; }\n"
    "      # One more, after a comma: { name = \"db\"; listen = \"127.0.0.1:5432\"; }\n"
    "      # For the server's \"back\": { name = \"back\"; connect = \"127.0.0.1:22\"; }\n"
    "    );\n"
    "  }\n"
    ");\n";

static int is_ipv6(const char *host)
{
    return host && strchr(host, ':');
}

/* IPv4 unless the clients are told an IPv6 address: [::] fails where IPv6 is switched off. */
char *init_config_server(const char *host, enum init_config_kind kind)
{
    char *text = NULL;
    check_made(asprintf(&text, server_text, is_ipv6(host) ? "[::]" : "0.0.0.0",
                        is_ipv6(host) ? "" : "           # [::]:9899 for IPv6",
                        server_tls[kind]) >= 0);
    return text;
}

char *init_config_client(const char *host, enum init_config_kind kind)
{
    char *text = NULL;
    check_made(asprintf(&text, client_text, is_ipv6(host) ? "[" : "", host ? host : "127.0.0.1",
                        is_ipv6(host) ? "]" : "", client_tls[kind]) >= 0);
    return text;
}
