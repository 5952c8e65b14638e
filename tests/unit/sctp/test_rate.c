/* Delivery rates against what the draft says of them: by hand, and over a line of a known rate. */
#include "sctp/rate.h"

#include "tests/lib/tap.h"

#define SIZE 1000u

struct packet {
    uint64_t sent_us;
    struct sctp_rate_mark mark;
};

static struct packet send(struct sctp_rate *rate, uint64_t now_us, uint64_t in_flight)
{
    struct packet packet = {.sent_us = now_us};
    sctp_rate_sent(rate, now_us, SIZE, in_flight, &packet.mark);
    return packet;
}

static struct sctp_sample acknowledge(struct sctp_rate *rate, uint64_t now_us,
                                      const struct packet *packets, unsigned count,
                                      uint64_t min_rtt_us)
{
    struct sctp_sample sample = {0};
    for (unsigned i = 0; i < count; i++)
        sctp_rate_acked(rate, &sample, now_us, packets[i].sent_us, SIZE, &packets[i].mark);
    sctp_rate_finish(rate, &sample, now_us, min_rtt_us);
    return sample;
}

/* A packet each 1000 us, acknowledged 10 000 us later: a megabyte a second. */
static void steady(uint64_t start_us)
{
    struct sctp_rate rate = {0};
    struct packet packets[40];
    struct sctp_sample sample = {0};
    unsigned wrong = 0;
    for (unsigned i = 0; i < 40; i++) {
        uint64_t now_us = start_us + i * 1000u;
        if (i >= 10)
            sample = acknowledge(&rate, now_us, &packets[i - 10], 1, 10000);
        packets[i] = send(&rate, now_us, (i < 10 ? i + 1 : 10) * SIZE);
        if (i >= 20) /* the first ten say less: nothing was in flight before them */
            wrong += sample.rate != 1000000 || sample.interval_us != 10000 ||
                     sample.delivered != 10 * SIZE || sample.tx_in_flight != 10 * SIZE;
    }
    ok(wrong == 0, "1000 bytes a millisecond are 1 MB/s, from %llu us on",
       (unsigned long long)start_us);
    ok(rate.delivered == 30 * SIZE && sample.total_delivered == rate.delivered, "all are counted");
}

static void longer_interval_counts(void)
{
    struct sctp_rate rate = {0};
    struct packet packets[4];
    for (unsigned i = 0; i < 4; i++)
        packets[i] = send(&rate, 1000u * i, (i + 1) * SIZE);
    struct sctp_sample sample = acknowledge(&rate, 20000, packets, 1, 0);
    sample = acknowledge(&rate, 20001, &packets[1], 3, 0);
    ok(sample.interval_us == 20001, "acknowledgements that come together do not make a rate");
    ok(sample.sent_us == 3000 && sample.prior_delivered == 0 && sample.delivered == 4 * SIZE,
       "the packet that was sent last makes the sample");
    ok(sample.rate == 4 * SIZE * UINT64_C(1000000) / 20001, "%llu bytes a second",
       (unsigned long long)sample.rate);

    rate = (struct sctp_rate){0};
    packets[0] = send(&rate, 0, SIZE);
    packets[1] = send(&rate, 50000, 2 * SIZE); /* sent slowly, acknowledged at once */
    acknowledge(&rate, 50001, packets, 1, 0);
    sample = acknowledge(&rate, 50002, &packets[1], 1, 0);
    ok(sample.interval_us == 50002, "nor do packets that were sent slowly");
}

static void samples_that_do_not_count(void)
{
    struct sctp_rate rate = {0};
    struct packet packet = send(&rate, 1000, SIZE);
    struct sctp_sample sample = acknowledge(&rate, 5000, &packet, 1, 4001);
    ok(sample.has_packet && sample.interval_us == 4000 && sample.rate == 0,
       "an interval below the least round trip makes no rate");
    packet = send(&rate, 6000, SIZE);
    sample = acknowledge(&rate, 10000, &packet, 1, 4000);
    ok(sample.rate == 250000, "one of the least round trip does");
    packet = send(&rate, 20000, SIZE);
    sample = acknowledge(&rate, 20000, &packet, 1, 0);
    ok(sample.rate == 0 && sample.acked == SIZE, "nor does one that took no time");
    packet = send(&rate, 30000, SIZE);
    sample = acknowledge(&rate, 1000, &packet, 1, 0);
    ok(sample.rate == 0 && sample.interval_us == 0, "nor one from a clock that stepped back");
    sample = acknowledge(&rate, 40000, NULL, 0, 0);
    ok(!sample.has_packet && sample.rate == 0 && sample.now_us == 40000,
       "a batch without a new packet has no sample");
}

static void pause_begins_anew(void)
{
    struct sctp_rate rate = {0};
    struct packet packet = send(&rate, 0, SIZE);
    acknowledge(&rate, 10000, &packet, 1, 0);
    packet = send(&rate, 5000000, SIZE);
    struct sctp_sample sample = acknowledge(&rate, 5010000, &packet, 1, 0);
    ok(sample.interval_us == 10000, "a pause is not part of an interval");
}

static void trains(void)
{
    struct sctp_rate rate = {0};
    struct packet packets[3];
    for (unsigned i = 0; i < 3; i++)
        packets[i] = send(&rate, 0, (i + 1) * SIZE);
    struct packet backwards[3] = {packets[2], packets[0], packets[1]};
    struct sctp_sample sample = acknowledge(&rate, 10000, backwards, 3, 0);
    ok(sample.tx_in_flight == 3 * SIZE, "of packets of one time the last one counts, whatever the "
                                        "order in which they are acknowledged");
}

static void limited(void)
{
    struct sctp_rate rate = {0};
    struct packet packets[5];
    packets[0] = send(&rate, 0, SIZE);
    packets[1] = send(&rate, 0, 2 * SIZE);
    sctp_rate_limited(&rate, 2 * SIZE);
    packets[2] = send(&rate, 1000, 3 * SIZE);
    ok(!packets[1].mark.limited && packets[2].mark.limited,
       "what is sent after data were lacking is marked");
    acknowledge(&rate, 10000, packets, 2, 0);
    packets[3] = send(&rate, 10000, 2 * SIZE);
    struct sctp_sample sample = acknowledge(&rate, 11000, &packets[2], 1, 0);
    ok(sample.limited, "its sample says so");
    packets[4] = send(&rate, 11000, 2 * SIZE);
    ok(packets[3].mark.limited && !packets[4].mark.limited,
       "the mark ends when what was in flight has passed");
    rate = (struct sctp_rate){0};
    sctp_rate_limited(&rate, 0);
    packets[0] = send(&rate, 0, SIZE);
    ok(packets[0].mark.limited, "also before anything was sent");
}

static void losses(void)
{
    struct sctp_rate rate = {.lost = 5 * SIZE};
    struct packet packet = send(&rate, 0, 10 * SIZE);
    rate.lost += 3 * SIZE;
    struct sctp_sample sample = acknowledge(&rate, 1000, &packet, 1, 0);
    ok(sample.tx_lost == 3 * SIZE, "what was lost since it was sent");
    packet = send(&rate, 2000, 10 * SIZE);
    rate.lost = SIZE; /* they were spurious */
    sample = acknowledge(&rate, 3000, &packet, 1, 0);
    ok(sample.tx_lost == 0, "is nothing where losses were taken back");
}

static void huge(void)
{
    struct sctp_rate rate = {0};
    struct packet packet = send(&rate, 0, SIZE);
    rate.delivered = UINT64_MAX / 2;
    struct sctp_sample sample = acknowledge(&rate, 3, &packet, 1, 0);
    ok(sample.rate == UINT64_MAX / 3, "a rate that does not fit is as large as there is");
    packet = send(&rate, UINT64_MAX - 5, SIZE);
    sample = acknowledge(&rate, UINT64_MAX, &packet, 1, 0);
    ok(sample.interval_us == 5, "the clock's last microseconds");
}

int main(void)
{
    steady(0);
    steady(UINT64_C(1) << 40);
    longer_interval_counts();
    samples_that_do_not_count();
    pause_begins_anew();
    trains();
    limited();
    losses();
    huge();
    return tap_done();
}
