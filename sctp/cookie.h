/* sctp/cookie.h: state cookies (RFC 9260 section 5.1.3): everything that is needed to make an
 * association, sealed by a secret of the listener, so that nothing is kept before it has come back.
 *
 * The MAC also covers what the packet that brings it back has, so it is not in the cookie: source,
 * ports, verification tag. Our tag, TSN and RANDOM are derived from the secret. So a cookie has 40
 * bytes, 48 when there is an association already, and with RFC 4895 the peer's parameters: INIT ACK
 * stays below three times its INIT (docs/PROTOCOL.md, S10). Private to sctp/. Pure. */
#pragma once

#include "sctp/auth.h"
#include "sctp/listener.h"

struct sctp_cookie {
    uint64_t made_us;
    uint32_t own_tag, peer_tag;
    uint32_t own_tsn, peer_tsn;
    uint32_t peer_window;
    uint16_t streams_out, streams_in; /* of the association */
    uint16_t own_port, peer_port;
    bool peer_is_hawser;
    /* Own tag, TSN and RANDOM are those of our own INIT (section 5.2.1); own_tsn and random are not
     * known when it is opened: the association that sent it has them. */
    bool is_kept;
    uint64_t tie; /* sctp_cookie_tie of the association that existed; 0: none (section 5.2.2) */
    uint8_t random[SCTP_AUTH_RANDOM]; /* ours, with RFC 4895 */
    uint8_t peer_auth[SCTP_AUTH_PARAMETERS_MAX];
    size_t peer_auth_length; /* 0: without */
};

/* Bytes: flags, time, the peer's INIT and the MAC; a tie; all of it. */
#define SCTP_COOKIE_LEAST 40
#define SCTP_COOKIE_TIE   8
#define SCTP_COOKIE_MAX   (SCTP_COOKIE_LEAST + SCTP_COOKIE_TIE + SCTP_AUTH_PARAMETERS_MAX)

/* Of one listener. */
struct sctp_cookie_secrets;

/* By options.random; with options.sharing, from its secret and the time alone: the same for all
 * that share, and own tags are those of each of them by turns, from this one on. Owns: caller. */
struct sctp_cookie_secrets *sctp_cookie_secrets_new(const struct sctp_options *options,
                                                    uint64_t now_us);
void sctp_cookie_secrets_free(struct sctp_cookie_secrets *self); /* NULL is fine */
/* Takes a new one every SCTP_SECRET_US; call it before the two below. */
void sctp_cookie_secrets_renew(struct sctp_cookie_secrets *self, uint64_t now_us);

/* A number, never 0, that stands for an association and does not tell its tags (section 2.3:
 * Tie-Tags), as long as the secrets live. */
uint64_t sctp_cookie_tie(struct sctp_cookie_secrets *self, uint32_t own_tag, uint32_t peer_tag);

/* Sets made_us and, unless is_kept, own_tag (never 0), own_tsn and, where there is peer_auth,
 * random. Returns the length, a multiple of 4. */
size_t sctp_cookie_seal(struct sctp_cookie_secrets *self, uint64_t now_us,
                        const struct sctp_origin *origin, struct sctp_cookie *cookie,
                        uint8_t out[static SCTP_COOKIE_MAX]);

enum sctp_cookie_result {
    SCTP_COOKIE_GOOD,
    SCTP_COOKIE_STALE, /* ours, and too old: *stale_us says by how much */
    SCTP_COOKIE_BAD,   /* not ours, of another path, port or tag, changed, or older than a secret */
};
/* header: of the packet. cookie is filled in unless it is BAD. */
enum sctp_cookie_result sctp_cookie_open(struct sctp_cookie_secrets *self, uint64_t now_us,
                                         const struct sctp_origin *origin,
                                         const struct sctp_header *header, const uint8_t *bytes,
                                         size_t length, struct sctp_cookie *cookie,
                                         uint32_t *stale_us);
