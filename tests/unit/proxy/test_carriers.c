/* Transports that this machine can carry. */
#include "proxy/tunnel/carriers.h"

#include <string.h>

#include "base/check.h"
#include "tests/lib/tap.h"
#include "tests/memory/memory.h"

static bool has(const struct carriers *carriers, size_t i, const char *name)
{
    return i < carriers->count && strcmp(carriers->ops[i]->name, name) == 0;
}

static void one(void)
{
    struct carriers carriers;
    char why[256] = "";
    ok(carriers_find(&carriers, "udp", why, sizeof why) == 0 && has(&carriers, 0, "udp") &&
           carriers.count == 1 && !*carriers.why_not,
       "udp alone");
    ok(carriers_share(&carriers), "several workers may have its addresses");
    transport_add(&memory_ops);
    ok(carriers_find(&carriers, "memory", why, sizeof why) == 0 && carriers.count == 1, "memory");
    ok(!carriers_share(&carriers), "has its own");
    ok(carriers_find(&carriers, "pigeon", why, sizeof why) < 0 && strstr(why, "pigeon"), "%s", why);
}

/* Both kinds of machine: with and without SCTP in the kernel. */
static void kernel(void)
{
    struct carriers carriers;
    char why[256] = "";
    bool there = carriers_find(&carriers, "kernel", why, sizeof why) == 0;
    ok(there ? has(&carriers, 0, "kernel") : strlen(why) > 20, "kernel: %s", there ? "there" : why);
    ok(carriers_find(&carriers, "auto", why, sizeof why) == 0, "auto is always possible");
    ok(carriers.count == (there ? 2 : 1) && has(&carriers, carriers.count - 1, "udp") &&
           carriers_are_several(&carriers) == there,
       "udp is the last resort");
    ok(!*carriers.why_not == there, "why not the kernel: %s", carriers.why_not);
    ok(carriers_share(&carriers), "with it, several workers may have the addresses");
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
    carriers_check(&config, out);
    fclose(out);
    struct carriers carriers;
    char why[256];
    bool there = carriers_find(&carriers, "kernel", why, sizeof why) == 0;
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
