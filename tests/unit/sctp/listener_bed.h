/* tests/unit/sctp/listener_bed.h: a listener, packets for it, its replies. */
#pragma once

#include <stdlib.h>

#include "base/check.h"
#include "sctp/handshake.h"
#include "sctp/listener.h"
#include "tests/lib/tap.h"

#define SECOND   UINT64_C(1000000)
#define OUR_PORT 9899
#define ITS_PORT 5000
#define ITS_TAG  0xfedcba98u
#define ITS_TSN  0xfffffffeu

static uint32_t bed_seed;

static void draw(void *context, void *bytes, size_t length)
{
    uint32_t *state = context;
    for (uint8_t *at = bytes; length--; at++) {
        *state = *state * 1664525 + 1013904223;
        *at = (uint8_t)(*state >> 24);
    }
}

struct bed {
    uint32_t chance;
    struct sctp_options options;
    struct sctp_listener *listener;
    uint64_t now_us;
    char from[8];
    struct sctp_association *existing, *made;
    uint8_t reply[SCTP_REPLY_MAX];
    size_t reply_length;
};

__attribute__((unused)) static void bed_open(struct bed *bed, bool auth)
{
    *bed = (struct bed){.chance = bed_seed, .now_us = SECOND, .from = "192.0.2"};
    sctp_association_defaults(&bed->options);
    bed->options.own_port = OUR_PORT;
    bed->options.streams = 1000;
    bed->options.hawser = true;
    bed->options.auth = auth;
    bed->options.random = draw;
    bed->options.random_context = &bed->chance;
    bed->listener = sctp_listener_new(&bed->options, bed->now_us);
}

__attribute__((unused)) static void bed_close(struct bed *bed)
{
    sctp_association_free(bed->existing);
    sctp_association_free(bed->made);
    sctp_listener_free(bed->listener);
}

/* ---- packets ---- */

struct packet {
    uint8_t bytes[2048];
    struct wire_writer writer;
};

static void begin(struct packet *packet, uint32_t tag)
{
    packet->writer = wire_writer(packet->bytes, sizeof packet->bytes);
    sctp_wire_put_header(&packet->writer, &(struct sctp_header){ITS_PORT, OUR_PORT, tag});
}

/* An exact copy on the heap, so that a sanitizer sees a read beyond it. */
static enum sctp_heard hear(struct bed *bed, struct packet *packet)
{
    size_t length = (size_t)(packet->writer.at - packet->bytes);
    uint8_t *copy = check_alloc(length);
    struct sctp_header header;
    sctp_wire_seal(packet->bytes, length);
    memcpy(copy, packet->bytes, length);
    must(!packet->writer.overrun && sctp_wire_check(copy, length, &header));
    bed->reply_length = 0;
    sctp_association_free(bed->made);
    bed->made = NULL;
    const struct sctp_origin origin = {bed->from, sizeof bed->from};
    enum sctp_heard heard =
        sctp_listener_input(bed->listener, bed->now_us, &origin, 3, copy, length, bed->existing,
                            bed->reply, &bed->reply_length, &bed->made);
    free(copy);
    if (heard == SCTP_HEARD_REPLY || heard == SCTP_HEARD_UNLIKE)
        must(sctp_wire_check(bed->reply, bed->reply_length, &header) &&
             bed->reply_length <= 3 * length && header.source == OUR_PORT &&
             header.destination == ITS_PORT);
    else
        must(!bed->reply_length);
    return heard;
}

static const struct sctp_init good_init = {
    .tag = ITS_TAG, .window = 65536, .streams_out = 300, .streams_in = 2000, .tsn = ITS_TSN};

static uint8_t *begin_init(struct packet *packet, const struct sctp_init *init)
{
    begin(packet, 0);
    return sctp_handshake_begin_chunk(&packet->writer, SCTP_CHUNK_INIT, init);
}

__attribute__((unused)) static enum sctp_heard ask(struct bed *bed, const struct sctp_init *init)
{
    struct packet packet;
    sctp_wire_end(&packet.writer, begin_init(&packet, init));
    return hear(bed, &packet);
}

/* The reply's only chunk; its tag is checked. */
static struct sctp_chunk reply_chunk(const struct bed *bed, uint32_t tag)
{
    struct wire_reader reader = sctp_wire_chunks(bed->reply, bed->reply_length);
    struct sctp_chunk chunk = {.type = 255};
    if (bed->reply_length && sctp_wire_u32(bed->reply + 4) == tag)
        sctp_wire_next_chunk(&reader, &chunk);
    if (wire_left(&reader))
        chunk.type = 255;
    return chunk;
}

__attribute__((unused)) static bool replied_cause(const struct bed *bed, uint8_t type,
                                                  uint16_t cause)
{
    struct sctp_chunk chunk = reply_chunk(bed, ITS_TAG);
    struct sctp_parameter found;
    struct wire_reader reader = wire_reader(chunk.value, chunk.length);
    return chunk.type == type && chunk.flags == 0 && sctp_wire_next_parameter(&reader, &found) &&
           found.type == cause;
}

struct answer {
    struct sctp_init init;
    struct sctp_offer offer;
};

__attribute__((unused)) static bool read_answer(const struct bed *bed, struct answer *answer)
{
    struct sctp_chunk chunk = reply_chunk(bed, ITS_TAG);
    if (chunk.type != SCTP_CHUNK_INIT_ACK || !sctp_wire_read_init(&chunk, &answer->init))
        return false;
    sctp_handshake_read_offer(answer->init.parameters, &answer->offer);
    return answer->offer.cookie != NULL;
}

/* COOKIE ECHO of the INIT ACK that was replied last. */
__attribute__((unused)) static void echo(const struct bed *bed, struct packet *packet)
{
    struct answer answer;
    must(read_answer(bed, &answer));
    begin(packet, answer.init.tag);
    sctp_wire_put_chunk(&packet->writer, SCTP_CHUNK_COOKIE_ECHO, 0, answer.offer.cookie,
                        answer.offer.cookie_length);
}
