/* transport/udp_cookie.h: INIT ACKs that are short enough for strangers.
 *
 * usrsctp's cookie repeats INIT and INIT ACK: 208 bytes for an INIT of 32. Source addresses can be
 * forged, so nobody gets an answer that is larger than three times his question (docs/PROTOCOL.md,
 * S10). The half-open state is here anyway: it keeps usrsctp's cookie, and the peer gets a token of
 * 16 unguessable bytes, which comes back in COOKIE ECHO and is replaced again. So usrsctp sees no
 * COOKIE ECHO but of who has had our INIT ACK. A repeated INIT gets the same answer again. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UDP_COOKIE_TOKEN 16

/* All zero: none. Owns: whoever has it, udp_cookie_fini. */
struct udp_cookie {
    uint8_t token[UDP_COOKIE_TOKEN];
    uint8_t *bytes; /* usrsctp's */
    size_t length;
    uint8_t *answer; /* the INIT ACK, sealed */
    size_t answer_length;
    uint32_t asked_tag; /* Initiate Tag of the INIT */
};

void udp_cookie_fini(struct udp_cookie *self);

/* An INIT ACK of usrsctp's: keeps its cookie, puts a new token into its place and seals it; *length
 * becomes less. When it is still more than most, the other parameters are left out, those of RFC
 * 4895: who asks for them in an INIT has said as much. False: it has no cookie. */
bool udp_cookie_shorten(struct udp_cookie *self, uint8_t *packet, size_t *length, size_t most);

/* A checked packet that begins with COOKIE ECHO: when it has the token, makes the packet for
 * usrsctp in whole, of room bytes. Returns its length; 0: another token, or no room. */
size_t udp_cookie_restore(const struct udp_cookie *self, const uint8_t *packet, size_t length,
                          uint8_t *whole, size_t room);
