/* Round trips and RTO of one path. */
#include "sctp/net.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/number.h"
#include "sctp/association.h"

/* Doubled more often than this, every RTO has reached its maximum. */
#define BACKOFF_MAX 24

struct sctp_net *sctp_net_new(const struct sctp_options *options, uint64_t now_us, uint32_t mtu,
                              uint64_t rtt_us)
{
    struct sctp_net *net = check_alloc(sizeof *net);
    net->mtu = mtu;
    net->heard_us = now_us;
    sctp_net_restart(net, options, now_us, rtt_us);
    return net;
}

void sctp_net_free(struct sctp_net *net)
{
    if (!net)
        return;
    free(net->congestion);
    free(net);
}

void sctp_net_restart(struct sctp_net *net, const struct sctp_options *options, uint64_t now_us,
                      uint64_t rtt_us)
{
    net->srtt_us = net->rttvar_us = net->min_rtt_us = 0;
    net->rto_us = options->rto_initial_us;
    net->backoff = net->errors = 0;
    net->rack.has_acked = net->rack.has_newest = net->rack.reordering_seen = net->is_doubled =
        false;
    net->rack.reo_mult = 1;
    net->rack.reo_persist = 0;
    net->episode.is_on = net->episode.by_timeout = false;
    sctp_pacer_reset(&net->pacer);
    free(net->congestion);
    if (rtt_us)
        sctp_net_measured(net, options, rtt_us);
    net->congestion = options->congestion->make(now_us, net->mtu, rtt_us);
}

void sctp_net_begin_batch(struct sctp_net *net)
{
    if (net->in_batch)
        return;
    net->in_batch = true;
    net->needless = false;
    net->sample = (struct sctp_sample){.prior_in_flight = net->in_flight};
}

static uint64_t within(uint64_t rto_us, const struct sctp_options *options)
{
    return number_between(rto_us, options->rto_min_us, options->rto_max_us);
}

/* Section 6.3.1, C2, C3, C4 (a granularity of 1 us), C6 and C7. */
void sctp_net_measured(struct sctp_net *net, const struct sctp_options *options, uint64_t rtt_us)
{
    if (!rtt_us)
        rtt_us = 1;
    if (!net->min_rtt_us || rtt_us < net->min_rtt_us)
        net->min_rtt_us = rtt_us;
    if (!net->srtt_us) {
        net->srtt_us = rtt_us;
        net->rttvar_us = rtt_us / 2;
    } else {
        uint64_t off = rtt_us > net->srtt_us ? rtt_us - net->srtt_us : net->srtt_us - rtt_us;
        net->rttvar_us = (3 * net->rttvar_us + off) / 4;
        net->srtt_us = (7 * net->srtt_us + rtt_us) / 8;
        if (!net->srtt_us)
            net->srtt_us = 1;
    }
    if (!net->rttvar_us)
        net->rttvar_us = 1;
    net->rto_us = within(net->srtt_us + 4 * net->rttvar_us, options);
}

uint64_t sctp_net_rto(const struct sctp_net *net, const struct sctp_options *options)
{
    return within(net->rto_us << number_least(net->backoff, BACKOFF_MAX), options);
}

uint64_t sctp_net_timeout(const struct sctp_net *net, const struct sctp_options *options,
                          unsigned times)
{
    uint64_t rto_us = net ? sctp_net_rto(net, options) : options->rto_initial_us;
    return number_least(rto_us << number_least(times, BACKOFF_MAX), options->rto_max_us);
}

uint64_t sctp_net_t3(const struct sctp_net *net, const struct sctp_options *options)
{
    return net->in_flight ? net->t3_from_us + sctp_net_rto(net, options) : UINT64_MAX;
}
