/* Reasons why a target could not be connected: the code for the peer, the words for us. */
#include "proxy/local/connector.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/tap.h"

static struct address address_of(uint8_t last)
{
    return (struct address){.length = sizeof(struct sockaddr_in),
                            .in = {.sin_family = AF_INET,
                                   .sin_port = htons(80),
                                   .sin_addr.s_addr = htonl(0x0a000000u + last)}};
}

/* The endpoint is a name where there are several errors, else numeric. */
static void says(const int *errors, int count, enum err result, const char *wanted)
{
    struct address addresses[RESOLVER_MAX_ADDRESSES];
    struct connector_try tries[RESOLVER_MAX_ADDRESSES];
    struct endpoint endpoint = {.text = (char *)(uintptr_t) "db:80", .needs_lookup = count > 1};
    struct connector connector = {.endpoint = &endpoint, .tries = tries, .begun = count};
    char why[CONNECTOR_WHY_MAX];
    for (int i = 0; i < count; i++) {
        addresses[i] = address_of((uint8_t)(i + 1));
        tries[i] = (struct connector_try){.address = &addresses[i], .error = errors[i]};
    }
    enum err got = connector_why(&connector, NULL, why, sizeof why);
    ok(got == result && !strcmp(why, wanted), "%s: %s", err_name(got), why);
}

static void one_address(void)
{
    static const struct {
        int error;
        enum err result;
        const char *words;
    } rows[] = {
        {ECONNREFUSED, ERR_CONNECT_REFUSED, "db:80: Connection refused"},
        {ENOENT, ERR_CONNECT_REFUSED, "db:80: No such file or directory"},
        {EAGAIN, ERR_CONNECT_REFUSED, "db:80: its queue of connections is full"},
        {EACCES, ERR_CONNECT_DENIED, "db:80: Permission denied"},
        {EPERM, ERR_CONNECT_DENIED,
         "db:80: Operation not permitted (a packet filter of this host?)"},
        {EADDRNOTAVAIL, ERR_CONNECT_NO_PORT,
         "db:80: Cannot assign requested address (no free local port, or no address of its "
         "family)"},
        {ENETUNREACH, ERR_CONNECT_UNREACHABLE, "db:80: Network is unreachable"},
        {EHOSTUNREACH, ERR_CONNECT_UNREACHABLE, "db:80: No route to host"},
        {ETIMEDOUT, ERR_CONNECT_TIMEOUT, "db:80: no answer"},
        {0, ERR_CONNECT_TIMEOUT, "db:80: no answer"},
        {EMFILE, ERR_NO_DESCRIPTORS, "db:80: Too many open files"},
        {ENFILE, ERR_NO_DESCRIPTORS, "db:80: Too many open files in system"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        says(&rows[i].error, 1, rows[i].result, rows[i].words);
}

static void several_addresses(void)
{
    says((int[]){ENETUNREACH, ECONNREFUSED}, 2, ERR_CONNECT_REFUSED,
         "db:80: 10.0.0.1:80: Network is unreachable; 10.0.0.2:80: Connection refused");
    says((int[]){ECONNREFUSED, ENETUNREACH}, 2, ERR_CONNECT_REFUSED,
         "db:80: 10.0.0.1:80: Connection refused; 10.0.0.2:80: Network is unreachable");
    says((int[]){0, ENETUNREACH}, 2, ERR_CONNECT_TIMEOUT,
         "db:80: 10.0.0.1:80: no answer; 10.0.0.2:80: Network is unreachable");
    says((int[]){ECONNREFUSED, 0, 0}, 3, ERR_CONNECT_REFUSED,
         "db:80: 10.0.0.1:80: Connection refused; 10.0.0.2:80, 10.0.0.3:80: no answer");
}

static void look_ups(void)
{
    struct endpoint endpoint = {.text = (char *)(uintptr_t) "db:80", .needs_lookup = true};
    struct connector connector = {.endpoint = &endpoint};
    struct resolver_answer query = {.why = "the name does not exist"};
    char why[CONNECTOR_WHY_MAX];
    enum err result = connector_why(&connector, &query, why, sizeof why);
    ok(result == ERR_NAME_UNKNOWN && !strcmp(why, "db:80: the name does not exist"), "%s", why);
    query.temporary = true;
    result = connector_why(&connector, &query, why, sizeof why);
    ok(result == ERR_NAME_SILENT, "a name server that cannot say is no name that does not exist");
    query = (struct resolver_answer){.count = 0};
    result = connector_why(&connector, &query, why, sizeof why);
    ok(result == ERR_NAME_SILENT && strstr(why, "not answered yet"), "%s", why);
}

static void too_long(void)
{
    const int errors[RESOLVER_MAX_ADDRESSES] = {EPERM, ENETUNREACH, EPERM, ENETUNREACH};
    struct address address = address_of(1);
    struct connector_try tries[RESOLVER_MAX_ADDRESSES];
    struct endpoint endpoint = {.text = (char *)(uintptr_t) "db:80", .needs_lookup = true};
    struct connector connector = {.endpoint = &endpoint, .tries = tries, .begun = 8};
    char why[64];
    for (int i = 0; i < RESOLVER_MAX_ADDRESSES; i++)
        tries[i] = (struct connector_try){.address = &address, .error = errors[i]};
    connector_why(&connector, NULL, why, sizeof why);
    ok(strlen(why) == sizeof why - 1, "more than there is room for is cut: %s", why);
}

int main(void)
{
    one_address();
    several_addresses();
    look_ups();
    too_long();
    return tap_done();
}
