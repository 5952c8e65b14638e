/* The view of a packet. */
#include "transport/udp/packet.h"

#include <stdlib.h>
#include <string.h>

#include "tests/lib/tap.h"

#define HEADER 0x13, 0x88, 0x26, 0xab, 0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0
#define MAC20  1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20
#define AUTH   15, 0, 0, 28, 0, 1, 0, 1, MAC20
#define DATA   0, 3, 0, 17, 0, 0, 0, 1, 0, 2, 0, 3, 0, 0, 0, 4, 'x', 0, 0, 0
#define SACK   3, 0, 0, 16, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0
#define ABORT  6, 0, 0, 4
#define COOKIE 10, 0, 0, 8, 1, 2, 3, 4
#define PAD    0x84, 0, 0, 7, 9, 9, 9, 0

/* The view of an exact copy on the heap: reading beyond it shows under ASan. */
static struct packet_view look(const uint8_t *bytes, size_t length)
{
    uint8_t *copy = malloc(length);
    struct packet_view packet = {0};
    memcpy(copy, bytes, length);
    sctp_wire_seal(copy, length);
    if (!packet_view_read(&packet, copy, length))
        tap_note("a packet of the test is bad");
    free(copy);
    return packet;
}
#define LOOK(...) look((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void whose(void)
{
    ok(LOOK(HEADER, ABORT).header.tag == 0x12345678, "the tag");
    ok(LOOK(HEADER, 6, 1, 0, 4).is_reflected && LOOK(HEADER, 14, 1, 0, 4).is_reflected &&
           !LOOK(HEADER, ABORT).is_reflected && !LOOK(HEADER, 11, 1, 0, 4).is_reflected,
       "whose it is says the T bit of ABORT and SHUTDOWN COMPLETE");
}

static void types(void)
{
    ok(LOOK(HEADER, AUTH, ABORT).type == SCTP_CHUNK_ABORT &&
           LOOK(HEADER, ABORT).type == SCTP_CHUNK_ABORT &&
           LOOK(HEADER, COOKIE, AUTH).type == SCTP_CHUNK_COOKIE_ECHO &&
           LOOK(HEADER, AUTH).type == SCTP_CHUNK_AUTH,
       "the type is that of what is behind AUTH");
}

static void moving_data(void)
{
    ok(LOOK(HEADER, DATA, DATA).data_count == 2 && LOOK(HEADER, SACK, DATA).data_count == 1 &&
           !LOOK(HEADER, AUTH, SACK).data_count,
       "DATA is counted");
    ok(LOOK(HEADER, DATA, SACK).only_moves_data && LOOK(HEADER, AUTH, DATA, PAD).only_moves_data,
       "DATA, SACK, AUTH and PAD only move data");
    ok(!LOOK(HEADER, DATA, ABORT).only_moves_data && !LOOK(HEADER, COOKIE, DATA).only_moves_data &&
           !LOOK(HEADER, 4, 0, 0, 4).only_moves_data &&
           !LOOK(HEADER, 0xc0, 0, 0, 4).only_moves_data,
       "nothing else does, in no company");
}

int main(void)
{
    whose();
    types();
    moving_data();
    return tap_done();
}
