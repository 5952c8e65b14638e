/* sctp/flight.h: data in flight, sent and not yet acknowledged, in two rings: packets by a local
 * number that never goes on the wire (so the order of numbers is the order of sending), and chunks
 * by TSN. Loss is found among packets; SACKs acknowledge chunks. Private to sctp/. Pure. */
#pragma once

#include "base/message.h"
#include "sctp/rate.h"

enum sctp_packet_flag {
    SCTP_PACKET_ACKED = 1,
    SCTP_PACKET_LOST = 2,  /* declared lost; ACKED too: it was not */
    SCTP_PACKET_PROBE = 4, /* TLP */
    SCTP_PACKET_COPY = 8,  /* its chunks are in another packet, too, that counts */
    SCTP_PACKET_RTX = 16,  /* has chunks that were sent before: no round trips from it */
};
/* Any of these: it is no longer in flight. */
#define SCTP_PACKET_RESOLVED (SCTP_PACKET_ACKED | SCTP_PACKET_LOST | SCTP_PACKET_COPY)

struct sctp_packet {
    uint64_t sent_us;
    uint32_t first_tsn; /* of its chunks: */
    uint16_t chunk_count;
    uint16_t size; /* bytes */
    uint8_t net, flags;
    uint16_t episode;  /* of recovery, in which it was declared lost; 0: that says nothing */
    uint32_t previous; /* with REPEATS: the packet that had the first chunk before */
    struct sctp_rate_mark mark;
};

enum sctp_sent_flag {
    SCTP_SENT_ACKED = 1,  /* by a gap block */
    SCTP_SENT_QUEUED = 2, /* waits to be sent again */
    SCTP_SENT_RTX = 4,    /* was sent more than once */
    SCTP_SENT_BEGIN = 8,
    SCTP_SENT_END = 16,
};

/* A chunk of a message. While it has any, message->offset counts those that may have to be sent
 * again, and one more while the message waits to be cut; the last one to go frees it. */
struct sctp_sent {
    struct message *message; /* NULL: no longer needed */
    uint32_t offset;         /* in the message */
    uint16_t length;
    uint16_t ssn;
    uint32_t packet; /* the latest that bore it */
    uint8_t flags;
    uint8_t misses, miss_round; /* SACKs that took it back, and when (sctp/acknowledge.c) */
};

/* The chunks of a packet have consecutive TSNs, also of one that repeats others. Both rings start
 * small, double when full, halve when a round of them used less than a quarter, and are given back
 * when nothing was in flight for SCTP_FLIGHT_IDLE_US. */
struct sctp_flight {
    struct sctp_packet *packets; /* by number % packet_size; NULL: none */
    uint32_t packet_size;        /* a power of two; 0: none */
    uint32_t oldest;             /* the first neither acknowledged nor lost */
    uint32_t next;               /* of the next packet */
    uint32_t packet_peak;        /* most of them since the ring began anew */
    struct sctp_sent *chunks;    /* by TSN % chunk_size */
    uint32_t chunk_size;
    uint32_t una;      /* TSN: the lowest that is not acknowledged cumulatively */
    uint32_t next_tsn; /* of the next chunk */
    uint32_t chunk_peak;
    uint64_t outstanding; /* bytes of user data from una on that are not acknowledged */
    uint64_t idle_us;     /* when the rings are given back; UINT64_MAX: not now */
};

#define SCTP_FLIGHT_FIRST   16
#define SCTP_FLIGHT_IDLE_US 10000000

void sctp_flight_init(struct sctp_flight *flight, uint32_t first_packet, uint32_t first_tsn);
/* Frees the messages, too, of which no part waits to be cut. */
void sctp_flight_fini(struct sctp_flight *flight);

/* The next packet; all of it is zero, and its size must be set. It may move the ring. */
struct sctp_packet *sctp_flight_add_packet(struct sctp_flight *flight);
/* The chunk of TSN next_tsn - 1. It may move the ring. */
struct sctp_sent *sctp_flight_add_chunk(struct sctp_flight *flight);

/* una is there now; what lies before it must have been released. */
void sctp_flight_advance(struct sctp_flight *flight, uint64_t now_us, uint32_t una);
/* Moves oldest over what is resolved. */
void sctp_flight_pass(struct sctp_flight *flight);
/* Gives the rings back, if it is time and nothing is outstanding. */
void sctp_flight_rest(struct sctp_flight *flight, uint64_t now_us);
/* Bytes of both rings. */
size_t sctp_flight_memory(const struct sctp_flight *flight);

/* True: a comes before b; numbers and TSNs wrap. */
static inline bool sctp_flight_before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static inline struct sctp_packet *sctp_flight_packet(const struct sctp_flight *flight,
                                                     uint32_t number)
{
    return &flight->packets[number & (flight->packet_size - 1)];
}

/* True: that packet is still in the ring. All packets in flight are, and at least a third as many
 * others. Slots that a larger ring has gained are empty. */
static inline bool sctp_flight_knows(const struct sctp_flight *flight, uint32_t number)
{
    return flight->next - number - 1 < flight->packet_size &&
           sctp_flight_packet(flight, number)->size;
}

static inline bool sctp_flight_is_outstanding(const struct sctp_flight *flight, uint32_t tsn)
{
    return tsn - flight->una < flight->next_tsn - flight->una;
}

static inline struct sctp_sent *sctp_flight_chunk(const struct sctp_flight *flight, uint32_t tsn)
{
    return &flight->chunks[tsn & (flight->chunk_size - 1)];
}

/* The i-th chunk of that packet, as far as it is outstanding and was in no later one; else NULL. */
static inline struct sctp_sent *sctp_flight_borne(const struct sctp_flight *flight, uint32_t number,
                                                  uint32_t i)
{
    uint32_t tsn = sctp_flight_packet(flight, number)->first_tsn + i;
    if (!sctp_flight_is_outstanding(flight, tsn))
        return NULL;
    struct sctp_sent *chunk = sctp_flight_chunk(flight, tsn);
    return chunk->packet == number ? chunk : NULL;
}

/* The chunk's bytes will not be needed any more. */
static inline void sctp_flight_release(struct sctp_sent *chunk)
{
    struct message *message = chunk->message;
    if (!message)
        return;
    chunk->message = NULL;
    if (--message->offset == 0)
        message_free(message);
}
