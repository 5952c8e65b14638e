/* sctp/association.h: one SCTP association (RFC 9260), sans I/O: packets in, packets out, the time
 * is passed in, the next deadline is told, events are pulled. It has no socket, no clock, no thread
 * and no global state; two associations share nothing. The thread that owns it calls everything.
 *
 * A path is called a net here: a number of the caller's below SCTP_NETS_MAX, so that an
 * association knows nothing of addresses. It has round trips and congestion control of its own.
 *
 *     on packets:  sctp_association_input for each, then sctp_association_input_end
 *     on a timer:  sctp_association_timeout when sctp_association_deadline is reached
 *     after both, and after send, close and the like: pull the events, then
 *                  while (sctp_association_wants(...)) sctp_association_output(...) */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/message.h"
#include "sctp/sharing.h"
#include "sctp/wire.h"

#define SCTP_NETS_MAX 8

/* No deadline. */
#define SCTP_NEVER UINT64_MAX

/* Longest text of an ABORT, ours or the peer's. */
#define SCTP_TEXT_MAX 200

/* Bytes of a shared key of RFC 4895. */
#define SCTP_KEY_MAX 64

struct sctp_association;
struct sctp_congestion_ops;

/* All times in microseconds. Every field is set by the caller; sctp_association_defaults gives the
 * values of RFC 9260 section 16 and ours. */
struct sctp_options {
    uint16_t own_port, peer_port;
    uint16_t streams; /* asked for in each direction, 1..65535 */
    uint32_t buffer;  /* bytes that the peer may make us keep; at least 1500 */
    bool frugal;      /* little memory beyond those bytes, until sctp_association_set_buffer */
    uint32_t mtu; /* bytes of the largest SCTP packet on a net, until sctp_association_net_mtu */
    uint64_t rto_initial_us, rto_min_us, rto_max_us;
    uint32_t init_retransmissions; /* Max.Init.Retransmits */
    uint32_t retransmissions;      /* Association.Max.Retrans: time-outs without an answer */
    uint64_t sack_delay_us;        /* a SACK waits no longer (section 6.2: 500 ms or less) */
    bool init_by_caller;           /* the caller sends INIT itself: sctp_association_init_packet */
    bool auth;                     /* RFC 4895; without it at the peer there is no association */
    bool hawser;                   /* says in INIT that it is one of ours (SCTP_PARAMETER_HAWSER) */
    const struct sctp_congestion_ops *congestion;
    struct sctp_sharing sharing; /* of a listener */
    /* For tests, to see them wrap: number of the first packet; our initial TSN, 0: by chance. */
    uint32_t first_packet, first_tsn;
    void (*random)(void *context, void *bytes, size_t length); /* unguessable bytes */
    void *random_context;
};
void sctp_association_defaults(struct sctp_options *options);
/* For options.congestion: "bbr" or "cubic". NULL: there is none of that name, or name is NULL. */
const struct sctp_congestion_ops *sctp_congestion_find(const char *name);

/* Begins an association with the peer on net 0; INIT is pending, or the caller's to send. Owns:
 * caller, sctp_association_free. options is copied. */
struct sctp_association *sctp_association_connect(const struct sctp_options *options);
/* Without a word to the peer. NULL is fine. */
void sctp_association_free(struct sctp_association *self);

/* The INIT of one that connects, always the same bytes; returns its length (at most limit; 0: no
 * room, or it is up). Verification tag 0. */
size_t sctp_association_init_packet(const struct sctp_association *self, uint8_t *packet,
                                    size_t limit);
/* With options.init_by_caller: it leaves. If that happens once, the time until INIT ACK is the
 * first round trip: that of T1 and of the first window's pace. */
void sctp_association_init_sent(struct sctp_association *self, uint64_t now_us);

/* Verification tags: packets to us bear our own (never 0), packets to the peer bear the peer's (0:
 * not known yet). */
uint32_t sctp_association_own_tag(const struct sctp_association *self);
uint32_t sctp_association_peer_tag(const struct sctp_association *self);

/* ---- packets ---- */

/* A packet that passed sctp_wire_check, for our ports, which came on that net. INIT and COOKIE ECHO
 * go through sctp/listener.h instead, which passes on what is for an association that exists. The
 * verification tag is checked here (section 8.5). packet may be changed (RFC 4895). */
void sctp_association_input(struct sctp_association *self, uint64_t now_us, unsigned net,
                            uint8_t *packet, size_t length);
/* After all packets that were there: decides on a SACK, finds losses, tells congestion control. */
void sctp_association_input_end(struct sctp_association *self, uint64_t now_us);

/* A packet that is to be sent now. */
struct sctp_wants {
    unsigned net;
    size_t size; /* bytes at most */
    bool full;   /* it will have exactly this size, and more of this size are likely to follow */
};
/* False: nothing is to be sent before the next input, send or deadline. */
bool sctp_association_wants(struct sctp_association *self, uint64_t now_us,
                            struct sctp_wants *wants);
/* Makes that packet, sealed, in room for wants.size bytes. Returns its length, never 0 after a
 * true answer with the same now_us. */
size_t sctp_association_output(struct sctp_association *self, uint64_t now_us,
                               const struct sctp_wants *wants, uint8_t *room);

/* Time of the next call of sctp_association_timeout; SCTP_NEVER: none. Always after now_us of the
 * latest such call once its outputs were taken. */
uint64_t sctp_association_deadline(const struct sctp_association *self);
void sctp_association_timeout(struct sctp_association *self, uint64_t now_us);

/* ---- messages and events ---- */

/* Queues one message of 1 to MESSAGE_MAX bytes on message->stream, payload protocol by
 * message->epoch. ERR_OK: it is the association's. ERR_AGAIN: it stays the caller's, and
 * SCTP_EVENT_WRITABLE follows; the queue is kept short (what leaves in 2 ms).
 * ERR_TRANSPORT_STREAM: no such stream. ERR_TRANSPORT_CLOSED: it is closing, or gone. Before it is
 * up: one message of at most 1000 bytes on stream 0 once SCTP_EVENT_ANSWERED was pulled and before
 * the next output, which goes with COOKIE ECHO (section 5.1). */
enum err sctp_association_send(struct sctp_association *self, uint64_t now_us,
                               struct message *message);

/* Bytes that leave in about 2 ms at the rate of now; 0: nobody needs to care. */
uint32_t sctp_association_pace(const struct sctp_association *self);

enum sctp_event_kind {
    SCTP_EVENT_ANSWERED, /* INIT ACK has come; COOKIE ECHO goes with the next output */
    SCTP_EVENT_UP,       /* streams: in each direction */
    SCTP_EVENT_MESSAGE,  /* message: the caller owns it */
    SCTP_EVENT_WRITABLE,
    SCTP_EVENT_AUTH_SETTLED, /* key: nothing in flight was sent with an older one */
    SCTP_EVENT_PEER_CLOSING, /* the peer has begun SHUTDOWN */
    SCTP_EVENT_DOWN,         /* the last: reason, text; output may still have one packet */
};
struct sctp_event {
    enum sctp_event_kind kind;
    struct message *message;
    uint16_t streams, key;
    enum err reason;
    /* Of the peer's ABORT, as it came, not terminated; or a sentence of ours. It lasts as long as
     * the association. */
    const uint8_t *text;
    size_t text_length;
    bool unknown_there; /* the peer's ABORT had the T bit: it does not know the association */
};
/* The next one; false: none. */
bool sctp_association_event(struct sctp_association *self, struct sctp_event *event);

/* Changes options.buffer, and ends options.frugal. */
void sctp_association_set_buffer(struct sctp_association *self, uint32_t bytes);

/* ---- the end ---- */

/* Ends it after all that was queued has arrived (section 9.2); SCTP_EVENT_DOWN follows. */
void sctp_association_shutdown(struct sctp_association *self, uint64_t now_us);
/* Ends it at once: an ABORT with this text (at most SCTP_TEXT_MAX bytes, NULL: none) goes with the
 * next output, SCTP_EVENT_DOWN follows with ERR_LOCAL_SHUTDOWN. */
void sctp_association_abort(struct sctp_association *self, const char *text);

/* ---- nets ---- */

/* From now on everything goes by this net. Packets in flight on the other one stay there. */
void sctp_association_net_use(struct sctp_association *self, uint64_t now_us, unsigned net);
/* A round trip there that the caller has measured, by a probe of its own, say: it counts until data
 * have measured one. Not 0. */
void sctp_association_net_rtt(struct sctp_association *self, uint64_t now_us, unsigned net,
                              uint64_t rtt_us);
/* The net carries nothing any more: its packets in flight are lost, and go by the net in use at
 * once. */
void sctp_association_net_fail(struct sctp_association *self, uint64_t now_us, unsigned net);
/* The path of that net is another one now: its round trips and window begin anew. */
void sctp_association_net_reset(struct sctp_association *self, uint64_t now_us, unsigned net);
/* Bytes of the largest SCTP packet there. A chunk that was sent already and is larger goes as it
 * was made if it is lost. */
void sctp_association_net_mtu(struct sctp_association *self, uint64_t now_us, unsigned net,
                              uint32_t mtu);

/* ---- authentication (RFC 4895) ---- */

/* As association_auth_* in transport/transport.h. */
enum err sctp_association_auth_add(struct sctp_association *self, uint16_t number,
                                   const uint8_t *key, size_t length);
enum err sctp_association_auth_use(struct sctp_association *self, uint16_t number);
enum err sctp_association_auth_drop(struct sctp_association *self, uint16_t number);
/* True: the latest packet given to input was authenticated from its first chunk on. */
bool sctp_association_was_authentic(const struct sctp_association *self);

/* ---- status ---- */

struct sctp_net_status {
    uint32_t srtt_us, min_rtt_us; /* 0: not measured */
    uint32_t rto_us;
    uint32_t mtu;
    uint64_t window, in_flight; /* bytes */
    uint64_t pace;              /* bytes a second; 0: not paced */
    const char *congestion;     /* "bbr", "cubic" */
    const char *phase;          /* of it: "startup", "cruise"… */
    double loss_floor;          /* share of packets that the line itself loses */
};
struct sctp_status {
    bool is_up, is_hawser; /* the peer: SCTP_PARAMETER_HAWSER */
    uint16_t streams;
    uint64_t packets_in, packets_out, messages_in, messages_out;
    uint64_t retransmitted; /* chunks sent again */
    uint64_t spurious;      /* of those, needlessly: the first one had arrived */
    uint64_t lost;          /* packets that were declared lost */
    uint64_t probes;        /* packets sent to hear of the last ones (TLP) */
    uint64_t timeouts;      /* T3 */
    uint64_t duplicates;    /* TSNs that came twice */
    uint64_t rejected;      /* packets or chunks dropped: wrong tag, not authentic, malformed */
    size_t queued;          /* bytes accepted and not yet sent */
    size_t held;            /* bytes that the peer makes us keep, */
    size_t kept;            /* and what they take as allocated */
    size_t memory;          /* bytes of all this, as allocated */
};
void sctp_association_status(const struct sctp_association *self, struct sctp_status *status);
/* False: that net was never used. */
bool sctp_association_net_status(const struct sctp_association *self, unsigned net,
                                 struct sctp_net_status *status);
