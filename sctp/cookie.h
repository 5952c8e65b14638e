/* sctp/cookie.h: state cookies (RFC 9260 section 5.1.3): everything that is needed to make an
 * association, sealed by a secret of the listener, so that nothing is kept before it has come back.
 * Private to sctp/. Pure. */
#pragma once

#include "sctp/auth.h"
#include "sctp/listener.h"

/* Without RFC 4895: about 40 bytes; what can be derived from the secret and the two tags is not in
 * it, so that INIT ACK stays below three times the smallest INIT (32 bytes). */
struct sctp_cookie {
    uint64_t made_us;
    uint32_t own_tag, peer_tag;
    uint32_t own_tsn, peer_tsn;
    uint32_t peer_window;
    uint16_t streams_out, streams_in; /* what the association will have */
    uint16_t own_port, peer_port;
    bool peer_is_hawser;
    uint32_t own_tie, peer_tie;       /* tags of the association that existed; 0: none (5.2.2) */
    uint8_t random[SCTP_AUTH_RANDOM]; /* ours, with auth */
    uint8_t peer_auth[SCTP_AUTH_PARAMETERS_MAX];
    size_t peer_auth_length; /* 0: without */
};

#define SCTP_COOKIE_MAX 320

struct sctp_cookie_secret {
    uint8_t bytes[2][SCTP_SECRET_SIZE]; /* the present one, the one before */
    uint64_t made_us;
    uint8_t generation; /* of the present one; its lowest bit is in the cookie */
};

enum sctp_cookie_result {
    SCTP_COOKIE_GOOD,
    SCTP_COOKIE_STALE, /* ours, and too old: *stale_us says by how much */
    SCTP_COOKIE_BAD,   /* not ours, of another path, changed */
};

/* Returns the length. own_tag, own_tsn and random are derived here and set (own_tag of an existing
 * association is kept where keep_tag is set: 5.2.1). */
size_t sctp_cookie_seal(const struct sctp_cookie_secret *secret, const struct sctp_origin *origin,
                        struct sctp_cookie *cookie, const void *nonce, size_t nonce_length,
                        bool keep_tag, uint8_t out[static SCTP_COOKIE_MAX]);
enum sctp_cookie_result sctp_cookie_open(const struct sctp_cookie_secret *secret, uint64_t now_us,
                                         const struct sctp_origin *origin,
                                         const struct sctp_header *header, const uint8_t *bytes,
                                         size_t length, struct sctp_cookie *cookie,
                                         uint64_t *stale_us);
