/* Whole tunnels: what clients and targets see. */
#include "proxy/tunnel.h"

#include "tests/unit/proxy/bed.h"

static void carries_both_ways(unsigned client_workers, unsigned server_workers)
{
    struct bed bed;
    tap_note("%u and %u workers", client_workers, server_workers);
    bed_init(&bed, client_workers, server_workers, false);
    bed_start(&bed);
    bed_up(&bed);
    for (size_t i = 0; i < 6; i++)
        bed_connect(&bed, (struct end_plan){.bytes = i * 40000},
                    (struct end_plan){.bytes = 300000 - i * 50000});
    bed_expect(&bed, ends_all(&bed.ends, pair_is_complete),
               "six connections, every byte both ways");
    bed_expect(&bed, !bed_open_connections(&bed), "and both tunnels know that they have ended");
    bed_fini(&bed);
}

int main(void)
{
    bed_main_begin();
    carries_both_ways(1, 1);
    carries_both_ways(2, 4);
    message_cache_clear();
    return tap_done();
}
