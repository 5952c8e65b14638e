/* sctp/handshake.h: the begin of an association at the side that connects, and the answers to INIT
 * ACK, COOKIE ECHO and COOKIE ACK (RFC 9260 sections 5.1, 5.2). Private to sctp/. */
#pragma once

#include "sctp/association_private.h"
#include "sctp/cookie.h"

/* An INIT or INIT ACK offers less than this: no association (sections 3.3.2, 3.3.3). */
#define SCTP_WINDOW_MIN 1500

/* Parameters that are looked at in one INIT or INIT ACK. */
#define SCTP_PARAMETERS_MAX 64

/* ---- INIT and INIT ACK ---- */

/* The parameters, without RFC 4895's. */
struct sctp_offer {
    bool is_hawser;
    struct sctp_parameter host_name; /* whole NULL: none */
    const uint8_t *cookie;           /* NULL: none */
    size_t cookie_length;
    unsigned unknown_count; /* to be reported (section 3.2.1): */
    struct sctp_parameter unknown[SCTP_PARAMETERS_MAX];
};
void sctp_handshake_read_offer(struct wire_reader parameters, struct sctp_offer *offer);

/* The fixed part; what all of ours have behind it, and the end. init: its parameters are not read.
 * random: NULL: without RFC 4895. */
uint8_t *sctp_handshake_begin_chunk(struct wire_writer *writer, uint8_t type,
                                    const struct sctp_init *init);
void sctp_handshake_end_chunk(struct wire_writer *writer, uint8_t *chunk,
                              const struct sctp_options *options, const uint8_t *random);

/* Our initial TSN: as drawn, or what a test wants. */
static inline uint32_t sctp_handshake_first_tsn(const struct sctp_options *options, uint32_t drawn)
{
    return options->first_tsn ? options->first_tsn : drawn;
}

/* ---- the side that connects ---- */

void sctp_handshake_fini(struct sctp_association *self);

/* The INIT chunk, always the same bytes. */
void sctp_handshake_put_init(const struct sctp_association *self, struct wire_writer *writer);

/* INIT ACK in COOKIE_WAIT; elsewhere it is dropped (section 5.2.3). */
void sctp_handshake_init_ack(struct sctp_association *self, uint64_t now_us, unsigned net,
                             const struct sctp_chunk *chunk);
/* The next two in COOKIE_ECHOED only (sections 5.2.5, 5.2.6). */
void sctp_handshake_cookie_ack(struct sctp_association *self, uint64_t now_us);
/* ERROR "stale cookie": begins anew with INIT, which is now ours to send (section 5.2.6). */
void sctp_handshake_stale(struct sctp_association *self);

/* Writes INIT or COOKIE ECHO; the rest of the packet may be used for DATA behind COOKIE ECHO, for
 * nothing behind INIT. */
void sctp_handshake_put(struct sctp_association *self, uint64_t now_us, struct wire_writer *writer);
/* T1-init or T1-cookie, at self->handshake->deadline_us. After Max.Init.Retransmits it ends with
 * ERR_TRANSPORT_TIMEOUT. */
void sctp_handshake_timeout(struct sctp_association *self, uint64_t now_us);

/* ---- cookies that came back ---- */

/* From a good one: an association that is up and owes COOKIE ACK. Owns: caller. */
struct sctp_association *sctp_handshake_accept(const struct sctp_options *options, uint64_t now_us,
                                               unsigned net, const struct sctp_cookie *cookie);
/* A good one whose own tag is that of an association of ours: 5.2.4 B, if it is of our own INIT and
 * that is not up, and D. True: taken. */
bool sctp_handshake_cookie(struct sctp_association *self, uint64_t now_us, unsigned net,
                           const struct sctp_cookie *cookie);
