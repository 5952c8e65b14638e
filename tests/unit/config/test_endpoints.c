/* Addresses of the configuration, for each use. */
#include "config/endpoints.h"

#include <string.h>

#include "tests/lib/tap.h"

static bool is_fine(const char *text, enum endpoints_use use)
{
    struct endpoint endpoint;
    char why[512] = "";
    bool fine = endpoints_parse(&endpoint, text, use, "/d", why, sizeof why) == ERR_OK;
    if (!fine)
        tap_note("%s: %s", text, why);
    endpoint_clear(&endpoint);
    return fine;
}

static bool is_refused(const char *text, enum endpoints_use use, const char *words)
{
    struct endpoint endpoint;
    char why[512] = "";
    enum err e = endpoints_parse(&endpoint, text, use, "/d", why, sizeof why);
    bool refused = e == ERR_TRANSPORT_ADDRESS && strstr(why, words) && !endpoint.text;
    if (!refused)
        tap_note("%s: %s", text, why);
    return refused;
}

static bool collide(const char *a, const char *b)
{
    struct endpoint one, other;
    char why[512];
    bool parsed = !endpoints_parse(&one, a, ENDPOINTS_LISTEN, "/d", why, sizeof why);
    parsed &= !endpoints_parse(&other, b, ENDPOINTS_LISTEN, "/d", why, sizeof why);
    bool result = parsed && endpoints_collide(&one.address, &other.address);
    endpoint_clear(&one);
    endpoint_clear(&other);
    return result;
}

int main(void)
{
    ok(is_fine("127.0.0.1:0", ENDPOINTS_LOCAL) && is_fine("[::]:9899", ENDPOINTS_LOCAL), "local");
    ok(is_fine("host.example:9899", ENDPOINTS_REMOTE), "remote by name");
    ok(is_fine("unix:x", ENDPOINTS_LISTEN) && is_fine("[::1]:0", ENDPOINTS_LISTEN), "listen");
    ok(is_fine("unix:/x", ENDPOINTS_CONNECT) && is_fine("h:1", ENDPOINTS_CONNECT), "connect");

    ok(is_refused("unix:/x", ENDPOINTS_LOCAL, "not a UNIX socket"), "SCTP on a UNIX socket");
    ok(is_refused("localhost:80", ENDPOINTS_LISTEN, "\"127.0.0.1:80\""), "localhost is not bound");
    ok(is_refused("h:80", ENDPOINTS_LOCAL, "\"0.0.0.0:80\""), "no name is");
    ok(is_refused("1.2.3.4:0", ENDPOINTS_REMOTE, "port 0"), "port 0 of the far end");
    ok(is_refused("0.0.0.0:5", ENDPOINTS_CONNECT, "every address"), "connecting to everybody");
    ok(is_refused("[::]:5", ENDPOINTS_REMOTE, "every address"), "the same in IPv6");

    ok(is_refused("8080", ENDPOINTS_LISTEN, "write \"0.0.0.0:8080\""), "hint: only a port");
    ok(is_refused("9899", ENDPOINTS_REMOTE, "write \"HOST:9899\""), "hint: only a remote port");
    ok(is_refused("/run/x", ENDPOINTS_CONNECT, "\"unix:/run/x\""), "hint: only a path");
    ok(is_refused("*:80", ENDPOINTS_LISTEN, "\"0.0.0.0:80\" or \"[::]:80\""), "hint: a star");
    ok(is_refused("http://h:80", ENDPOINTS_CONNECT, "without the scheme"), "hint: a URL");
    ok(is_refused("example.org", ENDPOINTS_REMOTE, "\"example.org:PORT\""), "hint: no port");

    ok(collide("127.0.0.1:80", "127.0.0.1:80"), "the same address");
    ok(collide("0.0.0.0:80", "127.0.0.1:80") && collide("[::1]:80", "[::]:80"), "every address");
    ok(!collide("127.0.0.1:80", "127.0.0.1:81"), "other ports");
    ok(!collide("127.0.0.1:80", "127.0.0.2:80"), "other hosts");
    ok(!collide("127.0.0.1:0", "127.0.0.1:0"), "port 0 is free each time");
    ok(!collide("0.0.0.0:80", "[::]:80"), "IPv4 beside IPv6");
    ok(collide("unix:a", "unix:/d/a") && !collide("unix:a", "unix:b"), "UNIX paths");
    return tap_done();
}
