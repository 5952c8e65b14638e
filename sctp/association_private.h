/* sctp/association_private.h: an association's parts. Each struct here is written by the one file
 * that it is named after; others read it. Private to sctp/. */
#pragma once

#include "sctp/association.h"
#include "sctp/auth.h"
#include "sctp/flight.h"
#include "sctp/net.h"
#include "sctp/reassembly.h"
#include "sctp/tsn_map.h"
#include "sctp/wire.h"

/* RFC 9260 section 4; CLOSED is an association that does not exist. */
enum sctp_state {
    SCTP_COOKIE_WAIT,
    SCTP_COOKIE_ECHOED,
    SCTP_ESTABLISHED,
    SCTP_SHUTDOWN_PENDING,
    SCTP_SHUTDOWN_SENT,
    SCTP_SHUTDOWN_RECEIVED,
    SCTP_SHUTDOWN_ACK_SENT,
    SCTP_ENDED, /* DOWN is told, or waits to be */
};

/* The side that connects (sctp/handshake.c); freed when it is up. */
struct sctp_handshake {
    uint32_t initial_tsn;
    uint8_t random[SCTP_AUTH_RANDOM];
    uint8_t *cookie; /* to be echoed; NULL: INIT ACK has not come */
    size_t cookie_length;
    uint64_t sent_us, deadline_us; /* T1 */
    unsigned sent;                 /* times that INIT or COOKIE ECHO was sent */
    unsigned stale;                /* cookies that were */
    bool is_due, takes_early;
};

/* sctp/sending.c */
struct sctp_sending {
    struct message_queue queue; /* not yet cut, or cut in part: */
    uint32_t offset;            /* bytes of the first one that are in chunks already */
    uint16_t *ssns;             /* next one of each stream; grown to the highest used */
    uint32_t ssn_count;
    bool wants_writable;
    uint64_t lacks_us;    /* since then there was nothing to send, and room for it; 0: there is */
    bool is_paced;        /* the pacer alone holds the next packet up */
    bool may_put;         /* sctp_sending_wants has just said so */
    uint32_t peer_window; /* a_rwnd as it was last told, less what is outstanding */
    struct sctp_put {     /* the packet that is being made */
        uint32_t first_tsn, previous;
        uint16_t count;
        bool is_rtx, probe;
    } put;
    bool key_waits; /* the next two are set */
    uint16_t key;
    uint32_t key_tsn;
};

/* sctp/acknowledge.c */
struct sctp_interval {
    uint32_t first, last; /* TSNs */
};
struct sctp_acknowledge {
    struct sctp_interval *intervals; /* beyond una, sorted, acknowledged by gap blocks */
    struct sctp_interval *spare;     /* as many, for the next list */
    uint32_t count, capacity;
    bool any; /* in this batch: a SACK; what it newly acknowledged: */
    bool is_new;
    bool is_cut;           /* the last SACK may have had no room for all of its blocks; then: */
    uint32_t seen;         /* nothing is known of TSNs from here on */
    uint8_t miss_round;    /* SACKs that took nothing back */
    uint64_t repeats_told; /* duplicates that were taken for what was sent again */
};

/* sctp/recovery.c */
struct sctp_recovery {
    struct sctp_rtx_queue {
        uint32_t *tsns;
        uint32_t size, first, count;
    } rtx[2]; /* TSNs to be sent again: rings, in the order in which they were lost; those that
                   were sent again already, and are lost once more, go first: all wait for them */
    uint64_t rack_us, probe_us; /* deadlines; SCTP_NEVER: not armed */
    uint64_t wait_us;           /* the same: for the peer's window */
    bool probe_due, probe_out;
    bool probe_doubled;     /* the peer had what the probe repeated */
    uint32_t probe_packet;  /* with probe_out: its number */
    bool window_due;        /* the peer's window is closed: a probe of it may go (section 6.1) */
    bool is_probing_window; /* it is out */
    bool is_heard;          /* a SACK has come since the last time-out */
    unsigned errors;        /* time-outs in a row, of the association (section 8.1) */
};

/* sctp/receiving.c */
struct sctp_receiving {
    struct sctp_tsn_map map;
    struct sctp_reassembly *reassembly;
    unsigned packets; /* with DATA since the last SACK */
    bool sack_now;    /* a SACK must go at once; it is owed, too */
    bool owes_sack;   /* goes with the next DATA, or at deadline_us */
    bool had_data;    /* this packet */
    bool failed;      /* the peer has contradicted itself: nothing more is taken */
    unsigned net;     /* on which DATA came last */
    uint64_t deadline_us;
    uint32_t window_told; /* a_rwnd of the last SACK, or of INIT */
    uint32_t turn;        /* TSN: which blocks go next where not all fit */
};

/* sctp/closing.c */
struct sctp_closing {
    uint64_t deadline_us; /* T2 */
    uint64_t guard_us;    /* T5 */
    unsigned sent;
    bool owes_shutdown, owes_shutdown_ack, owes_complete, complete_reflected;
    uint32_t reflected_tag; /* that SHUTDOWN COMPLETE bears, where it is reflected */
    bool by_us;             /* the user asked for it, before the peer did */
    bool owes_abort;
    uint16_t abort_cause;
    uint32_t abort_tsn;          /* of cause "no user data" */
    uint8_t text[SCTP_TEXT_MAX]; /* ours, until it is sent; then the peer's */
    size_t text_length;
};

/* sctp/replies.c */
#define SCTP_HEARTBEAT_ACKS 4
#define SCTP_CAUSES_MAX     256
struct sctp_replies {
    struct sctp_heartbeat_ack {
        uint8_t *info;
        uint16_t length;
        uint8_t net;
    } acks[SCTP_HEARTBEAT_ACKS];
    unsigned ack_count;
    uint8_t *causes; /* SCTP_CAUSES_MAX bytes; NULL: none */
    size_t causes_length;
    uint64_t second_us; /* when the second began in which `errors` were sent */
    unsigned errors;
};

/* sctp/association.c */
struct sctp_association {
    struct sctp_options options;
    enum sctp_state state;
    uint16_t own_port, peer_port;
    uint32_t own_tag, peer_tag;
    uint16_t streams; /* in each direction, once it is up */
    bool peer_is_hawser;
    bool owes_cookie_ack;
    bool came_up; /* it has been up, and may have ended since */
    bool is_peer_closing;
    struct { /* events that the user has pulled */
        bool up, answered, down, peer_closing;
    } told;
    bool had_data; /* DATA has come */
    bool is_muted; /* the user has aborted it: no messages any more */
    bool answered; /* SCTP_EVENT_ANSWERED is due */
    bool was_authentic;
    bool settled; /* SCTP_EVENT_AUTH_SETTLED is due, for: */
    uint16_t settled_key;
    enum err reason;
    bool unknown_there;
    struct sctp_plan { /* found by sctp_association_wants, for the output after it */
        bool alone, handshake, control, sack, data;
    } plan;
    unsigned used;                        /* net */
    struct sctp_net *nets[SCTP_NETS_MAX]; /* NULL: never used */
    struct sctp_auth *auth;               /* NULL: without */
    struct sctp_handshake *handshake;     /* NULL: it is up, or the peer began it */
    struct sctp_flight flight;
    struct sctp_sending sending;
    struct sctp_acknowledge acknowledge;
    struct sctp_recovery recovery;
    struct sctp_receiving receiving;
    struct sctp_closing closing;
    struct sctp_replies replies;
    struct sctp_status counters; /* those of its fields that only count */
};

/* A new one in COOKIE_WAIT: options, no deadlines; it is not up and has neither tags nor nets. The
 * caller calls sctp_sending_init once our initial TSN is drawn and sctp_receiving_init once the
 * peer's is known; every fini also stands a part that was never made, which is all zero. Owns:
 * caller, sctp_association_free. */
struct sctp_association *sctp_association_new(const struct sctp_options *options);
/* The net of that number, made when it is first used: in COOKIE_WAIT with the round trip of INIT
 * and INIT ACK, if INIT was sent once. */
struct sctp_net *sctp_association_net(struct sctp_association *self, uint64_t now_us, unsigned net);
/* Bytes of the largest packet there. */
static inline uint32_t sctp_association_mtu(const struct sctp_association *self, unsigned net)
{
    return self->nets[net] ? self->nets[net]->mtu : self->options.mtu;
}
/* Up from now on. */
void sctp_association_up(struct sctp_association *self);
/* Over; text is kept (at most SCTP_TEXT_MAX bytes). A no-op when it is over already. */
void sctp_association_end(struct sctp_association *self, enum err reason, const void *text,
                          size_t length);
/* Over, and an ABORT with that cause and value is owed to the peer (at most SCTP_TEXT_MAX bytes).
 * A no-op when it is over already. */
void sctp_association_fail(struct sctp_association *self, enum err reason, uint16_t cause,
                           const void *value, size_t length);
/* DATA may be sent, and taken, in this state (section 6). */
static inline bool sctp_association_may_send(const struct sctp_association *self)
{
    return self->state == SCTP_ESTABLISHED || self->state == SCTP_SHUTDOWN_PENDING ||
           self->state == SCTP_SHUTDOWN_RECEIVED;
}
