/* Peers that have not proved who they are: how many, and what they hold. */
#include "base/newcomers.h"

#include "tests/lib/tap.h"

static struct address at(uint32_t host)
{
    struct address address = {.length = sizeof address.in};
    address.in.sin_family = AF_INET;
    address.in.sin_addr.s_addr = htonl(host);
    return address;
}

int main(void)
{
    static struct newcomers all = {.most = 4, .most_of_source = 2, .most_held = 1000};
    struct newcomer one[3] = {0};
    struct address here = at(0x0a000001);
    newcomers_init(&all);
    ok(!newcomers_oldest(&all) && !newcomers_oldest_of(&all, &here), "nobody at first");
    newcomers_enter(&all, &one[0], &here, 1);
    ok(newcomers_oldest(&all) == &one[0] && !newcomers_oldest_of(&all, &here),
       "one of a source, which may have another");
    newcomers_enter(&all, &one[1], &here, 2);
    ok(newcomers_oldest_of(&all, &here) == &one[0] && all.count == 2, "the oldest of two");
    newcomers_hold(&all, &one[0], 900);
    ok(newcomers_may_hold(&all, &one[1], 100, 0) && !newcomers_may_hold(&all, &one[1], 101, 0) &&
           newcomers_may_hold(&all, &one[1], 101, 200),
       "so many bytes of all, and a few in any case");
    newcomers_leave(&all, &one[0]);
    newcomers_leave(&all, &one[0]);
    newcomers_leave(&all, &one[2]);
    ok(all.count == 1 && all.held == 0 && newcomers_oldest(&all) == &one[1] &&
           !newcomers_oldest_of(&all, &here),
       "who leaves gives back all, once");
    newcomers_hold(&all, &one[0], 10);
    ok(all.held == 0 && newcomers_may_hold(&all, &one[0], 5000, 0), "and counts no more");
    return tap_done();
}
