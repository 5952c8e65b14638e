/* Any bytes as packets into an engine in each of the states that it can be in: INIT or COOKIE ECHO
 * out, up and idle, in the middle of a message with gaps, with packets in flight and gaps
 * acknowledged, at each step of its end, authenticated, and none at all. Ports, tag and checksum
 * are made right, and TSNs relative, where the input says so. The engine never breaks, spins,
 * grows, or answers more than it may (tests/sim/end.c).
 *
 * First byte: the state; then packets: how (one byte), length (one), the chunks. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "sctp/association_private.h"
#include "sctp/receiving.h"
#include "tests/sim/end.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PACKETS_MAX 40
#define PACKET_MAX  1400
#define MEMORY_MAX  (8u << 20)

enum state {
    COOKIE_WAIT,
    COOKIE_ECHOED,
    UP,
    GAPS,     /* the receiver */
    FLIGHT,   /* the sender */
    AUTH,     /* the receiver, with gaps */
    PENDING,  /* SHUTDOWN waits for data in flight */
    SENT,     /* SHUTDOWN is out */
    RECEIVED, /* it has come, with data in flight */
    ACK_SENT,
    NONE,
    STATES,
};

static bool drops_thirds(struct sim_world *world, struct sim_end *from, unsigned line,
                         uint8_t *packet, size_t length)
{
    unsigned *count = world->options.context;
    (void)from;
    (void)line;
    return length < SCTP_HEADER + 300 || packet[SCTP_HEADER] != SCTP_CHUNK_DATA ||
           ++*count % 3 != 2;
}

/* Runs to that state; returns the end that the packets are for. */
static struct sim_end *prepare(struct sim_world *world, enum state state)
{
    uint64_t begun = world->now_us;
    struct sim_end *client = &world->ends[0], *server = &world->ends[1];
    if (state == COOKIE_WAIT)
        sim_act_cut(world, 0, true);
    if (state == COOKIE_WAIT || state == COOKIE_ECHOED)
        sim_world_at(world, begun + 1000, sim_act_cut_way, 0, 0);
    if (state == NONE)
        sim_world_at(world, begun + 50 * SIM_MS, sim_act_forget, 0, 0);
    if (state == RECEIVED || state == ACK_SENT)
        sim_world_at(world, begun + 26 * SIM_MS, sim_act_cut_way, 0, 1);
    if (state == PENDING || state == SENT)
        sim_world_at(world, begun + 26 * SIM_MS, sim_act_cut_way, 0, 0);
    if (state >= PENDING && state <= ACK_SENT)
        sim_world_at(world, begun + 40 * SIM_MS, sim_act_shutdown, 0, 0);
    sim_world_run(world, begun + 60 * SIM_MS);
    if (state == NONE)
        sim_act_forget(world, 1, 0);
    sim_act_cut(world, 0, true);
    return state == GAPS || state == AUTH || state == RECEIVED || state == ACK_SENT ? server
                                                                                    : client;
}

static void plan_work(struct sim_options *o, enum state state)
{
    static const struct sim_work work = {.kind = SIM_BULK,
                                         .streams = 3,
                                         .least = 3000,
                                         .most = 6000,
                                         .begin_us = 5000,
                                         .messages = 12};
    if (state == GAPS || state == FLIGHT || state == AUTH)
        o->work[0][0] = o->work[1][0] = work;
    if (state == PENDING)
        o->work[0][0] = work;
    if (state == RECEIVED)
        o->work[1][0] = work;
    o->work[0][0].begin_us = o->work[1][0].begin_us = state < PENDING ? 10000 : 17000;
}

static void add_to(uint8_t *at, uint32_t base)
{
    uint32_t value = base + sctp_wire_u32(at);
    for (unsigned i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* TSNs are relative to those that are. */
static void relate(const struct sim_end *to, uint8_t *packet, size_t length)
{
    uint32_t came = 0, sent = 0;
    if (to->association && to->association->receiving.reassembly)
        came = to->association->receiving.map.cumulative;
    if (to->association)
        sent = to->association->flight.una - 1;
    for (size_t at = SCTP_HEADER; at + 8 <= length;) {
        size_t size = sctp_wire_u16(packet + at + 2);
        if (packet[at] == SCTP_CHUNK_DATA)
            add_to(packet + at + 4, came);
        if (packet[at] == SCTP_CHUNK_SACK || packet[at] == SCTP_CHUNK_SHUTDOWN)
            add_to(packet + at + 4, sent);
        at += size < 4 ? 4 : (size + 3) & ~(size_t)3;
    }
}

static void give(struct sim_world *world, struct sim_end *to, struct wire_reader *script)
{
    uint8_t packet[SCTP_HEADER + 64 + PACKET_MAX];
    struct wire_writer writer = wire_writer(packet, sizeof packet);
    uint8_t how = wire_get_u8(script);
    size_t length = wire_get_u8(script) * (how & 0x80 ? 5u : 1u), left = wire_left(script);
    const uint8_t *bytes = wire_get_bytes(script, length < left ? length : left);
    struct sctp_header header = {to->options.peer_port, to->options.own_port, 0};
    if (to->association && !(how & 1))
        header.tag = how & 2 ? sctp_association_peer_tag(to->association)
                             : sctp_association_own_tag(to->association);
    sctp_wire_put_header(&writer, &header);
    struct sctp_auth *auth = to->peer->association ? to->peer->association->auth : NULL;
    uint8_t *signature = auth && how & 4 ? sctp_auth_begin(auth, &writer) : NULL;
    size_t begin = (size_t)(writer.at - packet);
    if (bytes)
        wire_put_bytes(&writer, bytes, length < left ? length : left);
    size_t whole = (size_t)(writer.at - packet);
    if (how & 8)
        relate(to, packet + begin - SCTP_HEADER, whole - begin + SCTP_HEADER);
    if (signature)
        sctp_auth_sign(auth, signature, packet + whole);
    if (whole >= SCTP_HEADER)
        sctp_wire_seal(packet, whole);
    sim_world_inject(world, to, 0, packet, whole);
    if (how & 16)
        sim_world_run(world, world->now_us + (how & 32 ? 300 * SIM_MS : 2000));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sim_options options;
    struct wire_reader script = wire_reader(data, size);
    uint8_t first = wire_get_u8(&script);
    enum state state = (enum state)(first % STATES);
    unsigned count = 0;
    sim_defaults(&options, first);
    for (unsigned i = 0; i < 2; i++) {
        options.sctp[i].auth = state == AUTH;
        options.sctp[i].buffer = 256 << 10;
        options.sctp[i].hawser = first & 0x80;
    }
    options.near_wrap = first & 0x40;
    options.memory_limit = MEMORY_MAX;
    options.is_forged = true;
    plan_work(&options, state);
    if (state == GAPS || state == FLIGHT || state == AUTH)
        options.filter = drops_thirds;
    options.context = &count;
    struct sim_world *world = sim_world_new(&options);
    struct sim_end *to = prepare(world, state);
    for (unsigned i = 0; i < PACKETS_MAX && wire_left(&script) && !world->wrong[0]; i++)
        give(world, to, &script);
    sim_world_run(world, world->now_us + 5 * SIM_SEC);
    if (world->wrong[0])
        fprintf(stderr, "%s\n", world->wrong);
    must(!world->wrong[0]);
    sim_world_free(world);
    return 0;
}
