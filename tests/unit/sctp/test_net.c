/* The arithmetic of RFC 9260 section 6.3.1, step by step, and what begins anew with a path. */
#include "tests/unit/sctp/sender_bed.h"

static struct sctp_options options_of(uint64_t least_us, uint64_t most_us)
{
    struct sctp_options options;
    sctp_association_defaults(&options);
    options.congestion = &bed_ops;
    options.rto_initial_us = 1000000;
    options.rto_min_us = least_us;
    options.rto_max_us = most_us;
    return options;
}

static void test_first(void)
{
    struct sctp_options options = options_of(1, 60000000);
    struct sctp_net *net = sctp_net_new(&options, 5, 1452, 0);
    ok(sctp_net_rto(net, &options) == 1000000, "C1: until a round trip is known, RTO.Initial");
    ok(net->srtt_us == 0 && net->min_rtt_us == 0, "and no round trip is known");
    sctp_net_measured(net, &options, 80000);
    ok(net->srtt_us == 80000 && net->rttvar_us == 40000,
       "C2: SRTT is the first, RTTVAR half of it");
    ok(sctp_net_rto(net, &options) == 240000, "and RTO is SRTT + 4 RTTVAR");
    sctp_net_measured(net, &options, 120000);
    ok(net->rttvar_us == (3 * 40000 + 40000) / 4, "C3: RTTVAR takes a quarter of what differs");
    ok(net->srtt_us == (7 * 80000 + 120000) / 8, "then SRTT takes an eighth");
    ok(sctp_net_rto(net, &options) == net->srtt_us + 4 * net->rttvar_us, "and RTO follows");
    ok(net->min_rtt_us == 80000, "the least is kept");
    sctp_net_free(net);
    net = sctp_net_new(&options, 5, 1452, 70000);
    ok(net->srtt_us == 70000 && sctp_net_rto(net, &options) == 210000,
       "one that the handshake measured is the first");
    sctp_net_free(net);
}

static void test_bounds(void)
{
    struct sctp_options options = options_of(200000, 3000000);
    struct sctp_net *net = sctp_net_new(&options, 5, 1452, 0);
    for (int i = 0; i < 1000; i++)
        sctp_net_measured(net, &options, 30);
    ok(net->rttvar_us >= 1, "C4: RTTVAR is never 0");
    ok(sctp_net_rto(net, &options) == 200000, "C6: RTO.Min");
    net->backoff = 2;
    ok(sctp_net_rto(net, &options) == 800000, "E2: each time-out doubles it");
    net->backoff = 5;
    ok(sctp_net_rto(net, &options) == 3000000, "C7: up to RTO.Max");
    net->backoff = 100000;
    ok(sctp_net_rto(net, &options) == 3000000, "however many there are");
    net->backoff = 0;
    sctp_net_measured(net, &options, 100000000);
    ok(sctp_net_rto(net, &options) == 3000000, "also where one round trip took longer");
    sctp_net_measured(net, &options, 0);
    ok(net->min_rtt_us == 1, "a round trip of no time is one of 1 us");
    sctp_net_free(net);
}

static void test_restart(void)
{
    struct sctp_options options = options_of(200000, 3000000);
    struct sctp_net *net = sctp_net_new(&options, 5, 1452, 50000);
    net->in_flight = 4000;
    net->rate.delivered = 9000;
    net->rate.lost = 100;
    net->backoff = 3;
    net->rack.reordering_seen = net->rack.has_acked = net->episode.is_on = true;
    net->mtu = 1300;
    net->episode.number = 7;
    struct sctp_congestion *before = net->congestion;
    before->window = 1;
    sctp_net_restart(net, &options, 100, 0);
    ok(!net->srtt_us && !net->min_rtt_us && sctp_net_rto(net, &options) == 1000000,
       "another path has round trips of its own");
    ok(!net->rack.reordering_seen && !net->rack.has_acked && !net->episode.is_on,
       "nothing is known of losses");
    ok(net->congestion->window != 1 && net->congestion->mss == 1300, "its window begins anew");
    ok(net->in_flight == 4000 && net->rate.delivered == 9000 && net->rate.lost == 100,
       "what packets in flight refer to goes on");
    ok(net->episode.number == 7, "and episodes are not numbered twice");
    sctp_net_free(net);
    sctp_net_free(NULL);
}

int main(void)
{
    test_first();
    test_bounds();
    test_restart();
    return tap_done();
}
