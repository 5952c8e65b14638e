/* Probes of paths as bytes. */
#include "transport/udp/probe.h"

#include <string.h>

#include "tests/lib/tap.h"

static const struct probe question = {
    .flags = PROBE_IN_USE, .path = 5, .nonce = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};

static void make(uint8_t packet[PROBE_SIZE])
{
    probe_request(packet, PROBE_SIZE, (struct packet_ports){1000, 2000}, 0x11223344, &question);
}

static void round_trip(void)
{
    uint8_t packet[PROBE_SIZE];
    struct sctp_header ports;
    struct probe probe;
    make(packet);
    ok(sctp_wire_check(packet, sizeof packet, &ports) && ports.source == 1000 &&
           ports.destination == 2000 && sctp_wire_u32(packet + 4) == 0x11223344,
       "a question is a plausible packet");
    ok(probe_read(packet, sizeof packet, &probe) == PROBE_REQUEST && probe.path == 5 &&
           probe.flags == PROBE_IN_USE && !memcmp(probe.nonce, question.nonce, PROBE_NONCE),
       "and reads as it was written");
    probe_reply(packet, 0x55667788, 7);
    ok(sctp_wire_check(packet, sizeof packet, &ports) && ports.source == 2000 &&
           ports.destination == 1000 && sctp_wire_u32(packet + 4) == 0x55667788,
       "its answer goes back");
    ok(probe_read(packet, sizeof packet, &probe) == PROBE_REPLY && probe.path == 5 &&
           probe.flags == (PROBE_IN_USE | PROBE_BY_OURS) && probe.idle == 7 &&
           !memcmp(probe.nonce, question.nonce, PROBE_NONCE),
       "with all that was asked, the mark, and the rest that is asked for");
    make(packet);
    packet[SCTP_HEADER] = SCTP_CHUNK_HEARTBEAT_ACK;
    ok(probe_read(packet, sizeof packet, &probe) == PROBE_REPLY && !(probe.flags & PROBE_BY_OURS),
       "an SCTP that is none of ours echoes it without the mark");
}

static void sized(void)
{
    static uint8_t packet[65504];
    const struct packet_ports ports = {1000, 2000};
    struct sctp_header header;
    struct probe probe;
    bool all = true;
    for (size_t size = PROBE_SIZE + 4; size <= sizeof packet; size += 4 + size / 8 * 4) {
        probe_request(packet, size, ports, 0x11223344, &question);
        all = all && sctp_wire_check(packet, size, &header) &&
              probe_read(packet, size, &probe) == PROBE_REQUEST && probe.path == 5 &&
              (size == PROBE_SIZE + 4 || probe_read(packet, size - 4, &probe) == PROBE_BAD);
    }
    ok(all, "a question of any size reads like a small one, and only as a whole");
    probe_request(packet, 1000, ports, 0x11223344, &question);
    packet[PROBE_SIZE] = SCTP_CHUNK_DATA;
    ok(probe_read(packet, 1000, &probe) == PROBE_BAD, "what is behind it is padding or refused");
    packet[PROBE_SIZE] = SCTP_CHUNK_PAD;
    packet[SCTP_HEADER] = SCTP_CHUNK_HEARTBEAT_ACK;
    ok(probe_read(packet, 1000, &probe) == PROBE_BAD, "a padded answer is refused");
    packet[SCTP_HEADER] = SCTP_CHUNK_HEARTBEAT;
    probe_reply(packet, 0x55667788, 0);
    ok(sctp_wire_check(packet, PROBE_SIZE, &header) &&
           probe_read(packet, PROBE_SIZE, &probe) == PROBE_REPLY,
       "its answer is small");
}

static enum probe_kind with(size_t at, uint8_t value)
{
    uint8_t packet[PROBE_SIZE];
    struct probe probe;
    make(packet);
    packet[at] = value;
    return probe_read(packet, sizeof packet, &probe);
}

static enum probe_kind answer_with(size_t at, uint8_t value)
{
    uint8_t packet[PROBE_SIZE];
    struct probe probe;
    make(packet);
    probe_reply(packet, 0x55667788, 0);
    packet[at] = value;
    return probe_read(packet, sizeof packet, &probe);
}

static void refused(void)
{
    ok(with(12, 0) == PROBE_NONE && with(12, 6) == PROBE_NONE, "another chunk is none");
    ok(with(20, 'h') == PROBE_NONE && with(27, '2') == PROBE_NONE, "nor is another mark");
    static const struct {
        size_t at;
        uint8_t value;
        const char *what;
    } bad[] = {{13, 1, "flags of the chunk"},    {15, 36, "length of the chunk"},
               {17, 2, "type of the parameter"}, {19, 32, "length of the parameter"},
               {28, 4, "unknown flag"},          {28, 1, "question that claims to be answered"},
               {29, 1, "rest in a question"},    {30, 1, "reserved byte"},
               {31, 1, "reserved byte"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ok(with(bad[i].at, bad[i].value) == PROBE_BAD, "bad: %s", bad[i].what);
    ok(answer_with(29, 255) == PROBE_REPLY && answer_with(30, 1) == PROBE_BAD &&
           answer_with(31, 1) == PROBE_BAD,
       "an answer may ask for a rest, its other bytes are reserved");
    uint8_t packet[PROBE_SIZE + 8] = {0};
    struct probe probe;
    make(packet);
    unsigned wrong = 0;
    for (size_t length = SCTP_HEADER + 4; length <= sizeof packet; length++) {
        uint8_t exact[sizeof packet]; /* bytes behind it must not be read */
        memcpy(exact, packet, length);
        enum probe_kind kind = probe_read(exact, length, &probe);
        wrong += kind != (length < 28            ? PROBE_NONE
                          : length == PROBE_SIZE ? PROBE_REQUEST
                                                 : PROBE_BAD);
    }
    ok(!wrong, "and any other length");
}

int main(void)
{
    round_trip();
    sized();
    refused();
    return tap_done();
}
