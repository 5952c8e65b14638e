/* transport/packet.h: what an SCTP packet must look like before usrsctp may see it.
 *
 * Debian's usrsctp 0.9.5 is older than a number of fixes to its input validation, so everything
 * that a peer of ours never sends is dropped here: packets that do not add up, and chunk types of
 * extensions that we do not negotiate (ASCONF, RE-CONFIG, PKTDROP, I-DATA, FORWARD-TSN; AUTH where
 * it is not asked for). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sctp/crc32c.h"

/* RFC 9260 section 3.1: ports, verification tag, checksum. */
#define PACKET_HEADER 12

/* First byte of a chunk (section 3.2), as far as others than packet.c look at it. */
enum packet_chunk {
    PACKET_CHUNK_DATA = 0,
    PACKET_CHUNK_INIT = 1,
    PACKET_CHUNK_INIT_ACK = 2,
    PACKET_CHUNK_SACK = 3,
    PACKET_CHUNK_HEARTBEAT = 4,
    PACKET_CHUNK_HEARTBEAT_ACK = 5,
    PACKET_CHUNK_ABORT = 6,
    PACKET_CHUNK_SHUTDOWN_ACK = 8,
    PACKET_CHUNK_ERROR = 9,
    PACKET_CHUNK_COOKIE_ECHO = 10,
    PACKET_CHUNK_COOKIE_ACK = 11,
    PACKET_CHUNK_SHUTDOWN_COMPLETE = 14,
    PACKET_CHUNK_AUTH = 15,  /* RFC 4895 */
    PACKET_CHUNK_PAD = 0x84, /* RFC 4820 */
};

enum packet_kind {
    PACKET_BAD,         /* to be dropped */
    PACKET_INIT,        /* alone in its packet, verification tag 0 */
    PACKET_COOKIE_ECHO, /* begins with a COOKIE ECHO */
    PACKET_OTHER,
};

/* Ports as on the wire, in host order. */
struct packet_ports {
    uint16_t source, destination;
};

/* Checks length, ports, checksum, then each chunk: known type, length within the packet and
 * plausible for its type, parameters that add up. Reads nothing beyond length; restores the
 * checksum field that it clears meanwhile. Thread: any. */
enum packet_kind packet_check(uint8_t *packet, size_t length, struct packet_ports *ports);

/* Of a checked packet: whether it has an AUTH chunk; and the type of its first other chunk, of AUTH
 * if it has none. */
bool packet_has_auth(const uint8_t *packet, size_t length);
uint8_t packet_type(const uint8_t *packet, size_t length);

/* Verification tag of a packet, and whether its first chunk has the T bit, which says that the
 * tag is the sender's own (section 3.3.7, 3.3.13). */
uint32_t packet_tag(const uint8_t *packet);
bool packet_tag_reflected(const uint8_t *packet);

/* Whether each chunk of a checked packet is DATA, SACK, AUTH or PAD: nothing that begins, ends or
 * changes an association. Thread: any. */
bool packet_only_moves_data(const uint8_t *packet, size_t length);

/* Up to which TSN a checked packet acknowledges all; it begins with a SACK, or AUTH and a SACK. */
uint32_t packet_cumulative(const uint8_t *packet, size_t length);

/* Whether a checked packet has DATA; *tsn is the first one's. */
bool packet_data(const uint8_t *packet, size_t length, uint32_t *tsn);

/* How many DATA chunks a checked packet has. */
unsigned packet_data_count(const uint8_t *packet, size_t length);

/* What a checked packet is that begins with a SACK. */
enum packet_sack {
    PACKET_SACK_WITH_OTHERS, /* other chunks follow */
    PACKET_SACK_GAPS,
    PACKET_SACK_PLAIN, /* neither gaps nor duplicates */
};
enum packet_sack packet_sack_kind(const uint8_t *packet, size_t length);

/* Copies a plain one, with a gap that acknowledges nothing: it ends before it begins. */
#define PACKET_SACK_LONGER (PACKET_HEADER + 20)
void packet_sack_lengthen(const uint8_t *packet, uint8_t longer[PACKET_SACK_LONGER]);

/* Whether a checked packet begins with a SACK that reports gaps. */
bool packet_sack_has_gaps(const uint8_t *packet);

/* Copies one that does, with a cumulative TSN that is further back: what is between is a block
 * more, and the same is acknowledged as before. held has room for PACKET_SACK_BLOCK more bytes.
 * Returns its length, 0 when it cannot be said. */
#define PACKET_SACK_BLOCK 4
size_t packet_sack_hold(const uint8_t *packet, size_t length, uint32_t cumulative, uint8_t *held);

/* Copies a checked packet that begins with a SACK, with another cumulative TSN. */
void packet_sack_date(const uint8_t *packet, size_t length, uint32_t cumulative, uint8_t *copy);

/* The highest TSN of the DATA chunks sent; all zero: none yet. */
struct packet_tsn {
    bool any;
    uint32_t highest;
};

/* Whether a checked packet acknowledges a TSN beyond those that were sent. No peer does; usrsctp
 * ends the association for it, and somebody who sees packets can make one that passes for the
 * peer's: also with RFC 4895, whose MACs are made with one key in both directions and are not over
 * the header, so that our own SACK, sent back to us, is good. */
bool packet_acknowledges_unsent(const uint8_t *packet, size_t length,
                                const struct packet_tsn *sent);

/* Looks at a packet about to be sent. Returns how many of its DATA chunks were sent before;
 * *data tells whether it has any. */
unsigned packet_repeats(struct packet_tsn *sent, const uint8_t *packet, size_t length, bool *data);

/* Fills in the checksum of a packet about to be sent. */
void packet_seal(uint8_t *packet, size_t length);
