/* sctp/congestion.h: the one interface to congestion control; sctp/bbr.c and sctp/cubic.c are
 * behind it. One for each net. It is told what happens to packets and says how many bytes may be in
 * flight, and how fast they may go. Counts packets' bytes, SCTP header and all. Pure. */
#pragma once

#include "sctp/rate.h"

struct sctp_congestion {
    const struct sctp_congestion_ops *ops;
    uint64_t window;  /* bytes that may be in flight */
    uint64_t pace;    /* bytes a second; 0: no pacing */
    uint32_t quantum; /* bytes that go at once */
    uint32_t mss;     /* bytes of a full packet */
};

/* One packet that was declared lost. */
struct sctp_loss {
    uint64_t now_us, sent_us;
    uint32_t size;
    struct sctp_rate_mark mark;
    uint64_t in_flight;  /* bytes, without it */
    uint64_t total_lost; /* bytes, of the net, with it */
    uint64_t total_delivered;
    bool by_timeout;      /* T3: says nothing about the rate (decision 033, D3) */
    bool begins_recovery; /* the first one of an episode */
    bool adjacent;        /* the packet before it was lost, too: the same range (D3) */
};

struct sctp_congestion_ops {
    const char *name; /* "bbr", "cubic" */
    /* rtt_us: of the handshake, 0: not known: paces the first window. Owns: caller, free(). */
    struct sctp_congestion *(*make)(uint64_t now_us, uint32_t mss, uint64_t rtt_us);
    /* Before a packet is counted as in flight: in_flight 0 is the end of a pause. */
    void (*sent)(struct sctp_congestion *self, uint64_t now_us, uint32_t size, uint64_t in_flight);
    /* Once a batch, after all of its lost() and spurious(). */
    void (*acked)(struct sctp_congestion *self, const struct sctp_sample *sample);
    void (*lost)(struct sctp_congestion *self, const struct sctp_loss *loss);
    /* A packet that was declared lost has arrived after all. whole_episode: so have all that were
     * lost since the recovery began: what it did can be undone. */
    void (*spurious)(struct sctp_congestion *self, uint64_t now_us, uint32_t size,
                     bool whole_episode);
    /* T3 has expired, after lost() for each packet in flight. */
    void (*timeout)(struct sctp_congestion *self, uint64_t now_us);
    void (*mtu)(struct sctp_congestion *self, uint32_t mss);
    /* Name of the phase, static; *floor: the share of packets that the line itself loses. */
    const char *(*phase)(const struct sctp_congestion *self, double *floor);
};

extern const struct sctp_congestion_ops sctp_bbr_ops, sctp_cubic_ops;

/* RFC 6928's ten packets times what decision 015 measured: bytes of the first window. */
#define SCTP_CONGESTION_FIRST_PACKETS 44

/* Below this round trip a net is short: no pacing, and at least the first of these in flight; at
 * most the second, or twice what the path holds where that is more. With 256 and 512 KB a tunnel
 * over loopback carried as much, and a small message beside 16 downloads took 2.0 ms instead
 * of 1.0; with 128 KB for both it carried less. */
#define SCTP_CONGESTION_SHORT_US         1000
#define SCTP_CONGESTION_SHORT_WINDOW     (128 * 1024)
#define SCTP_CONGESTION_SHORT_WINDOW_MAX (192 * 1024)
/* Bytes a second: a net that was measured to be slower than this is not short (bbr.c: is_short). */
#define SCTP_CONGESTION_SHORT_RATE (16 * 1000 * 1000)

/* No pace is slower, no rate counted as faster, no time longer: so no product overflows, whatever
 * the peer acknowledges. */
#define SCTP_CONGESTION_RATE_MIN  3000
#define SCTP_CONGESTION_RATE_MAX  (UINT64_C(1) << 37)
#define SCTP_CONGESTION_TIME_MAX  (UINT64_C(60) * 1000 * 1000)
#define SCTP_CONGESTION_BYTES_MAX (UINT64_C(1) << 33)
#define SCTP_CONGESTION_QUANTUM   (64 * 1024)

/* ---- for sctp/bbr.c and sctp/cubic.c ---- */

/* Paces at percent of bytes each us, within those bounds; sets the quantum, as the draft does:
 * what goes in a millisecond, 2 packets to 64 KB, but at most a quarter of the window. */
void sctp_congestion_pace(struct sctp_congestion *self, uint64_t bytes, uint64_t us,
                          unsigned percent);
/* Without pacing, for a short path. */
void sctp_congestion_unpaced(struct sctp_congestion *self);
