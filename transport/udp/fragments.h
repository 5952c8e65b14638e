/* transport/udp/fragments.h: packets that are larger than the path takes, because they were
 * made for a larger one and are sent again (docs/PROTOCOL.md section 7, P13). Between chunks a
 * packet is divided into several; a chunk that is too large by itself goes in fragments, which the
 * other end joins: SCTP cannot cut a chunk again once it has a TSN, and IP fragments do not pass
 * everywhere. From an AUTH chunk on a packet is not divided either: its MAC is over all that
 * follows.
 *
 * A fragment is a packet with one PAD chunk (RFC 4820), which every other SCTP ignores:
 *
 *   0  common header       ports, tag, checksum
 *  12  0x84, 0, length     PAD
 *  16  "HWSPIEC1"
 *  24  number of the packet (4 bytes)
 *  28  length of the packet │ length of each fragment but the last │ number of the fragment │ 0 (2
 * bytes each) 36  its bytes
 *
 * Pure: neither clock nor sockets. Thread: any. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define UDP_FRAGMENT_HEADER 36
/* A packet of 64 KB in fragments of the smallest payload makes 122. */
#define UDP_FRAGMENTS_MAX 128

typedef void udp_fragments_emit(void *context, uint8_t *packet, size_t length);

/* Divides a packet that adds up into sealed ones of at most limit bytes, at least 576, in order;
 * one of 64 KB or more is dropped. *number: of the latest packet that went in fragments; counted
 * on. NULL: the peer joins none, and a chunk that is too large makes a packet that is. */
void udp_fragments_divide(const uint8_t *packet, size_t length, size_t limit, uint32_t *number,
                          udp_fragments_emit *emit, void *context);

/* The packet that is being joined: one, the latest. All zero: none. */
struct udp_reassembly {
    uint8_t *bytes;
    uint32_t number;
    uint16_t length, fragment;
    uint64_t missing[UDP_FRAGMENTS_MAX / 64];
};

void udp_reassembly_fini(struct udp_reassembly *self);

enum udp_fragment {
    UDP_FRAGMENT_NONE,  /* no fragment: a packet like others */
    UDP_FRAGMENT_BAD,   /* the mark of a fragment and something wrong: to be dropped */
    UDP_FRAGMENT_TAKEN, /* more are to come */
    UDP_FRAGMENT_LAST,  /* *whole is complete, and not checked yet */
};

/* Takes a packet that passed sctp_wire_check. whole lives until the next call. */
enum udp_fragment udp_reassembly_take(struct udp_reassembly *self, const uint8_t *packet,
                                      size_t length, uint8_t **whole, size_t *whole_length);
