/* A program of packets for a listener: INITs, COOKIE ECHOs of cookies that it gave or of others,
 * anything else, with a checksum that holds, from here and there, while time passes, with and
 * without an association that exists. No reply is longer than three times its question, each adds
 * up; nothing is made but from a cookie that was given, to this place, for this tag, not too long
 * ago, and not of an association that has ended; and what makes nothing keeps nothing. */
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "sctp/association_private.h"
#include "sctp/handshake.h"
#include "sctp/listener.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
__attribute__((weak)) size_t __sanitizer_get_current_allocated_bytes(void);

#define OUR_PORT  9899
#define ITS_PORT  5000
#define GIVEN_MAX 16
#define ROOM      4096

struct given {
    uint8_t cookie[SCTP_COOKIE_MAX];
    size_t length;
    uint32_t own_tag;
    uint64_t made_us;
    uint8_t from;
    bool ended;
};

struct world {
    uint64_t chance, now_us;
    struct sctp_options options;
    struct sctp_listener *listener;
    struct sctp_association *existing;
    struct given given[GIVEN_MAX];
    unsigned given_count; /* all in all */
    uint8_t from[4];
    bool accepts;
};

static void draw(void *context, void *bytes, size_t length)
{
    uint64_t *state = context;
    for (uint8_t *at = bytes; length--; at++) {
        *state = *state * 6364136223846793005u + 1442695040888963407u;
        *at = (uint8_t)(*state >> 33);
    }
}

static size_t allocated(void)
{
    return __sanitizer_get_current_allocated_bytes ? __sanitizer_get_current_allocated_bytes()
                                                   : mallinfo2().uordblks;
}

/* ---- the association ---- */

/* Its events and packets are read and dropped. */
static void pump(struct world *world, struct sctp_association *association)
{
    static uint8_t room[66000];
    struct sctp_event event;
    struct sctp_wants wants;
    struct sctp_header header;
    while (sctp_association_event(association, &event))
        if (event.kind == SCTP_EVENT_MESSAGE)
            message_free(event.message);
    for (unsigned i = 0; sctp_association_wants(association, world->now_us, &wants); i++) {
        must(i < 1000 && wants.size <= sizeof room);
        size_t length = sctp_association_output(association, world->now_us, &wants, room);
        must(length <= wants.size && sctp_wire_check(room, length, &header));
    }
}

static void forget(struct world *world)
{
    if (!world->existing)
        return;
    uint32_t tag = sctp_association_own_tag(world->existing);
    sctp_listener_ended(world->listener, tag);
    for (unsigned i = 0; i < GIVEN_MAX; i++)
        world->given[i].ended = world->given[i].ended || world->given[i].own_tag == tag;
    sctp_association_free(world->existing);
    world->existing = NULL;
}

static void adopt(struct world *world, struct sctp_association *made)
{
    forget(world);
    world->existing = made;
    must(made->state >= SCTP_ESTABLISHED && made->peer_tag && made->own_tag && made->streams);
    sctp_association_input_end(made, world->now_us);
    pump(world, made);
}

/* ---- packets ---- */

/* A reply that is an INIT ACK: remembers its cookie. */
static void remember(struct world *world, const uint8_t *reply, size_t length)
{
    struct wire_reader chunks = sctp_wire_chunks(reply, length);
    struct sctp_chunk chunk;
    struct sctp_init init;
    struct sctp_offer offer;
    must(sctp_wire_next_chunk(&chunks, &chunk) && !wire_left(&chunks));
    if (chunk.type != SCTP_CHUNK_INIT_ACK) {
        must(chunk.type == SCTP_CHUNK_ABORT || chunk.type == SCTP_CHUNK_ERROR);
        return;
    }
    must(sctp_wire_read_init(&chunk, &init) && init.tag && init.window && init.streams_out);
    sctp_handshake_read_offer(init.parameters, &offer);
    struct given *given = &world->given[world->given_count++ % GIVEN_MAX];
    must(offer.cookie && offer.cookie_length <= sizeof given->cookie);
    *given = (struct given){.length = offer.cookie_length,
                            .own_tag = init.tag,
                            .made_us = world->now_us,
                            .from = world->from[0]};
    memcpy(given->cookie, offer.cookie, offer.cookie_length);
}

static bool was_given(const struct world *world, const uint8_t *packet, size_t length)
{
    struct wire_reader chunks = sctp_wire_chunks(packet, length);
    struct sctp_chunk chunk;
    do
        must(sctp_wire_next_chunk(&chunks, &chunk));
    while (chunk.type == SCTP_CHUNK_AUTH);
    must(chunk.type == SCTP_CHUNK_COOKIE_ECHO);
    for (unsigned i = 0; i < GIVEN_MAX; i++) {
        const struct given *given = &world->given[i];
        if (given->length == chunk.length && given->own_tag == sctp_wire_u32(packet + 4) &&
            given->from == world->from[0] && !given->ended &&
            world->now_us - given->made_us <= SCTP_COOKIE_LIFE_US &&
            !memcmp(given->cookie, chunk.value, chunk.length))
            return true;
    }
    return false;
}

static void check_stray(const uint8_t *packet, size_t length)
{
    uint8_t reply[SCTP_REPLY_MAX], again[SCTP_REPLY_MAX];
    struct sctp_header header;
    size_t replied = sctp_listener_ootb(packet, length, reply);
    must(!replied || (replied <= length && sctp_wire_check(reply, replied, &header) &&
                      header.tag == sctp_wire_u32(packet + 4)));
    must(!replied || !sctp_listener_ootb(reply, replied, again));
}

static void listen(struct world *world, uint8_t *packet, size_t length)
{
    const struct sctp_origin origin = {world->from, sizeof world->from};
    uint8_t reply[SCTP_REPLY_MAX];
    size_t replied = 0, before = allocated();
    struct sctp_association *made = NULL, *existing = world->existing;
    struct sctp_header header;
    switch (sctp_listener_input(world->listener, world->now_us, &origin, 0, packet, length,
                                existing, reply, &replied, &made)) {
    case SCTP_HEARD_NOTHING:
        must(!made && allocated() == before);
        break;
    case SCTP_HEARD_REPLY:
    case SCTP_HEARD_UNLIKE:
        must(!made && allocated() == before && replied <= 3 * length);
        must(sctp_wire_check(reply, replied, &header) && header.tag);
        remember(world, reply, replied);
        break;
    case SCTP_HEARD_RESTARTED:
        must(existing);
        /* fall through */
    case SCTP_HEARD_MADE:
        must(made && world->accepts && was_given(world, packet, length));
        adopt(world, made);
        break;
    case SCTP_HEARD_EXISTING:
        must(existing && !made);
        sctp_association_input_end(existing, world->now_us);
        pump(world, existing);
        break;
    }
}

/* As an endpoint does; from an exact copy. */
static void arrive(struct world *world, const uint8_t *bytes, size_t length)
{
    uint8_t *packet = malloc(length);
    struct sctp_header header;
    must(packet);
    memcpy(packet, bytes, length);
    sctp_wire_seal(packet, length);
    if (sctp_wire_check(packet, length, &header)) {
        uint8_t first = packet[SCTP_HEADER];
        check_stray(packet, length);
        if (first == SCTP_CHUNK_INIT || first == SCTP_CHUNK_COOKIE_ECHO ||
            first == SCTP_CHUNK_AUTH) {
            listen(world, packet, length);
        } else if (world->existing) {
            sctp_association_input(world->existing, world->now_us, 0, packet, length);
            sctp_association_input_end(world->existing, world->now_us);
            pump(world, world->existing);
        }
    }
    free(packet);
}

/* ---- the program ---- */

static void put_some(struct wire_writer *writer, struct wire_reader *reader)
{
    size_t length = 4 * (size_t)wire_get_u8(reader);
    length = length < wire_left(reader) ? length : wire_left(reader) & ~(size_t)3;
    wire_put_bytes(writer, wire_get_bytes(reader, length), length);
}

static void do_init(struct world *world, struct wire_reader *reader, struct wire_writer *writer)
{
    static const uint8_t random[SCTP_AUTH_RANDOM] = {1};
    uint8_t flags = wire_get_u8(reader);
    struct sctp_init init = {.tag = 1, .window = 1500, .streams_out = 1, .streams_in = 1};
    init.tag = flags & 1 ? wire_get_u32(reader) : 0xfedcba98;
    init.window = flags & 2 ? wire_get_u32(reader) : 65536;
    init.streams_out = flags & 4 ? wire_get_u16(reader) : 10;
    init.streams_in = flags & 8 ? wire_get_u16(reader) : 10;
    init.tsn = flags & 16 ? wire_get_u32(reader) : 0xffffffff;
    sctp_wire_put_header(writer, &(struct sctp_header){ITS_PORT, OUR_PORT, 0});
    uint8_t *chunk = sctp_handshake_begin_chunk(writer, SCTP_CHUNK_INIT, &init);
    if (flags & 32)
        put_some(writer, reader);
    sctp_handshake_end_chunk(writer, chunk, &world->options, flags & 64 ? random : NULL);
}

static void do_echo(struct world *world, struct wire_reader *reader, struct wire_writer *writer)
{
    const struct given *given = &world->given[wire_get_u8(reader) % GIVEN_MAX];
    uint8_t at = wire_get_u8(reader), by = wire_get_u8(reader);
    sctp_wire_put_header(writer, &(struct sctp_header){ITS_PORT, OUR_PORT, given->own_tag});
    uint8_t *cookie = writer->at + SCTP_CHUNK_HEADER;
    sctp_wire_put_chunk(writer, SCTP_CHUNK_COOKIE_ECHO, 0, given->cookie, given->length);
    if (given->length)
        cookie[at % given->length] ^= by & 1 ? by : 0;
    put_some(writer, reader);
}

static void do_packet(struct world *world, struct wire_reader *reader, struct wire_writer *writer)
{
    uint8_t which = wire_get_u8(reader);
    uint32_t tag = which % 4 == 0    ? 0
                   : which % 4 == 1  ? wire_get_u32(reader)
                   : which % 4 == 2  ? world->given[which / 4 % GIVEN_MAX].own_tag
                   : world->existing ? sctp_association_own_tag(world->existing)
                                     : 1;
    sctp_wire_put_header(writer, &(struct sctp_header){ITS_PORT, OUR_PORT, tag});
    put_some(writer, reader);
}

static void do_existing(struct world *world, uint8_t how)
{
    struct sctp_options options = world->options;
    options.peer_port = ITS_PORT;
    switch (how % 4) {
    case 0:
        forget(world);
        break;
    case 1:
        forget(world);
        world->existing = sctp_association_connect(&options);
        break;
    case 2:
        if (world->existing)
            sctp_association_shutdown(world->existing, world->now_us);
        break;
    default:
        if (world->existing)
            sctp_association_abort(world->existing, "enough");
        break;
    }
    if (world->existing)
        pump(world, world->existing);
}

static void pass(struct world *world, uint64_t us)
{
    world->now_us += us;
    if (world->existing && world->now_us >= sctp_association_deadline(world->existing)) {
        sctp_association_timeout(world->existing, world->now_us);
        pump(world, world->existing);
    }
}

static void step(struct world *world, struct wire_reader *reader)
{
    uint8_t bytes[ROOM], op = wire_get_u8(reader);
    struct wire_writer writer = wire_writer(bytes, sizeof bytes);
    switch (op % 8) {
    case 0:
    case 1:
        do_init(world, reader, &writer);
        break;
    case 2:
    case 3:
        do_echo(world, reader, &writer);
        break;
    case 4:
        do_packet(world, reader, &writer);
        break;
    case 5:
        pass(world, (uint64_t)wire_get_u16(reader) * 1000);
        break;
    case 6:
        do_existing(world, wire_get_u8(reader));
        break;
    default:
        world->accepts = op & 8;
        world->from[0] = op >> 4;
        sctp_listener_accept(world->listener, world->accepts);
        break;
    }
    if (writer.at > bytes && !writer.overrun)
        arrive(world, bytes, (size_t)(writer.at - bytes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world world = {.chance = 1, .now_us = 4000000000, .accepts = true};
    struct wire_reader reader = wire_reader(data, size);
    uint8_t flags = wire_get_u8(&reader);
    sctp_association_defaults(&world.options);
    world.options.own_port = OUR_PORT;
    world.options.streams = 8;
    world.options.auth = flags & 1;
    world.options.hawser = flags & 2;
    world.options.random = draw;
    world.options.random_context = &world.chance;
    world.listener = sctp_listener_new(&world.options, world.now_us);
    for (unsigned i = 0; wire_left(&reader) && i < 200; i++)
        step(&world, &reader);
    sctp_association_free(world.existing);
    sctp_listener_free(world.listener);
    return 0;
}
