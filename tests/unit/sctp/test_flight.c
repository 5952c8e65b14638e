/* The two rings: what they keep while they grow and shrink, at every place of their numbers' wrap.
 */
#include "sctp/flight.h"

#include <stdlib.h>

#include "base/check.h"
#include "tests/lib/tap.h"

static const uint32_t firsts[] = {0, 1, 0x7ffffff0, 0xffffff00, 0xffffffff};
#define FIRSTS (sizeof firsts / sizeof firsts[0])

/* Sends one packet with so many chunks; what is in them says who they are. */
static void send(struct sctp_flight *flight, unsigned chunks)
{
    uint32_t number = flight->next;
    struct sctp_packet *packet = sctp_flight_add_packet(flight);
    packet->sent_us = number;
    packet->size = 1;
    packet->first_tsn = flight->next_tsn;
    for (unsigned i = 0; i < chunks; i++) {
        struct sctp_sent *chunk = sctp_flight_add_chunk(flight);
        chunk->packet = number;
        chunk->offset = flight->next_tsn - 1;
    }
}

static bool is_whole(const struct sctp_flight *flight)
{
    for (uint32_t number = flight->oldest; number != flight->next; number++)
        if (!sctp_flight_knows(flight, number) ||
            sctp_flight_packet(flight, number)->sent_us != number)
            return false;
    for (uint32_t tsn = flight->una; tsn != flight->next_tsn; tsn++)
        if (sctp_flight_chunk(flight, tsn)->offset != tsn)
            return false;
    return true;
}

static void resolve(struct sctp_flight *flight, uint32_t number)
{
    sctp_flight_packet(flight, number)->flags |= SCTP_PACKET_ACKED;
    sctp_flight_pass(flight);
}

static void test_growth(uint32_t first)
{
    struct sctp_flight flight;
    unsigned wrong = 0;
    sctp_flight_init(&flight, first, first + 7);
    ok(!sctp_flight_memory(&flight), "idle, they take nothing");
    for (unsigned i = 0; i < 1000; i++) {
        send(&flight, 1 + i % 3);
        wrong += !is_whole(&flight);
    }
    ok(!wrong, "1000 packets with up to 3 chunks, from %u on: all are there", first);
    ok(flight.packet_size == 2048 && flight.chunk_size == 2048,
       "the rings doubled as often as needed");
    while (flight.oldest != flight.next)
        resolve(&flight, flight.oldest);
    sctp_flight_advance(&flight, 100, flight.next_tsn);
    for (unsigned i = 0; i < 10000; i++) {
        send(&flight, 1);
        wrong += !is_whole(&flight);
        if (flight.next - flight.oldest > 4) {
            resolve(&flight, flight.oldest);
            sctp_flight_advance(&flight, 100, flight.una + 1);
        }
    }
    ok(!wrong && flight.packet_size <= 32 && flight.chunk_size <= 32,
       "with 5 in flight they shrink to %u and %u", flight.packet_size, flight.chunk_size);
    sctp_flight_fini(&flight);
}

/* Those that are resolved are kept for a while: a loss may turn out to be none. */
static void test_kept(void)
{
    struct sctp_flight flight;
    unsigned least = UINT32_MAX;
    sctp_flight_init(&flight, 0xffffff00, 1);
    for (unsigned i = 0; i < 3000; i++) {
        send(&flight, 1);
        uint32_t in_flight = flight.next - flight.oldest;
        if (in_flight > 100)
            resolve(&flight, flight.oldest);
        if (i < 1000)
            continue;
        unsigned kept = 0;
        while (sctp_flight_knows(&flight, flight.oldest - 1 - kept))
            kept++;
        least = kept < least ? kept : least;
    }
    ok(least >= 100 / 3, "beside 100 in flight, at least %u resolved ones are known", least);
    sctp_flight_fini(&flight);
}

/* A ring that has grown has places for packets that the small one had forgotten. */
static void test_forgotten(void)
{
    struct sctp_flight flight;
    sctp_flight_init(&flight, 0xffffff00, 1);
    for (unsigned i = 0; i < 100; i++) {
        send(&flight, 1);
        if (i < 90)
            resolve(&flight, flight.oldest);
    }
    uint32_t small = flight.packet_size, oldest = flight.next - small;
    ok(!sctp_flight_knows(&flight, oldest - 1), "a ring of %u knows no more packets", small);
    while (flight.packet_size == small) {
        oldest = flight.next - small;
        send(&flight, 1);
    }
    unsigned wrong = !sctp_flight_knows(&flight, oldest + 1);
    for (uint32_t number = flight.next - flight.packet_size; number != flight.next; number++)
        if (sctp_flight_knows(&flight, number))
            wrong += sctp_flight_packet(&flight, number)->sent_us != number;
    ok(!wrong && !sctp_flight_knows(&flight, oldest - 1), "nor does it when it has grown");
    sctp_flight_fini(&flight);
}

static void test_rest(void)
{
    struct sctp_flight flight;
    sctp_flight_init(&flight, 3, 5);
    send(&flight, 1);
    sctp_flight_rest(&flight, UINT64_MAX - 1);
    ok(sctp_flight_memory(&flight), "what is outstanding is kept however long it takes");
    resolve(&flight, flight.oldest);
    sctp_flight_advance(&flight, 1000, flight.next_tsn);
    ok(flight.idle_us == 1000 + SCTP_FLIGHT_IDLE_US, "when nothing is, they go in 10 s");
    sctp_flight_rest(&flight, flight.idle_us - 1);
    ok(sctp_flight_memory(&flight), "not earlier");
    send(&flight, 1);
    ok(flight.idle_us == UINT64_MAX, "nor when something was sent meanwhile");
    resolve(&flight, flight.oldest);
    sctp_flight_advance(&flight, 1000, flight.next_tsn);
    sctp_flight_rest(&flight, flight.idle_us);
    ok(!sctp_flight_memory(&flight) && flight.idle_us == UINT64_MAX, "then they are gone");
    send(&flight, 2);
    ok(is_whole(&flight), "and come back");
    sctp_flight_fini(&flight);
}

static void test_release(void)
{
    struct sctp_flight flight;
    struct message *message = message_new(10);
    message->length = 10;
    message->offset = 2; /* two chunks, nothing waits */
    sctp_flight_init(&flight, 3, 5);
    send(&flight, 2);
    sctp_flight_chunk(&flight, 5)->message = sctp_flight_chunk(&flight, 6)->message = message;
    sctp_flight_release(sctp_flight_chunk(&flight, 6));
    ok(message->offset == 1 && !sctp_flight_chunk(&flight, 6)->message, "one chunk is done with");
    sctp_flight_release(sctp_flight_chunk(&flight, 6));
    ok(message->offset == 1, "only once");
    sctp_flight_fini(&flight); /* frees the message: a leak is the leak checker's to find */
    ok(flight.una == flight.next_tsn, "the rest goes with the rings");
}

int main(void)
{
    for (unsigned i = 0; i < FIRSTS; i++)
        test_growth(firsts[i]);
    test_kept();
    test_forgotten();
    test_rest();
    test_release();
    return tap_done();
}
