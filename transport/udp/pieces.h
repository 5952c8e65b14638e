/* transport/udp/pieces.h: packets that are larger than the path takes, because they were
 * made for a larger one and are sent again (docs/PROTOCOL.md section 7, P13). Between chunks a
 * packet is divided into several; a chunk that is too large by itself goes in pieces, which the
 * other end joins: SCTP cannot cut a chunk again once it has a TSN, and IP fragments do not pass
 * everywhere. From an AUTH chunk on a packet is not divided either: its MAC is over all that
 * follows.
 *
 * A piece is a packet with one PAD chunk (RFC 4820), which every other SCTP ignores:
 *
 *   0  common header       ports, tag, checksum
 *  12  0x84, 0, length     PAD
 *  16  "HWSPIEC1"
 *  24  number of the packet (4 bytes)
 *  28  length of the packet │ length of each piece but the last │ number of the piece │ 0 (2 bytes
 * each) 36  its bytes
 *
 * Pure: neither clock nor sockets. Thread: any. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define UDP_PIECE_HEADER 36
/* A packet of 64 KB in pieces of the smallest payload makes 122. */
#define UDP_PIECES_MAX 128

typedef void udp_pieces_emit(void *context, uint8_t *packet, size_t length);

/* Divides a packet that adds up into sealed ones of at most limit bytes, at least 576, in order;
 * one of 64 KB or more is dropped. *number: of the latest packet that went in pieces; counted on.
 * NULL: the peer joins none, and a chunk that is too large makes a packet that is. */
void udp_pieces_divide(const uint8_t *packet, size_t length, size_t limit, uint32_t *number,
                       udp_pieces_emit *emit, void *context);

/* The packet that is being joined: one, the latest. All zero: none. */
struct udp_joining {
    uint8_t *bytes;
    uint32_t number;
    uint16_t length, piece;
    uint64_t missing[UDP_PIECES_MAX / 64];
};

void udp_joining_fini(struct udp_joining *self);

enum udp_piece {
    UDP_PIECE_NONE,  /* no piece: a packet like others */
    UDP_PIECE_BAD,   /* the mark of a piece and something wrong: to be dropped */
    UDP_PIECE_TAKEN, /* more are to come */
    UDP_PIECE_LAST,  /* *whole is complete, and not checked yet */
};

/* Takes a packet that passed sctp_wire_check. whole lives until the next call. */
enum udp_piece udp_joining_take(struct udp_joining *self, const uint8_t *packet, size_t length,
                                uint8_t **whole, size_t *whole_length);
