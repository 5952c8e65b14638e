/* The largest packet, as far as the route tells. */
#include "transport/udp/route.h"

#include <string.h>

#include "tests/conformance/transport_bed.h"
#include "tests/lib/tap.h"

int main(void)
{
    struct address v4 = bed_address("127.0.0.1:9"), v6 = bed_address("[::1]:9"),
                   mapped = bed_address("[::ffff:127.0.0.1]:9");
    ok(route_overhead(&v4) == 28 && route_overhead(&v6) == 48, "headers of IPv4 and IPv6");
    ok(route_overhead(&mapped) == 28, "an IPv4-mapped address travels as IPv4");
    ok(route_payload(&v4, 1500) == 1472 && route_payload(&v6, 1500) == 1452,
       "a given MTU is used up");
    ok(route_payload(&v4, 600) == 576, "never less than every path takes");
    ok(route_payload(&v4, 65535) == 65000, "never more than a datagram holds");
    uint32_t found = route_payload(&v4, 0);
    ok(found > 16700 && found < 65507, "loopback takes large packets (%u)", found);
    ok(route_payload(&mapped, 0) == found, "by the mapped address too");
    struct address nowhere = bed_address("[::]:9");
    nowhere.in6.sin6_scope_id = 0;
    ok(route_payload(&nowhere, 0) >= 576, "an address without a route gets something safe");
    return tap_done();
}
