#include "transport/stray.h"

#include <stdlib.h>
#include <string.h>

#include "tests/lib/tap.h"
#include "transport/packet.h"

#define HEADER     0x13, 0x88, 0x26, 0xab, 0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0
#define DATA       0, 3, 0, 17, 0, 0, 0, 1, 0, 2, 0, 3, 0, 0, 0, 4, 'x', 0, 0, 0
#define ABORT      6, 0, 0, 4
#define STALE      0, 3, 0, 8, 0, 0, 0, 9
#define OTHER      0, 6, 0, 8, 9, 9, 9, 9
#define COOKIE     10, 0, 0, 8, 1, 2, 3, 4
#define COOKIE_ACK 11, 0, 0, 4

enum { NOTHING = 0, AN_ABORT = 6, A_SHUTDOWN_COMPLETE = 14, NOT_PLAUSIBLE = -1 };

/* Type of the answer to an exact copy on the heap: reading beyond it shows under ASan. */
static int answer(const uint8_t *bytes, size_t length)
{
    static const uint8_t head[] = {0x26, 0xab, 0x13, 0x88, 0x12, 0x34, 0x56, 0x78};
    uint8_t *packet = malloc(length), made[STRAY_ANSWER];
    struct packet_ports ports;
    memcpy(packet, bytes, length);
    packet_seal(packet, length);
    int type = NOT_PLAUSIBLE;
    if (packet_check(packet, length, &ports) != PACKET_BAD)
        type = stray_answer(packet, length, made) ? made[PACKET_HEADER] : NOTHING;
    free(packet);
    if (type > NOTHING && (memcmp(made, head, sizeof head) || made[13] != 1 || made[14] ||
                           made[15] != 4 || packet_check(made, sizeof made, &ports) == PACKET_BAD))
        return NOT_PLAUSIBLE;
    return type;
}
#define ANSWER(...) answer((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void answered(void)
{
    ok(ANSWER(HEADER, DATA) == AN_ABORT, "DATA: ABORT, ports exchanged, tag reflected, T bit");
    ok(ANSWER(HEADER, 0, 3, 0, 17, 0, 0, 0, 1, 0, 2, 0, 3, 0, 0, 0, 4, 'x') == AN_ABORT,
       "DATA without its padding");
    ok(ANSWER(HEADER, 4, 0, 0, 12, 0, 1, 0, 8, 1, 2, 3, 4) == AN_ABORT, "HEARTBEAT");
    ok(ANSWER(HEADER, 3, 0, 0, 16, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, DATA) == AN_ABORT,
       "SACK with DATA");
    ok(ANSWER(HEADER, 7, 0, 0, 8, 0, 0, 0, 1) == AN_ABORT, "SHUTDOWN");
    ok(ANSWER(HEADER, 2, 0, 0, 20, 0, 0, 0, 9, 0, 0, 0, 9, 0, 1, 0, 1, 0, 0, 0, 1) == AN_ABORT,
       "INIT ACK");
    ok(ANSWER(HEADER, COOKIE) == AN_ABORT && ANSWER(HEADER, COOKIE, DATA) == AN_ABORT,
       "COOKIE ECHO");
    ok(ANSWER(HEADER, 9, 0, 0, 12, OTHER) == AN_ABORT, "ERROR of another cause");
    ok(ANSWER(HEADER, 0x84, 0, 0, 4) == AN_ABORT, "the smallest packet: the answer is as large");
    ok(ANSWER(HEADER, 8, 0, 0, 4) == A_SHUTDOWN_COMPLETE, "SHUTDOWN ACK: SHUTDOWN COMPLETE");
    ok(ANSWER(HEADER, DATA, 8, 0, 0, 4) == A_SHUTDOWN_COMPLETE, "in whatever place");
}

static void not_answered(void)
{
    ok(ANSWER(HEADER, ABORT) == NOTHING && ANSWER(HEADER, 6, 1, 0, 4) == NOTHING, "ABORT: nothing");
    ok(ANSWER(HEADER, DATA, ABORT) == NOTHING && ANSWER(HEADER, 8, 0, 0, 4, ABORT) == NOTHING,
       "in whatever company");
    ok(ANSWER(HEADER, 14, 1, 0, 4) == NOTHING, "SHUTDOWN COMPLETE");
    ok(ANSWER(HEADER, COOKIE_ACK) == NOTHING && ANSWER(HEADER, COOKIE_ACK, DATA) == NOTHING,
       "COOKIE ACK");
    ok(ANSWER(HEADER, 9, 0, 0, 12, STALE) == NOTHING, "ERROR: stale cookie");
    ok(ANSWER(HEADER, 9, 0, 0, 20, OTHER, STALE) == NOTHING, "as second cause");
    ok(ANSWER(0x13, 0x88, 0x26, 0xab, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 20, 0, 0, 0, 9, 0, 0, 0, 9,
              0, 1, 0, 1, 0, 0, 0, 1) == NOTHING,
       "INIT");
    uint8_t made[STRAY_ANSWER];
    static const uint8_t data[] = {HEADER, DATA};
    ok(stray_answer(data, sizeof data, made) && !stray_answer(made, sizeof made, made),
       "the answer itself: two endpoints cannot go on answering each other");
}

static void recognised(void)
{
    static const uint8_t plain[] = {ABORT}, reflected[] = {6, 1, 0, 4}, complete[] = {14, 1, 0, 4},
                         spoken[] = {6, 1, 0, 11, 0, 12, 0, 7, 'b', 'y', 'e'};
    ok(stray_is_abort(reflected, 4), "the peer knows it");
    ok(!stray_is_abort(plain, 4) && !stray_is_abort(complete, 4) &&
           !stray_is_abort(spoken, sizeof spoken) && !stray_is_abort(reflected, 0),
       "from other ABORTs");
}

static struct path_key peer(unsigned number)
{
    struct address address;
    memset(&address, 0, sizeof address);
    address.length = sizeof address.in;
    address.in.sin_family = AF_INET;
    address.in.sin_addr.s_addr = number;
    return path_key(&address, &(struct address){0}, 0, 1, 2);
}

static unsigned allowed(struct stray_limit *limit, unsigned asked, uint64_t from_us,
                        uint64_t step_us)
{
    unsigned count = 0;
    for (unsigned i = 0; i < asked; i++) {
        struct path_key key = peer(i);
        count += stray_allow(limit, &key, from_us + i * step_us);
    }
    return count;
}

static void limited(void)
{
    struct stray_limit limit = {0};
    ok(allowed(&limit, 1000, 5000000, 0) == STRAY_PER_SECOND, "so many at once");
    ok(allowed(&limit, 100, 5009999, 0) == 0, "none more in the next 10 ms");
    ok(allowed(&limit, 100, 5010000, 0) == 1, "then one");
    unsigned count = allowed(&limit, 100000, 5020000, 100);
    ok(count >= 998 && count <= 1001, "in 10 s of a flood 1000 (%u)", count);
    ok(allowed(&limit, 1000, 1000000000000, 0) == STRAY_PER_SECOND,
       "a long rest is worth no more than a second");
    struct stray_limit fresh = {0};
    ok(allowed(&fresh, 1, 0, 0) == 1, "right from the start of the clock");
}

static void not_repeated(void)
{
    struct stray_limit limit = {0};
    struct path_key one = peer(1), other = peer(2);
    uint64_t now = 7000000;
    ok(stray_allow(&limit, &one, now) && !stray_allow(&limit, &one, now + STRAY_REPEAT_US - 1),
       "a bulk of one peer's packets gets one answer");
    ok(stray_allow(&limit, &one, now + STRAY_REPEAT_US), "what it repeats later gets another");
    ok(stray_allow(&limit, &other, now + STRAY_REPEAT_US), "another peer does not wait");
    for (unsigned i = 0; i < 1000; i++)
        stray_allow(&limit, &other, now + STRAY_REPEAT_US);
    ok(stray_allow(&limit, &one, now + STRAY_REPEAT_US + 1), "nor pay for it");
}

int main(void)
{
    answered();
    not_answered();
    recognised();
    limited();
    not_repeated();
    return tap_done();
}
