/* The rings of packets and chunks in flight. */
#include "sctp/flight.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

void sctp_flight_init(struct sctp_flight *flight, uint32_t first_packet, uint32_t first_tsn)
{
    *flight = (struct sctp_flight){.oldest = first_packet,
                                   .next = first_packet,
                                   .una = first_tsn,
                                   .next_tsn = first_tsn,
                                   .idle_us = UINT64_MAX};
}

static void forget_rings(struct sctp_flight *flight)
{
    free(flight->packets);
    free(flight->chunks);
    flight->packets = NULL;
    flight->chunks = NULL;
    flight->packet_size = flight->chunk_size = 0;
    flight->idle_us = UINT64_MAX;
}

void sctp_flight_fini(struct sctp_flight *flight)
{
    for (uint32_t tsn = flight->una; tsn != flight->next_tsn; tsn++)
        sctp_flight_release(sctp_flight_chunk(flight, tsn));
    flight->una = flight->next_tsn;
    forget_rings(flight);
}

/* The newest packets that fit: those that are resolved may still turn out not to be lost. Places of
 * numbers that were forgotten, or never sent, are those of packets that nobody waits for. */
static void resize_packets(struct sctp_flight *flight, uint32_t size)
{
    struct sctp_packet *packets = check_alloc(size * sizeof *packets);
    uint32_t kept = size < flight->packet_size ? size : flight->packet_size;
    for (uint32_t i = 0; i < size; i++)
        packets[i].flags = SCTP_PACKET_ACKED;
    for (uint32_t number = flight->next - kept; number != flight->next; number++)
        packets[number & (size - 1)] = *sctp_flight_packet(flight, number);
    free(flight->packets);
    flight->packets = packets;
    flight->packet_size = size;
}

static void resize_chunks(struct sctp_flight *flight, uint32_t size)
{
    struct sctp_sent *chunks = check_alloc(size * sizeof *chunks);
    for (uint32_t tsn = flight->una; tsn != flight->next_tsn; tsn++)
        chunks[tsn & (size - 1)] = *sctp_flight_chunk(flight, tsn);
    free(flight->chunks);
    flight->chunks = chunks;
    flight->chunk_size = size;
}

/* True at the end of a round of the ring that used less than a quarter of it. */
static bool is_large(uint32_t number, uint32_t size, uint32_t used, uint32_t *peak)
{
    if (used > *peak)
        *peak = used;
    if (number & (size - 1))
        return false;
    bool large = size > SCTP_FLIGHT_FIRST && *peak < size / 4;
    *peak = used;
    return large;
}

struct sctp_packet *sctp_flight_add_packet(struct sctp_flight *flight)
{
    uint32_t used = flight->next - flight->oldest;
    if (4 * (used + 1) > 3 * flight->packet_size)
        resize_packets(flight, flight->packet_size ? 2 * flight->packet_size : SCTP_FLIGHT_FIRST);
    else if (is_large(flight->next, flight->packet_size, used, &flight->packet_peak))
        resize_packets(flight, flight->packet_size / 2);
    struct sctp_packet *packet = sctp_flight_packet(flight, flight->next++);
    memset(packet, 0, sizeof *packet);
    return packet;
}

struct sctp_sent *sctp_flight_add_chunk(struct sctp_flight *flight)
{
    uint32_t used = flight->next_tsn - flight->una;
    if (used == flight->chunk_size)
        resize_chunks(flight, flight->chunk_size ? 2 * flight->chunk_size : SCTP_FLIGHT_FIRST);
    else if (is_large(flight->next_tsn, flight->chunk_size, used, &flight->chunk_peak))
        resize_chunks(flight, flight->chunk_size / 2);
    flight->idle_us = UINT64_MAX;
    struct sctp_sent *chunk = sctp_flight_chunk(flight, flight->next_tsn++);
    *chunk = (struct sctp_sent){0};
    return chunk;
}

void sctp_flight_advance(struct sctp_flight *flight, uint64_t now_us, uint32_t una)
{
    flight->una = una;
    if (una == flight->next_tsn)
        flight->idle_us = now_us + SCTP_FLIGHT_IDLE_US;
}

void sctp_flight_pass(struct sctp_flight *flight)
{
    while (flight->oldest != flight->next &&
           sctp_flight_packet(flight, flight->oldest)->flags & SCTP_PACKET_RESOLVED)
        flight->oldest++;
}

void sctp_flight_rest(struct sctp_flight *flight, uint64_t now_us)
{
    if (now_us < flight->idle_us || flight->una != flight->next_tsn)
        return;
    flight->oldest = flight->next;
    forget_rings(flight);
}

size_t sctp_flight_memory(const struct sctp_flight *flight)
{
    return flight->packet_size * sizeof *flight->packets +
           flight->chunk_size * sizeof *flight->chunks;
}
