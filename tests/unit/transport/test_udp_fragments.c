/* Packets divided between chunks and in fragments, joined again; fragments that are damaged or
 * hostile.
 */
#include "transport/udp/fragments.h"

#include <stdlib.h>
#include <string.h>

#include "tests/lib/tap.h"
#include "transport/udp/packet.h"

#define MOST 256

struct heap {
    uint8_t *packets[MOST];
    size_t lengths[MOST], count, largest, bytes;
    bool bad;
};

static void keep(void *context, uint8_t *packet, size_t length)
{
    struct heap *heap = context;
    struct sctp_header ports;
    heap->bad |= !sctp_wire_check(packet, length, &ports) || ports.source != 1000;
    heap->largest = length > heap->largest ? length : heap->largest;
    heap->bytes += length - SCTP_HEADER;
    heap->packets[heap->count] = malloc(length);
    memcpy(heap->packets[heap->count], packet, length);
    heap->lengths[heap->count++] = length;
}

static void clear(struct heap *heap)
{
    for (size_t i = 0; i < heap->count; i++)
        free(heap->packets[i]);
    *heap = (struct heap){0};
}

static size_t add_data(uint8_t *packet, size_t at, size_t size)
{
    memset(packet + at, 0, 4);
    packet[at + 1] = 3;
    packet[at + 2] = (uint8_t)(size >> 8);
    packet[at + 3] = (uint8_t)size;
    for (size_t i = 4; i < size; i++)
        packet[at + i] = (uint8_t)(i * 7 + size);
    return at + size;
}

static uint8_t packet[65536];

static size_t make(size_t chunks, size_t size)
{
    static const uint8_t header[SCTP_HEADER] = {1000 >> 8, 1000 & 255, 2000 >> 8, 2000 & 255,
                                                1,         2,          3,         4};
    memcpy(packet, header, sizeof header);
    size_t at = SCTP_HEADER;
    while (chunks--)
        at = add_data(packet, at, size);
    sctp_wire_seal(packet, at);
    return at;
}

static void between_chunks(void)
{
    struct heap heap = {0};
    uint32_t number = 7;
    size_t length = make(23, 1440);
    udp_fragments_divide(packet, length, 1452, &number, keep, &heap);
    ok(heap.count == 23 && heap.largest == 1452 && !heap.bad && number == 7,
       "chunks that fill a packet each go in one each");
    clear(&heap);
    length = make(200, 100);
    udp_fragments_divide(packet, length, 1252, &number, keep, &heap);
    ok(heap.count == 17 && heap.largest <= 1252 && heap.bytes == length - SCTP_HEADER && !heap.bad,
       "small ones as many as there is room for");
    clear(&heap);
    length = make(1, 8000);
    udp_fragments_divide(packet, length, 1252, NULL, keep, &heap);
    ok(heap.count == 1 && heap.lengths[0] == length && !memcmp(heap.packets[0], packet, length),
       "a large one whole where the peer joins none");
    clear(&heap);
}

static bool join_all(struct udp_reassembly *reassembly, struct heap *heap, bool backwards,
                     size_t length)
{
    uint8_t *whole = NULL;
    size_t whole_length = 0, last = 0;
    for (size_t i = 0; i < heap->count; i++) {
        size_t n = backwards ? heap->count - 1 - i : i;
        enum udp_fragment fragment = udp_reassembly_take(reassembly, heap->packets[n],
                                                         heap->lengths[n], &whole, &whole_length);
        if (fragment == UDP_FRAGMENT_LAST)
            last = i + 1;
        else if (fragment != UDP_FRAGMENT_TAKEN)
            return false;
    }
    return last == heap->count && whole_length == length && !memcmp(whole, packet, length);
}

static void fragments(void)
{
    struct heap heap = {0};
    struct udp_reassembly reassembly = {0};
    uint32_t number = 0;
    static const size_t sizes[] = {1444, 8960, 33588, 65516};
    static const size_t limits[] = {576, 1252, 1472};
    bool all = true;
    for (size_t s = 0; s < 4; s++)
        for (size_t l = 0; l < 3; l++) {
            size_t length = make(1, sizes[s]);
            if (length <= limits[l])
                continue;
            udp_fragments_divide(packet, length, limits[l], &number, keep, &heap);
            all = all && heap.count > 1 && heap.largest <= limits[l] && !heap.bad &&
                  join_all(&reassembly, &heap, l == 1, length);
            clear(&heap);
        }
    ok(all, "chunks of any size go in fragments that fit, and are joined in any order");
    uint8_t *whole;
    size_t length = make(1, 4000), whole_length;
    ok(udp_reassembly_take(&reassembly, packet, length, &whole, &whole_length) == UDP_FRAGMENT_NONE,
       "an ordinary packet is no fragment");
    udp_fragments_divide(packet, length, 1252, &number, keep, &heap);
    bool taken = true;
    for (int i = 0; i < 5; i++)
        taken = taken && udp_reassembly_take(&reassembly, heap.packets[0], heap.lengths[0], &whole,
                                             &whole_length) == UDP_FRAGMENT_TAKEN;
    ok(taken && join_all(&reassembly, &heap, true, length) == false,
       "a fragment that comes again completes nothing");
    for (size_t i = 0; i < heap.count; i++)
        taken = taken && udp_reassembly_take(&reassembly, heap.packets[i], heap.lengths[i], &whole,
                                             &whole_length) == UDP_FRAGMENT_TAKEN;
    ok(taken, "nor does a packet that is complete come twice");
    clear(&heap);
    udp_reassembly_fini(&reassembly);
}

/* From AUTH on a packet stays whole: what it authenticates must follow it. */
static void behind_auth(void)
{
    static const uint8_t auth[28] = {SCTP_CHUNK_AUTH, 0, 0, 28, 0, 1, 0, 1};
    struct heap heap = {0};
    struct udp_reassembly reassembly = {0};
    uint32_t number = 0;
    size_t length = make(8, 400);
    memmove(packet + SCTP_HEADER + sizeof auth, packet + SCTP_HEADER, length - SCTP_HEADER);
    memcpy(packet + SCTP_HEADER, auth, sizeof auth);
    length += sizeof auth;
    sctp_wire_seal(packet, length);
    udp_fragments_divide(packet, length, 1252, &number, keep, &heap);
    ok(number == 1 && heap.count > 1 && join_all(&reassembly, &heap, false, length),
       "a packet with AUTH goes in fragments as a whole (%zu)", heap.count);
    clear(&heap);
    udp_reassembly_fini(&reassembly);
}

/* For any content of a fragment: no access out of bounds (asan), no memory beyond one packet. */
static void hostile(unsigned long seed)
{
    struct heap heap = {0};
    struct udp_reassembly reassembly = {0};
    uint32_t number = 0;
    size_t length = make(1, 4000);
    udp_fragments_divide(packet, length, 1252, &number, keep, &heap);
    unsigned bad = 0, rounds = 20000;
    srandom((unsigned)seed);
    for (unsigned i = 0; i < rounds; i++) {
        uint8_t *whole, *fragment = heap.packets[(size_t)random() % (heap.count - 1)];
        size_t whole_length, size = 1252;
        uint8_t *copy = malloc(size);
        memset(copy, 0, size);
        memcpy(copy, fragment, heap.lengths[0]);
        for (int n = 0; n < 3; n++)
            copy[24 + (size_t)random() % 12] = (uint8_t)random();
        if (random() % 4 == 0)
            size = 24 + (size_t)random() % 20;
        if (random() % 4 == 0)
            copy[15] = (uint8_t)random();
        bad +=
            udp_reassembly_take(&reassembly, copy, size, &whole, &whole_length) == UDP_FRAGMENT_BAD;
        free(copy);
    }
    ok(bad > rounds / 2 && bad < rounds, "damaged fragments: %u of %u refused (seed %lu)", bad,
       rounds, seed);
    udp_reassembly_fini(&reassembly);
    clear(&heap);
}

int main(void)
{
    between_chunks();
    fragments();
    behind_auth();
    hostile(tap_seed());
    return tap_done();
}
