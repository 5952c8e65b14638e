/* sctp/rate.h: the delivery rate of a net: a sample for each acknowledgement (draft-ietf-ccwg-bbr,
 * "Delivery Rate Samples"). Counts packets' bytes. One for each net. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sctp_rate {
    uint64_t delivered;     /* bytes acknowledged so far */
    uint64_t delivered_us;  /* when that was last added to */
    uint64_t first_sent_us; /* when the packet was sent that was acknowledged last */
    uint64_t lost;          /* bytes declared lost so far, spurious ones taken back */
    uint64_t limited_until; /* delivered at which what lacked data has passed; 0: nothing lacks */
};

/* Of a packet, from when it was sent until it is acknowledged. */
struct sctp_rate_mark {
    uint64_t delivered, delivered_us, first_sent_us;
    uint64_t in_flight; /* bytes, with this packet */
    uint64_t lost;
    bool limited; /* there was less to send than might have been in flight */
};

/* The sample of one batch of acknowledgements; congestion control takes it. */
struct sctp_sample {
    uint64_t now_us;
    uint64_t acked;           /* bytes newly acknowledged in this batch */
    uint64_t lost;            /* bytes newly declared lost in this batch */
    uint64_t in_flight;       /* bytes, after it */
    uint64_t prior_in_flight; /* bytes, before it */
    uint64_t total_delivered; /* bytes, of the net, after it */
    uint64_t rtt_us;          /* of the newest packet that was sent once; 0: none */
    uint64_t srtt_us;         /* 0: not measured yet */
    /* Of the packet among them that was sent last; rate 0 where there is none, or where the
     * interval is shorter than the least round trip. */
    bool has_packet;
    uint64_t sent_us;
    uint64_t prior_delivered; /* bytes delivered when it was sent */
    uint64_t delivered;       /* bytes delivered since then */
    uint64_t interval_us;
    uint64_t rate;         /* bytes a second */
    uint64_t tx_in_flight; /* bytes in flight when it was sent, with it */
    uint64_t tx_lost;      /* bytes lost since it was sent */
    bool limited;          /* it was sent for want of data, not at the limit */
    bool in_recovery;      /* losses are being repaired */
    bool by_timeout;       /* by T3 */
};

/* A packet of that size is sent; in_flight is with it. */
void sctp_rate_sent(struct sctp_rate *rate, uint64_t now_us, uint32_t size, uint64_t in_flight,
                    struct sctp_rate_mark *mark);
/* There is less to send than the window allows: packets in flight say nothing of the line's
 * capacity until they have passed. */
void sctp_rate_limited(struct sctp_rate *rate, uint64_t in_flight);
/* A packet is acknowledged for the first time. The sample is all zero before the first of a batch;
 * the rest of its fields, rtt_us and those about losses and what is in flight, are the caller's. */
void sctp_rate_acked(struct sctp_rate *rate, struct sctp_sample *sample, uint64_t now_us,
                     uint64_t sent_us, uint32_t size, const struct sctp_rate_mark *mark);
/* After the last packet of a batch, and after its losses are counted. min_rtt_us 0: not known. */
void sctp_rate_finish(struct sctp_rate *rate, struct sctp_sample *sample, uint64_t now_us,
                      uint64_t min_rtt_us);
