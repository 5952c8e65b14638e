/* transport/auth.h: authenticated chunks (RFC 4895), what the transports that have them share.
 *
 * TLS protects what is said on the streams, not SCTP: who sees the packets can forge an ABORT or a
 * SACK. With this each packet carries a MAC over the chunks that are listed here. Both ends must
 * want it: one that does ends an association in which the peer does not, with AUTH_MISSING as the
 * text. Both lists must be equal. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the peer is told by the ABORT, and the user by on_down. */
#define AUTH_MISSING "this end requires sctp_auth, the other end does not have it"

/* Types of the chunks that must be authenticated.
 *
 * INIT, INIT ACK and SHUTDOWN COMPLETE cannot be (section 3.2). COOKIE ECHO and COOKIE ACK are not:
 * they come before there is a secret, and an association in which only one end wants authentication
 * must come up for both to be told so. HEARTBEAT and its answer are not: ours (transport/probe.h)
 * prove themselves by what they carry. */
extern const uint8_t auth_chunks[];
extern const size_t auth_chunk_count;

/* Whether a peer's list has all of them. */
bool auth_chunks_listed(const uint8_t *list, size_t count);

/* Most keys that may be in use for sending, or for sending again, at a time. */
#define AUTH_KEYS_MAX 8

/* The keys with which we send. All zero: with key 0 alone. */
struct auth_sending {
    uint16_t used;
    uint16_t old[AUTH_KEYS_MAX]; /* what was sent with them may be sent again */
    size_t old_count;
};

/* number is used from now on. False: too many are. */
bool auth_sending_use(struct auth_sending *self, uint16_t number);
/* Nothing is sent again with this one. True: and that was the last of the old ones. */
bool auth_sending_freed(struct auth_sending *self, uint16_t number);
