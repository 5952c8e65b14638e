/* Addresses: parsing, printing, comparing. */
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/address.h"
#include "tests/lib/tap.h"

#define DIRECTORY "/etc/hawser"

static void formats_as(const char *text, const char *expected)
{
    struct endpoint endpoint;
    char why[128] = "", formatted[ADDRESS_TEXT_MAX];
    enum err e = endpoint_parse(&endpoint, text, DIRECTORY, why, sizeof why);
    ok(e == ERR_OK && !endpoint.needs_lookup &&
           strcmp(address_format(&endpoint.address, formatted), expected) == 0,
       "\"%s\" is %s", text, expected);
    ok(strcmp(endpoint.text, text) == 0, "and is kept as written");
    endpoint_clear(&endpoint);
}

static void needs_lookup(const char *text, const char *host, uint16_t port)
{
    struct endpoint endpoint;
    char why[128] = "";
    enum err e = endpoint_parse(&endpoint, text, DIRECTORY, why, sizeof why);
    ok(e == ERR_OK && endpoint.needs_lookup && strcmp(endpoint.host, host) == 0 &&
           endpoint.port == port,
       "\"%s\" is a name to look up", text);
    endpoint_clear(&endpoint);
}

static void refused(const char *text, const char *because)
{
    struct endpoint endpoint;
    char why[128] = "";
    enum err e = endpoint_parse(&endpoint, text, DIRECTORY, why, sizeof why);
    if (!ok(e == ERR_TRANSPORT_ADDRESS && strstr(why, because), "\"%.40s\" is refused: %s", text,
            because))
        tap_note("said: \"%s\"", why);
    endpoint_clear(&endpoint);
}

static void refusals(void)
{
    refused("", "empty");
    refused("127.0.0.1", "the port is missing");
    refused("127.0.0.1:", "the port is missing");
    refused("host", "the port is missing");
    refused("127.0.0.1:70000", "port 70000 is out of range 0..65535");
    refused("127.0.0.1:99999999999999999999", "out of range");
    refused("127.0.0.1:+80", "is not a number");
    refused("127.0.0.1:80x", "is not a number");
    refused("127.0.0.1: 80", "is not a number");
    refused("127.0.0.1:-1", "is not a number");
    refused("256.0.0.1:80", "is not an IPv4 address");
    refused("1.2.3:80", "is not an IPv4 address");
    refused(":80", "the host is missing");
    refused("::1:80", "in brackets");
    refused("[::1:80", "\"]\" is missing");
    refused("[::1]", "the port is missing");
    refused("[::1]80", "\":PORT\" must follow");
    refused("[::1]:x", "is not a number");
    refused("[::g]:80", "is not an IPv6 address");
    refused("[127.0.0.1]:80", "is not an IPv6 address");
    refused("[]:80", "is not an IPv6 address");
    refused("[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb]:80", "not an IPv6");
    refused("[fe80::1%nosuchinterface]:80", "no network interface");
    refused("*:80", "neither an address nor a host name");
    refused("a b:80", "neither an address nor a host name");
    refused("unix:", "empty");
}

static void long_texts(void)
{
    char text[400] = "unix:/", small[8] = "";
    memset(text + 6, 'p', 120);
    refused(text, "takes at most 107");
    memset(text, 'h', 300);
    memcpy(text + 300, ":80", 4);
    refused(text, "too long");

    struct endpoint endpoint;
    ok(endpoint_parse(&endpoint, "nonsense", DIRECTORY, small, sizeof small) != ERR_OK &&
           strlen(small) == sizeof small - 1,
       "a reason is cut to the room for it");
    endpoint_clear(&endpoint);
    ok(endpoint_parse(&endpoint, "nonsense", DIRECTORY, NULL, 0) != ERR_OK, "or left out");
    endpoint_clear(&endpoint);
    ok(!endpoint.text && !endpoint.host, "clearing leaves nothing");
}

static void longest_path(void)
{
    char text[5 + 108] = "unix:/";
    memset(text + 6, 'p', 106);
    text[5 + 107] = '\0';
    formats_as(text, text);
}

static struct address parsed(const char *text)
{
    struct endpoint endpoint;
    char why[128];
    (void)endpoint_parse(&endpoint, text, DIRECTORY, why, sizeof why);
    struct address address = endpoint.address;
    endpoint_clear(&endpoint);
    return address;
}

static bool equal(const char *a, const char *b)
{
    struct address first = parsed(a), second = parsed(b);
    return address_equal(&first, &second);
}

static struct address unix_address(const char *bytes, size_t length)
{
    struct address address = {.length =
                                  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)};
    address.un.sun_family = AF_UNIX;
    memcpy(address.un.sun_path, bytes, length);
    return address;
}

static void equality(void)
{
    ok(equal("1.2.3.4:80", "1.2.3.4:80"), "the same IPv4 address and port are equal");
    ok(!equal("1.2.3.4:80", "1.2.3.4:81"), "another port is not");
    ok(!equal("1.2.3.4:80", "1.2.3.5:80"), "nor another host");
    ok(equal("[::1]:80", "[0:0::1]:80"), "IPv6 is compared as numbers");
    ok(!equal("[::1]:80", "[::2]:80") && !equal("[::1]:80", "[::1]:81"), "all of them");
    ok(!equal("1.2.3.4:80", "[::ffff:1.2.3.4]:80"), "another family is another address");
    ok(equal("unix:/a", "unix:/a") && !equal("unix:/a", "unix:/ab"), "so are paths");
}

static void names_from_the_kernel(void)
{
    char text[ADDRESS_TEXT_MAX];
    struct address unnamed = unix_address("", 0), exact = unix_address("/a", 2);
    struct address ended = unix_address("/a", 3), first = unix_address("\0abc", 4);
    struct address second = unix_address("\0abd", 4);
    ok(strcmp(address_format(&unnamed, text), "unix:") == 0, "an unnamed UNIX socket is \"unix:\"");
    ok(strcmp(address_format(&exact, text), "unix:/a") == 0, "a path may come without a NUL");
    ok(address_equal(&exact, &ended), "and is the same with one");
    ok(strcmp(address_format(&first, text), "unix:@abc") == 0, "an abstract name has an @");
    ok(address_equal(&first, &first) && !address_equal(&first, &second) &&
           !address_equal(&first, &unnamed),
       "abstract names are compared whole");
}

int main(void)
{
    formats_as("1.2.3.4:80", "1.2.3.4:80");
    formats_as("0.0.0.0:0", "0.0.0.0:0");
    formats_as("[::1]:65535", "[::1]:65535");
    formats_as("[2001:DB8::0:1]:443", "[2001:db8::1]:443");
    formats_as("[fe80::1%lo]:443", "[fe80::1%lo]:443");
    formats_as("unix:/run/db.sock", "unix:/run/db.sock");
    formats_as("unix:db.sock", "unix:" DIRECTORY "/db.sock");
    formats_as("unix:a:b", "unix:" DIRECTORY "/a:b");
    longest_path();
    needs_lookup("localhost:80", "localhost", 80);
    needs_lookup("db-1.example_x.org.:5432", "db-1.example_x.org.", 5432);
    refusals();
    long_texts();
    equality();
    names_from_the_kernel();
    return tap_done();
}
