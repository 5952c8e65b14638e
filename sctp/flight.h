/* sctp/flight.h: what was sent and is not yet acknowledged, in two rings: packets by a local number
 * that never goes on the wire (so the order of numbers is the order of sending), and chunks by TSN.
 * Loss is found among packets, acknowledged are chunks. Private to sctp/. Pure. */
#pragma once

#include "base/message.h"
#include "sctp/rate.h"

enum sctp_packet_flag {
    SCTP_PACKET_ACKED = 1,
    SCTP_PACKET_LOST = 2,     /* declared lost; ACKED too: it was not */
    SCTP_PACKET_PROBE = 4,    /* TLP */
    SCTP_PACKET_COPY = 8,     /* its chunks are in another packet, too, that counts */
    SCTP_PACKET_REPEATS = 16, /* has chunks that were sent before: no round trips from it */
};

struct sctp_packet {
    uint64_t sent_us;
    uint32_t first_tsn; /* of its chunks: */
    uint32_t size;      /* bytes */
    uint16_t chunk_count;
    uint8_t net, flags;
    struct sctp_rate_mark mark;
};

enum sctp_sent_flag {
    SCTP_SENT_ACKED = 1,    /* by a gap block */
    SCTP_SENT_QUEUED = 2,   /* waits to be sent again */
    SCTP_SENT_REPEATED = 4, /* was sent more than once */
    SCTP_SENT_BEGIN = 8,
    SCTP_SENT_END = 16,
};

/* A chunk of a message. The message is freed with its last chunk (SCTP_SENT_END). */
struct sctp_sent {
    struct message *message;
    uint32_t offset; /* in the message */
    uint16_t length;
    uint16_t ssn;
    uint32_t packet; /* the latest that bore it */
    uint8_t flags, misses;
};

/* The chunks of a packet have consecutive TSNs, also of one that repeats others. */
struct sctp_flight {
    struct sctp_packet *packets; /* by number % packet_size; NULL: none */
    uint32_t packet_size;        /* a power of two */
    uint32_t oldest;             /* the first neither acknowledged nor lost */
    uint32_t next;               /* of the next packet */
    struct sctp_sent *chunks;    /* by TSN % chunk_size */
    uint32_t chunk_size;
    uint32_t una;         /* TSN: the lowest that is not acknowledged cumulatively */
    uint32_t next_tsn;    /* of the next chunk */
    uint64_t outstanding; /* bytes of user data from una on that are not acknowledged */
};
