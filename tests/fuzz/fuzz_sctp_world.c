/* Two engines, and a program that does to them and to what is between them what an input says:
 * messages, time, loss, reordering, cuts, changes of path, size and key, readers that sleep, ends
 * in every way, and chunks forged with the right tag. While nothing was forged, all that the
 * simulator asks (tests/sim/end.c) must hold, and in the end all arrives; afterwards nothing may
 * break, spin or grow. First bytes: options; then one operation each. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "sctp/association_private.h"
#include "sctp/receiving.h"
#include "tests/sim/end.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OPERATIONS 160
#define KEPT       32
#define KEPT_SIZE  1500

/* Packets as they went, to be said again. */
struct kept {
    unsigned to, line;
    size_t length;
    uint8_t bytes[KEPT_SIZE];
};
struct bed {
    struct sim_world *world;
    struct wire_reader script;
    struct kept kept[KEPT];
    unsigned kept_count;
    unsigned swallow[2];
    unsigned keys;
    bool was_cut; /* or bad enough to give up */
};

static bool on_packet(struct sim_world *world, struct sim_end *from, unsigned line, uint8_t *packet,
                      size_t length)
{
    struct bed *bed = world->options.context;
    if (length <= KEPT_SIZE) {
        struct kept *kept = &bed->kept[bed->kept_count++ % KEPT];
        kept->to = from->index ^ 1;
        kept->line = line;
        kept->length = length;
        memcpy(kept->bytes, packet, length);
    }
    if (!bed->swallow[from->index])
        return true;
    bed->swallow[from->index]--;
    return false;
}

static uint8_t byte(struct bed *bed)
{
    return wire_get_u8(&bed->script);
}

static struct sim_end *end_of(struct bed *bed, uint8_t which)
{
    return &bed->world->ends[which & 1];
}

/* ---- forged chunks ---- */

/* TSNs and windows near those that are, or any. */
static uint32_t near(struct bed *bed, uint32_t value)
{
    uint8_t how = byte(bed);
    if (how == 0xff)
        return wire_get_u32(&bed->script);
    return value + (uint32_t)(int8_t)how;
}

static void put_data(struct bed *bed, struct sim_end *to, struct wire_writer *writer)
{
    uint8_t flags = byte(bed) & 0x0f, value[16 + 255] = {0};
    struct wire_writer w = wire_writer(value, sizeof value);
    size_t length = byte(bed);
    wire_put_u32(&w, near(bed, to->association->receiving.map.cumulative));
    wire_put_u16(&w, byte(bed) * (flags & 8 ? 3u : 1u));
    wire_put_u16(&w, near(bed, 0));
    wire_put_u32(&w, 0x48575300u + (flags & 4));
    sctp_wire_put_chunk(writer, SCTP_CHUNK_DATA, flags, value, 12 + length);
}

static void put_sack(struct bed *bed, struct sim_end *to, struct wire_writer *writer)
{
    uint8_t value[12 + 4 * 15 + 4 * 3];
    struct wire_writer w = wire_writer(value, sizeof value);
    uint8_t counts = byte(bed);
    unsigned gaps = counts & 15, duplicates = counts >> 4 & 3, at = 0;
    uint32_t una = to->association->flight.una;
    wire_put_u32(&w, near(bed, una - 1));
    wire_put_u32(&w, counts & 0x80 ? byte(bed) : 1u << 20);
    wire_put_u16(&w, gaps);
    wire_put_u16(&w, duplicates);
    for (unsigned i = 0; i < gaps; i++) {
        uint8_t size = byte(bed);
        at += 1 + (size & 15);
        wire_put_u16(&w, at);
        at += size >> 4;
        wire_put_u16(&w, counts & 0x40 ? near(bed, at) & 0xffff : at);
    }
    for (unsigned i = 0; i < duplicates; i++)
        wire_put_u32(&w, near(bed, una));
    sctp_wire_put_chunk(writer, SCTP_CHUNK_SACK, 0, value, (size_t)(w.at - value));
}

static void put_any(struct bed *bed, struct wire_writer *writer)
{
    uint8_t type = byte(bed), flags = byte(bed), length = byte(bed) & 0x3f;
    const uint8_t *value = wire_get_bytes(&bed->script, length);
    sctp_wire_put_chunk(writer, type, flags, value, value ? length : 0);
}

static void forge(struct bed *bed, struct sim_end *to)
{
    uint8_t packet[1400], how = byte(bed);
    struct wire_writer writer = wire_writer(packet, sizeof packet);
    if (!to->association)
        return;
    bed->world->options.is_forged = true;
    bed->world->options.patience = 0;
    bool starts = (how & 0xc0) == 0xc0; /* INIT has tag 0 */
    struct sctp_header header = {to->options.peer_port, to->options.own_port,
                                 starts ? 0 : sctp_association_own_tag(to->association)};
    sctp_wire_put_header(&writer, &header);
    struct sctp_auth *auth = to->peer->association ? to->peer->association->auth : NULL;
    uint8_t *signature = auth && how & 0x20 ? sctp_auth_begin(auth, &writer) : NULL;
    for (unsigned i = 0; i <= (how & 3u); i++)
        switch (byte(bed) % 4) {
        case 0:
            put_data(bed, to, &writer);
            break;
        case 1:
            put_sack(bed, to, &writer);
            break;
        default:
            put_any(bed, &writer);
        }
    if (writer.overrun)
        return;
    if (signature)
        sctp_auth_sign(auth, signature, writer.at);
    size_t length = (size_t)(writer.at - packet);
    sctp_wire_seal(packet, length);
    sim_world_inject(bed->world, to, how >> 2 & 1, packet, length);
}

/* One that was there already, as it was, or with a byte changed. */
static void repeat(struct bed *bed)
{
    uint8_t which = byte(bed), how = byte(bed);
    struct kept copy = bed->kept[which % KEPT];
    if (!copy.length)
        return;
    if (how & 1) {
        bed->world->options.is_forged = true;
        bed->world->options.patience = 0;
        copy.bytes[SCTP_HEADER + (how >> 1) % (copy.length - SCTP_HEADER)] ^= byte(bed);
        sctp_wire_seal(copy.bytes, copy.length);
    }
    sim_world_inject(bed->world, &bed->world->ends[copy.to], copy.line, copy.bytes, copy.length);
}

/* ---- operations ---- */

static void say(struct bed *bed, struct sim_end *end, unsigned messages)
{
    end->user.running[1].ready += messages;
    sim_end_pump(end);
    (void)bed;
}

static void change_line(struct bed *bed)
{
    uint8_t which = byte(bed), how = byte(bed);
    struct sim_line *line = &bed->world->ways[which & 1][which >> 1 & 1].line;
    switch (which >> 2 & 7) {
    case 0:
        line->loss = (how & 127) / 256.0;
        bed->was_cut |= how > 64;
        break;
    case 1:
        line->burst = how & 15;
        break;
    case 2:
        line->reorder = how / 256.0;
        break;
    case 3:
        line->jitter_us = how * 500u;
        break;
    case 4:
        line->duplicate = how / 256.0;
        break;
    case 5:
        line->corrupt = how / 512.0;
        break;
    case 6:
        line->rate = how * 20000u + 20000;
        line->queue_us = 100000;
        break;
    default:
        line->delay_us = how * 300u;
    }
}

static void change_net(struct bed *bed)
{
    struct sim_world *world = bed->world;
    uint8_t which = byte(bed), size = byte(bed);
    switch (which >> 1 & 7) {
    case 0:
        sim_act_net_use(world, which & 1, 0);
        break;
    case 1:
        sim_act_net_fail(world, which & 1, 0);
        break;
    case 2:
        sim_act_net_reset(world, which & 1, 0);
        break;
    case 3:
        bed->was_cut = true;
        sim_act_cut(world, which & 1, true);
        break;
    case 4:
        sim_act_cut(world, which & 1, false);
        break;
    case 5:
        sim_act_cut_way(world, which & 1, size & 3);
        bed->was_cut = true;
        break;
    default:
        sim_act_net_mtu(world, which & 1, 256 + size * 8u);
    }
}

static void end_somehow(struct bed *bed, struct sim_end *end)
{
    struct sim_world *world = bed->world;
    switch (byte(bed) % 6) {
    case 0:
        sim_act_shutdown(world, end->index, 0);
        break;
    case 1:
        sim_act_abort(world, end->index, 0);
        break;
    case 2:
        sim_act_restart(world, end->index, 0);
        break;
    case 3:
        sim_act_forget(world, end->index, 0);
        break;
    default:
        sim_act_connect(world, end->index, 0);
    }
}

static void operate(struct bed *bed, uint8_t operation)
{
    struct sim_world *world = bed->world;
    struct sim_end *end = end_of(bed, operation >> 4);
    switch (operation & 15) {
    case 0:
    case 1:
        say(bed, end, 1 + (byte(bed) & 31));
        break;
    case 2:
    case 3:
        sim_world_run(world, world->now_us + byte(bed) * 100u);
        break;
    case 4:
        sim_world_run(world, world->now_us + byte(bed) * 20000u);
        break;
    case 5:
        change_line(bed);
        break;
    case 6:
        change_net(bed);
        break;
    case 7:
        if (world->options.sctp[0].auth)
            sim_act_key(world, ++bed->keys, 0);
        break;
    case 8:
        sim_act_sleep(world, end->index, operation & 0x20);
        break;
    case 9:
        end_somehow(bed, end);
        break;
    case 10:
        bed->swallow[end->index] = byte(bed) & 31;
        break;
    case 11:
    case 12:
        repeat(bed);
        break;
    default:
        forge(bed, end);
    }
}

/* Without forged packets all must arrive, once the lines are good again. */
static void come_to_an_end(struct bed *bed)
{
    struct sim_world *world = bed->world;
    for (unsigned line = 0; line < 2; line++) {
        for (unsigned way = 0; way < 2; way++)
            world->ways[line][way].line = (struct sim_line){.delay_us = 5000};
        sim_act_cut(world, line, false);
    }
    for (unsigned i = 0; i < 2; i++) {
        bed->swallow[i] = 0;
        sim_act_sleep(world, i, false);
    }
    sim_world_run(world, world->now_us + SIM_SEC);
    if (world->options.is_forged || world->wrong[0])
        return;
    const struct sim_end *a = &world->ends[0], *b = &world->ends[1];
    if (!a->association || !b->association || !a->user.is_up || !b->user.is_up ||
        a->user.is_closing || b->user.is_closing)
        return;
    for (unsigned i = 0; i < 2; i++) /* nobody begins what was not begun */
        for (unsigned work = 0; work < SIM_WORKS; work++)
            world->options.work[i][work].end_us = 1;
    if (!sim_world_finish(world, world->now_us + 4000 * SIM_SEC) && a->association &&
        b->association)
        sim_world_fail(world, "not all has arrived");
}

static void choose(struct sim_options *o, struct bed *bed)
{
    static const uint32_t mtus[] = {1452, 552, 8952, 1252},
                          buffers[] = {1 << 20, 64 << 10, 40 << 10, 16 << 20};
    uint8_t flags = byte(bed), sizes = byte(bed);
    sim_defaults(o, byte(bed));
    o->lines = 2;
    o->near_wrap = flags & 1;
    o->both_connect = flags & 2;
    o->batch_us = flags & 4 ? 500 : 0;
    o->late_us = flags & 8 ? 300 : 0;
    for (unsigned i = 0; i < 2; i++) {
        struct sctp_options *sctp = &o->sctp[i];
        sctp->auth = flags & 16;
        sctp->congestion = flags & 32 ? &sctp_cubic_ops : &sctp_bbr_ops;
        sctp->hawser = flags & 64 || (flags & 128 && i);
        sctp->mtu = mtus[sizes & 3];
        sctp->buffer = buffers[sizes >> 2 & 3];
        sctp->first_packet = 0u - 20;
        o->work[i][0] = (struct sim_work){.kind = SIM_TALK,
                                          .stream = 1,
                                          .streams = 5,
                                          .least = 1,
                                          .most = 2000,
                                          .messages = 4,
                                          .pause_us = 3000};
        o->work[i][1] = (struct sim_work){.kind = SIM_BURST,
                                          .stream = 10,
                                          .streams = 9,
                                          .least = 1,
                                          .most = sizes & 128 ? MESSAGE_MAX : 900,
                                          .begin_us = 1000000 * SIM_SEC,
                                          .burst = 1};
    }
    if (sizes & 32)
        o->work[0][2] =
            (struct sim_work){.kind = SIM_EARLY, .streams = 1, .least = 20, .most = 600};
    o->memory_limit = (1 << 20) + 4 * ((size_t)o->sctp[0].buffer + o->sctp[1].buffer);
    o->filter = on_packet;
    o->says = getenv("SAY");
    o->context = bed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sim_options options;
    struct bed *bed = check_alloc(sizeof *bed);
    bed->script = wire_reader(data, size);
    choose(&options, bed);
    struct sim_world *world = bed->world = sim_world_new(&options);
    for (unsigned i = 0; i < OPERATIONS && wire_left(&bed->script) && !world->wrong[0]; i++)
        operate(bed, byte(bed));
    if (!world->wrong[0])
        come_to_an_end(bed);
    if (world->wrong[0])
        fprintf(stderr, "%s\n", world->wrong);
    must(!world->wrong[0]);
    sim_world_free(world);
    free(bed);
    return 0;
}
