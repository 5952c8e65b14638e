/* sctp/listener.h: begins the associations that peers ask for (RFC 9260 sections 5.1, 5.2, 8.4),
 * without any state until a good cookie has come back: INIT is answered from a secret, the time and
 * the packet alone. No reply is longer than three times its question. The thread that owns it. */
#pragma once

#include "sctp/association.h"

/* Longest reply: an INIT ACK with RFC 4895's parameters and what it reports. */
#define SCTP_REPLY_MAX 768

/* Bytes of unknown parameters of an INIT that its INIT ACK reports (section 3.2.2). */
#define SCTP_REPORT_MAX 256

/* Two secrets: each seals for this time, and opens for twice this time. */
#define SCTP_SECRET_US      60000000
#define SCTP_COOKIE_LIFE_US 30000000
#define SCTP_SECRET_SIZE    32

/* Own tags of associations that have ended, the latest ones: a cookie of theirs makes no other. */
#define SCTP_LISTENER_ENDED 1024

struct sctp_listener;

/* options as for sctp_association_connect; the ports are ours (own_port) and, for peer_port, taken
 * from the packet. Owns: caller. */
struct sctp_listener *sctp_listener_new(const struct sctp_options *options, uint64_t now_us);
void sctp_listener_free(struct sctp_listener *self); /* NULL is fine */

/* False: INITs of peers are not answered any more. */
void sctp_listener_accept(struct sctp_listener *self, bool accepts);

/* Bytes that stand for where the packet came from and went to: a cookie is good only there. */
struct sctp_origin {
    const void *bytes;
    size_t length; /* at most 64 */
};

enum sctp_heard {
    SCTP_HEARD_NOTHING,   /* dropped; a COOKIE ECHO whose tag is no association's is a stray, too */
    SCTP_HEARD_REPLY,     /* reply is to be sent back to where the packet came from */
    SCTP_HEARD_UNLIKE,    /* the same: an ABORT, because the peer lacks what options.auth wants */
    SCTP_HEARD_MADE,      /* *made is a new association, with what came behind COOKIE ECHO */
    SCTP_HEARD_RESTARTED, /* the same; the existing one's peer has lost its state (5.2.4 A): the
                             caller ends that with ERR_TRANSPORT_RESTARTED */
    SCTP_HEARD_EXISTING,  /* it was for existing, which took it: pull its events and outputs */
};

/* A packet that passed sctp_wire_check and begins with INIT or COOKIE ECHO (behind AUTH, perhaps).
 * existing: the association of its verification tag, else the one between the two ends that there
 * is already, or NULL. net: the number that this path has, or will have, in the association. reply
 * has room for SCTP_REPLY_MAX bytes. Owns: *made is the caller's; call sctp_association_input_end
 * for it, then pull its events. The same for existing after SCTP_HEARD_EXISTING. */
enum sctp_heard sctp_listener_input(struct sctp_listener *self, uint64_t now_us,
                                    const struct sctp_origin *origin, unsigned net, uint8_t *packet,
                                    size_t length, struct sctp_association *existing,
                                    uint8_t *reply, size_t *reply_length,
                                    struct sctp_association **made);

/* One that was made here has ended. */
void sctp_listener_ended(struct sctp_listener *self, uint32_t own_tag);

/* The answer to a packet out of the blue (RFC 9260 section 8.4): of no association, and neither
 * INIT nor a COOKIE ECHO that is good. Returns the length of the reply, never longer than the
 * packet; 0: none. The caller limits their rate. */
size_t sctp_listener_ootb(const uint8_t *packet, size_t length, uint8_t *reply);
