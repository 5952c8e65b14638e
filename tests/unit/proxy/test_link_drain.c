/* A server that leaves when its last connection has ended has told the peer everything: what waits
 * for SCTP then is the end of that connection. */
#include "tests/unit/proxy/bed.h"

static void leaves_after_the_last(unsigned workers, size_t bytes)
{
    struct bed bed;
    bed_init(&bed, workers, workers, false);
    memory_set_faults(&(struct memory_faults){.queue_bytes = 20000, .delay_us = 2000});
    bed_start(&bed);
    bed_up(&bed);
    bed_connect(&bed, end_sends(10), end_sends(bytes));
    const struct counters *server = &bed.server.tunnel->counters;
    bed_reach(&bed, counter_get(&server->connections_total) == 1 &&
                        counter_get(&server->connections_open) == 0);
    bed_ask(&bed.server, side_drain);
    for (int i = 0; i < 20; i++) /* mail between workers is no matter of this test */
        bed_step(&bed);
    side_stop(&bed.server);
    bed_expect(&bed, ends_all(&bed.ends, pair_is_complete),
               "%u workers: all %zu bytes arrive, and their end", workers, bytes);
    bed_fini(&bed);
}

int main(void)
{
    bed_main_begin();
    for (unsigned workers = 1; workers <= 2; workers++) {
        leaves_after_the_last(workers, 100);
        leaves_after_the_last(workers, 120000);
    }
    message_cache_clear();
    return tap_done();
}
