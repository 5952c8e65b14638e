/* transport/packet_init.h: what an INIT or INIT ACK may hold (RFC 9260 sections 3.3.2, 3.3.3).
 *
 * Anybody can send an INIT, so it is bounded before usrsctp sees it: usrsctp repeats all of it in
 * its cookie, and reports each parameter that it does not know, so that an INIT of 13 KB gave a
 * packet of more than 64 KB. What this transport has no use for is taken out: addresses (usrsctp
 * knows none of ours), ECN, partial reliability, padding. RFC 9260 section 3.2.1 wants some unknown
 * parameters reported; they are not, because a report is an answer that is larger than the
 * question. Pure. Thread: any. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the largest packets that are taken: an INIT with sixteen IPv6 addresses has 600; the
 * cookie of an INIT ACK repeats all of both. */
#define PACKET_INIT_MAX     1280
#define PACKET_INIT_ACK_MAX 4096

/* For a packet that passed packet_check and is an INIT or INIT ACK alone: takes out, in place, all
 * parameters but the cookie and, with auth, those of RFC 4895. *length becomes less; the checksum
 * no longer holds. False: it is to be dropped: too long, a value that section 3.3.2 forbids (tag 0,
 * no streams, a window under 1500 bytes), an INIT ACK without a cookie, a parameter that is longer
 * than any that is meant. */
bool packet_init_trim(uint8_t *packet, size_t *length, bool auth);

/* Of an INIT or INIT ACK: its Initiate Tag. */
uint32_t packet_init_tag(const uint8_t *packet);

/* The value of the cookie of an INIT ACK that was trimmed; *length is set. */
const uint8_t *packet_init_cookie(const uint8_t *packet, size_t length, size_t *cookie_length);
