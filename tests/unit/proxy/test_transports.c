/* Which transports a tunnel has on this machine. */
#include "proxy/tunnel/transports.h"

#include <string.h>

#include "base/check.h"
#include "tests/lib/tap.h"
#include "tests/memory/memory.h"

static bool has(const struct transports *transports, size_t i, const char *name)
{
    return i < transports->count && strcmp(transports->ops[i]->name, name) == 0;
}

static void one(void)
{
    struct transports transports;
    char why[256] = "";
    ok(transports_find(&transports, "udp", why, sizeof why) == 0 && has(&transports, 0, "udp") &&
           transports.count == 1 && !*transports.why_not,
       "udp alone");
    ok(transports_share(&transports), "several workers may have its addresses");
    transport_add(&memory_ops);
    ok(transports_find(&transports, "memory", why, sizeof why) == 0 && transports.count == 1,
       "memory");
    ok(!transports_share(&transports), "has its own");
    ok(transports_find(&transports, "pigeon", why, sizeof why) < 0 && strstr(why, "pigeon"), "%s",
       why);
}

/* Both kinds of machine: with and without SCTP in the kernel. */
static void kernel(void)
{
    struct transports transports;
    char why[256] = "";
    bool there = transports_find(&transports, "kernel", why, sizeof why) == 0;
    ok(there ? has(&transports, 0, "kernel") : strlen(why) > 20, "kernel: %s",
       there ? "there" : why);
    ok(transports_find(&transports, "auto", why, sizeof why) == 0, "auto is always possible");
    ok(transports.count == (there ? 2 : 1) && has(&transports, transports.count - 1, "udp") &&
           transports_are_several(&transports) == there,
       "udp is the last resort");
    ok(!*transports.why_not == there, "why not the kernel: %s", transports.why_not);
    ok(transports_share(&transports), "with it, several workers may have the addresses");
}

static void checks(void)
{
    struct config_tunnel tunnels[3] = {{0}};
    char names[3][8] = {"a", "b", "c"}, words[3][8] = {"udp", "kernel", "auto"};
    for (int i = 0; i < 3; i++) {
        tunnels[i].name = names[i];
        tunnels[i].transport = words[i];
    }
    char file[] = "x.cfg", said[4096] = "";
    struct config config = {.file = file, .tunnels = tunnels, .tunnel_count = 3};
    FILE *out = fmemopen(said, sizeof said - 1, "w");
    must(out);
    transports_check(&config, out);
    fclose(out);
    struct transports transports;
    char why[256];
    bool there = transports_find(&transports, "kernel", why, sizeof why) == 0;
    ok(!strstr(said, "\"a\""), "no warning for udp");
    ok(there == !strstr(said, "x.cfg: warning: tunnel \"b\" cannot run here with transport = "
                              "\"kernel\": "),
       "kernel: %s", said);
    ok(there ==
           !strstr(said, "x.cfg: warning: tunnel \"c\" with transport = \"auto\" has only udp"),
       "auto");
}

int main(void)
{
    one();
    kernel();
    checks();
    return tap_done();
}
