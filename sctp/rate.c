/* Delivery rate samples. */
#include "sctp/rate.h"

#include "base/number.h"

#define SECOND_US 1000000u

void sctp_rate_sent(struct sctp_rate *rate, uint64_t now_us, uint32_t size, uint64_t in_flight,
                    struct sctp_rate_mark *mark)
{
    if (in_flight <= size)
        rate->first_sent_us = rate->delivered_us = now_us;
    *mark = (struct sctp_rate_mark){.delivered = rate->delivered,
                                    .delivered_us = rate->delivered_us,
                                    .first_sent_us = rate->first_sent_us,
                                    .in_flight = in_flight,
                                    .lost = rate->lost,
                                    .limited = rate->limited_until != 0};
}

void sctp_rate_limited(struct sctp_rate *rate, uint64_t in_flight)
{
    rate->limited_until = rate->delivered + in_flight;
    if (!rate->limited_until)
        rate->limited_until = 1;
}

/* Packets of one train have the same time; the last of them saw most in flight. */
static bool is_newest(const struct sctp_rate *rate, const struct sctp_sample *sample,
                      uint64_t sent_us, const struct sctp_rate_mark *mark)
{
    if (!sample->has_packet || sent_us > rate->first_sent_us)
        return true;
    return sent_us == sample->sent_us && mark->in_flight > sample->tx_in_flight;
}

void sctp_rate_acked(struct sctp_rate *rate, struct sctp_sample *sample, uint64_t now_us,
                     uint64_t sent_us, uint32_t size, const struct sctp_rate_mark *mark)
{
    rate->delivered += size;
    rate->delivered_us = now_us;
    sample->acked += size;
    if (!is_newest(rate, sample, sent_us, mark))
        return;
    uint64_t sending = number_minus(sent_us, mark->first_sent_us);
    uint64_t arriving = number_minus(now_us, mark->delivered_us);
    sample->has_packet = true;
    sample->sent_us = sent_us;
    sample->prior_delivered = mark->delivered;
    sample->interval_us = number_most(sending, arriving);
    sample->tx_in_flight = mark->in_flight;
    sample->tx_lost = mark->lost; /* until it is finished */
    sample->limited = mark->limited;
    rate->first_sent_us = sent_us;
}

static uint64_t per_second(uint64_t bytes, uint64_t us)
{
    return bytes > UINT64_MAX / SECOND_US ? UINT64_MAX / us : bytes * SECOND_US / us;
}

void sctp_rate_finish(struct sctp_rate *rate, struct sctp_sample *sample, uint64_t now_us,
                      uint64_t min_rtt_us)
{
    if (rate->limited_until && rate->delivered > rate->limited_until)
        rate->limited_until = 0;
    sample->now_us = now_us;
    sample->total_delivered = rate->delivered;
    if (!sample->has_packet)
        return;
    sample->delivered = number_minus(rate->delivered, sample->prior_delivered);
    sample->tx_lost = number_minus(rate->lost, sample->tx_lost);
    if (sample->interval_us && sample->interval_us >= min_rtt_us)
        sample->rate = per_second(sample->delivered, sample->interval_us);
}
