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

/* An exact copy on the heap: reading beyond it shows under ASan. */
struct seen {
    struct packet_view view;
    bool only_moves_data, has_data;
};

static struct seen look(const uint8_t *bytes, size_t length)
{
    uint8_t *copy = malloc(length);
    struct seen seen = {0};
    memcpy(copy, bytes, length);
    sctp_wire_seal(copy, length);
    if (!packet_view_read(&seen.view, copy, length))
        tap_note("a packet of the test is bad");
    seen.only_moves_data = packet_view_only_moves_data(&seen.view);
    seen.has_data = packet_view_has_data(&seen.view);
    free(copy);
    return seen;
}
#define LOOK(...) look((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void whose(void)
{
    ok(LOOK(HEADER, ABORT).view.header.tag == 0x12345678, "the tag");
    ok(LOOK(HEADER, 6, 1, 0, 4).view.is_reflected && LOOK(HEADER, 14, 1, 0, 4).view.is_reflected &&
           !LOOK(HEADER, ABORT).view.is_reflected && !LOOK(HEADER, 11, 1, 0, 4).view.is_reflected,
       "whose it is says the T bit of ABORT and SHUTDOWN COMPLETE");
}

static void types(void)
{
    ok(LOOK(HEADER, AUTH, ABORT).view.type == SCTP_CHUNK_ABORT &&
           LOOK(HEADER, ABORT).view.type == SCTP_CHUNK_ABORT &&
           LOOK(HEADER, COOKIE, AUTH).view.type == SCTP_CHUNK_COOKIE_ECHO &&
           LOOK(HEADER, AUTH).view.type == SCTP_CHUNK_AUTH,
       "the type is that of what is behind AUTH");
}

static void moving_data(void)
{
    ok(LOOK(HEADER, DATA, DATA).has_data && LOOK(HEADER, SACK, DATA).has_data &&
           !LOOK(HEADER, AUTH, SACK).has_data,
       "DATA is found");
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
