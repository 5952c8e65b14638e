/* A simulated world: endpoints, lines and a virtual clock. */
#include "tests/sim/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "tests/sim/end.h"

#define LOOK_US   5000 /* the queues are looked at so often */
#define STEPS_MS  4000 /* steps in one virtual millisecond: more is a loop */
#define KEYS      7    /* beside key 0: an association holds 8 */
#define CLOSED_US (200 * SIM_SEC)

void sim_world_fail(struct sim_world *world, const char *format, ...)
{
    if (world->wrong[0])
        return;
    int at = snprintf(world->wrong, sizeof world->wrong,
                      "seed %llu at %.6f s: ", (unsigned long long)world->options.seed,
                      (double)world->now_us / SIM_SEC);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(world->wrong + at, sizeof world->wrong - (size_t)at, format, arguments);
    va_end(arguments);
}

/* ---- the heap ---- */

static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->sequence < b->sequence;
}

static void push(struct sim_world *world, struct sim_event event)
{
    if (world->heap_count == world->heap_size) {
        world->heap_size = world->heap_size ? 2 * world->heap_size : 256;
        world->heap = check_resize(world->heap, world->heap_size * sizeof *world->heap);
    }
    event.sequence = world->sequence++;
    size_t i = world->heap_count++;
    for (; i && is_before(&event, &world->heap[(i - 1) / 2]); i = (i - 1) / 2)
        world->heap[i] = world->heap[(i - 1) / 2];
    world->heap[i] = event;
}

static struct sim_event pop(struct sim_world *world)
{
    struct sim_event *heap = world->heap, top = heap[0], last = heap[--world->heap_count];
    size_t i = 0;
    for (size_t child = 1; child < world->heap_count; child = 2 * i + 1) {
        if (child + 1 < world->heap_count && is_before(&heap[child + 1], &heap[child]))
            child++;
        if (!is_before(&heap[child], &last))
            break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = last;
    return top;
}

void sim_world_at(struct sim_world *world, uint64_t at_us, sim_act *act, uint64_t a, uint64_t b)
{
    world->acts++;
    push(world, (struct sim_event){.at_us = at_us, .kind = SIM_ACT, .act = act, .a = a, .b = b});
}

/* ---- the lines ---- */

static void arrive_later(struct sim_world *world, unsigned end, unsigned line,
                         const uint8_t *packet, size_t length, const struct sim_arrival *arrival)
{
    struct sim_packet *copy = check_resize(NULL, sizeof *copy + length);
    uint64_t batch = world->options.batch_us, at = arrival->at_us;
    copy->length = length;
    memcpy(copy->bytes, packet, length);
    if (arrival->corrupt) {
        uint64_t bit = sim_chance(&world->chance, 8 * length);
        copy->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    if (batch)
        at = (at + batch - 1) / batch * batch;
    push(world, (struct sim_event){
                    .at_us = at, .kind = SIM_ARRIVAL, .end = end, .line = line, .packet = copy});
}

static uint64_t crc_of(const uint8_t *packet, size_t length)
{
    uint32_t sum = 0;
    if (length >= SCTP_HEADER)
        memcpy(&sum, packet + 8, sizeof sum);
    return (uint64_t)sum << 16 | length;
}

void sim_world_transmit(struct sim_end *from, unsigned line, const uint8_t *packet, size_t length)
{
    struct sim_world *world = from->world;
    struct sim_way *way = &world->ways[line][from->index % 2];
    struct sim_arrival out[2];
    uint8_t copy[65536];
    world->trace = sim_mix(world->trace ^ world->now_us) ^
                   sim_mix(crc_of(packet, length) << 8 | line << 4 | from->index);
    from->packets_out++;
    from->bytes_out += length;
    if (world->options.filter) {
        memcpy(copy, packet, length);
        packet = copy;
        if (!world->options.filter(world, from, line, copy, length))
            return;
    }
    unsigned count = 0;
    /* A packet that was made before its net shrank goes in pieces (docs/PROTOCOL.md P13): whole at
     * the far end if all of them arrive; one chance stands for all of them here. */
    size_t size = length > from->mtu[line] && way->line.mtu ? from->mtu[line] : length;
    count = sim_way_send(way, world->now_us, size, out);
    for (unsigned i = 0; i < count; i++)
        arrive_later(world, from->index ^ 1, line, packet, length, &out[i]);
}

void sim_world_inject(struct sim_world *world, struct sim_end *to, unsigned line,
                      const uint8_t *packet, size_t length)
{
    struct sim_arrival now = {world->now_us, false};
    arrive_later(world, to->index, line, packet, length, &now);
}

/* ---- its life ---- */

static void give_chance(void *context, void *bytes, size_t length)
{
    struct sim_world *world = context;
    uint8_t *to = bytes;
    for (size_t i = 0; i < length; i++) {
        uint64_t byte = sim_chance(&world->key, 256);
        /* 1024 values below the end, whichever way round they are read */
        bool is_high = i % 4 != 0;
        if (world->options.near_wrap && is_high)
            byte = i % 4 == 1 ? byte | 0xfc : 0xff;
        to[i] = (uint8_t)byte;
    }
}

void sim_defaults(struct sim_options *options, uint64_t seed)
{
    memset(options, 0, sizeof *options);
    options->seed = seed;
    options->pairs = options->lines = 1;
    for (unsigned i = 0; i < 2 * SIM_PAIRS; i++) {
        struct sctp_options *sctp = &options->sctp[i];
        sctp_association_defaults(sctp);
        sctp->own_port = (uint16_t)(5000 + i);
        sctp->peer_port = (uint16_t)(5000 + (i ^ 1));
        sctp->streams = SIM_STREAMS;
        sctp->buffer = 16 << 20;
        sctp->mtu = 1452;
        sctp->hawser = true;
        sctp->congestion = &sctp_bbr_ops;
        sctp->first_packet = seed % 2 ? 0u - 500 : 0;
    }
    for (unsigned i = 0; i < SIM_LINES; i++)
        for (unsigned way = 0; way < 2; way++)
            options->line[i][way] = (struct sim_line){.delay_us = 5000, .overhead = 48};
}

struct sim_world *sim_world_new(const struct sim_options *options)
{
    struct sim_world *world = check_alloc(sizeof *world);
    world->options = *options;
    world->chance.state = sim_mix(options->seed);
    world->key.state = sim_mix(~options->seed);
    world->now_us = 1000000 + sim_chance(&world->chance, 1000000);
    world->look_us = world->now_us;
    for (unsigned i = 0; i < options->lines; i++)
        for (unsigned way = 0; way < 2; way++) {
            world->ways[i][way].line = options->line[i][way];
            world->ways[i][way].chance = &world->chance;
            world->ways[i][way].tokens_us = world->now_us;
        }
    for (unsigned i = 0; i < 2 * options->pairs; i++) {
        struct sim_end *end = &world->ends[i];
        end->world = world;
        end->peer = &world->ends[i ^ 1];
        end->index = i;
        end->options = options->sctp[i];
        end->options.random = give_chance;
        end->options.random_context = world;
        if (options->near_wrap) /* a listener's is no chance */
            end->options.first_tsn = UINT32_MAX - (uint32_t)(options->seed + 331 * i) % 1024;
        sim_end_begin(end);
        if (i % 2 == 0 || options->both_connect)
            sim_world_at(world, world->now_us + options->connect_us[i / 2], sim_act_connect, i, 0);
    }
    return world;
}

void sim_world_free(struct sim_world *world)
{
    for (unsigned i = 0; i < 2 * world->options.pairs; i++)
        sim_end_fini(&world->ends[i]);
    for (size_t i = 0; i < world->heap_count; i++)
        free(world->heap[i].packet);
    free(world->heap);
    free(world);
}

/* ---- the clock ---- */

static void read_batch(struct sim_world *world)
{
    struct sim_end *end = &world->ends[world->heap[0].end];
    uint64_t now = world->heap[0].at_us;
    do {
        struct sim_event event = pop(world);
        sim_end_receive(end, event.line, event.packet->bytes, event.packet->length);
        free(event.packet);
    } while (world->heap_count && world->heap[0].at_us == now &&
             world->heap[0].kind == SIM_ARRIVAL && world->heap[0].end == end->index);
    sim_end_read(end);
}

static uint64_t deadline_of(const struct sim_end *end)
{
    if (!end->association)
        return SCTP_NEVER;
    uint64_t at = sctp_association_deadline(end->association);
    return at == SCTP_NEVER ? at : at + end->world->options.late_us;
}

static void look(struct sim_world *world, uint64_t until)
{
    for (; world->look_us <= until; world->look_us += LOOK_US)
        for (unsigned i = 0; i < world->options.lines; i++)
            for (unsigned way = 0; way < 2; way++)
                sim_way_look(&world->ways[i][way], world->look_us);
}

static void advance(struct sim_world *world, uint64_t to)
{
    if (to > world->now_us) {
        look(world, to);
        if (to / SIM_MS != world->now_us / SIM_MS)
            world->steps_in_ms = 0;
        world->now_us = to;
    }
    world->steps++;
    if (++world->steps_in_ms > STEPS_MS)
        sim_world_fail(world, "%u steps in a millisecond", STEPS_MS);
}

/* One step; false: the next one is later. */
static bool step(struct sim_world *world, uint64_t until)
{
    uint64_t best = world->heap_count ? world->heap[0].at_us : SCTP_NEVER;
    struct sim_end *timer = NULL, *user = NULL;
    for (unsigned i = 0; i < 2 * world->options.pairs; i++) {
        struct sim_end *end = &world->ends[i];
        uint64_t deadline = deadline_of(end);
        uint64_t due = end->association ? sim_user_due(end) : SCTP_NEVER;
        if (deadline < best) {
            best = deadline;
            timer = end;
            user = NULL;
        }
        if (due < best) {
            best = due;
            user = end;
            timer = NULL;
        }
    }
    if (best > until || best == SCTP_NEVER) {
        advance(world, until);
        return false;
    }
    advance(world, best);
    if (timer) {
        sim_end_timeout(timer);
    } else if (user) {
        sim_end_pump(user);
    } else if (world->heap[0].kind == SIM_ARRIVAL) {
        read_batch(world);
    } else {
        struct sim_event event = pop(world);
        world->acts--;
        event.act(world, event.a, event.b);
    }
    return true;
}

void sim_world_run(struct sim_world *world, uint64_t until_us)
{
    while (!world->wrong[0] && step(world, until_us))
        ;
}

static bool is_settled(struct sim_world *world)
{
    if (world->acts)
        return false;
    for (unsigned i = 0; i < 2 * world->options.pairs; i++) {
        struct sim_end *end = &world->ends[i];
        struct sctp_status status;
        struct sctp_net_status net;
        if (!end->association || !sim_user_is_done(end) || !sim_user_has_all(end))
            return false;
        sctp_association_status(end->association, &status);
        if (status.queued || status.held)
            return false;
        for (unsigned line = 0; line < world->options.lines; line++)
            if (sctp_association_net_status(end->association, line, &net) && net.in_flight)
                return false;
    }
    return true;
}

bool sim_world_finish(struct sim_world *world, uint64_t until_us)
{
    while (!world->wrong[0])
        if (is_settled(world))
            return true;
        else if (!step(world, until_us))
            break;
    return false;
}

bool sim_world_close(struct sim_world *world, struct sim_end *end)
{
    uint64_t until = world->now_us + CLOSED_US;
    sim_act_shutdown(world, end->index, 0);
    while (!world->wrong[0] && (end->association || end->peer->association) && step(world, until))
        ;
    return !world->wrong[0] && !end->association && !end->peer->association &&
           sim_user_has_all(end) && sim_user_has_all(end->peer) &&
           (end->reason == ERR_LOCAL_SHUTDOWN || end->reason == ERR_TRANSPORT_CLOSED) &&
           end->peer->reason == ERR_TRANSPORT_CLOSED;
}

/* ---- acts ---- */

void sim_act_connect(struct sim_world *world, uint64_t end, uint64_t unused)
{
    (void)unused;
    sim_end_connect(&world->ends[end]);
}

void sim_act_forget(struct sim_world *world, uint64_t end, uint64_t unused)
{
    (void)unused;
    sim_end_forget(&world->ends[end]);
}

void sim_act_restart(struct sim_world *world, uint64_t end, uint64_t unused)
{
    sim_act_forget(world, end, unused);
    sim_act_connect(world, end, unused);
}

void sim_act_shutdown(struct sim_world *world, uint64_t end, uint64_t unused)
{
    struct sim_end *e = &world->ends[end];
    (void)unused;
    if (!e->association)
        return;
    e->user.is_closing = true;
    sctp_association_shutdown(e->association, world->now_us);
    sim_end_pump(e);
}

void sim_act_abort(struct sim_world *world, uint64_t end, uint64_t unused)
{
    struct sim_end *e = &world->ends[end];
    (void)unused;
    if (!e->association)
        return;
    e->user.is_aborted = true;
    sctp_association_abort(e->association, "because");
    sim_end_pump(e);
}

void sim_act_cut(struct sim_world *world, uint64_t line, uint64_t is_cut)
{
    for (unsigned way = 0; way < 2; way++)
        sim_act_cut_way(world, line, is_cut ? way : way + 2);
}

static void count_cuts(struct sim_world *world)
{
    world->cuts = 0;
    for (unsigned line = 0; line < world->options.lines; line++)
        for (unsigned way = 0; way < 2; way++)
            world->cuts += world->ways[line][way].is_cut;
    world->worked_us = world->now_us;
}

void sim_act_cut_way(struct sim_world *world, uint64_t line, uint64_t way)
{
    world->ways[line][way % 2].is_cut = way < 2;
    count_cuts(world);
}

void sim_act_line_mtu(struct sim_world *world, uint64_t line, uint64_t mtu)
{
    for (unsigned way = 0; way < 2; way++)
        world->ways[line][way].line.mtu = (uint32_t)mtu;
}

typedef void on_net(struct sctp_association *association, uint64_t now_us, unsigned net);

static void on_both(struct sim_world *world, unsigned line, on_net *act, bool uses)
{
    for (unsigned i = 0; i < 2 * world->options.pairs; i++) {
        struct sim_end *end = &world->ends[i];
        if (!end->association || !end->user.is_up)
            continue;
        if (uses)
            end->line = line;
        act(end->association, world->now_us, sim_end_net(end, line));
        sim_end_pump(end);
    }
}

void sim_act_net_use(struct sim_world *world, uint64_t line, uint64_t unused)
{
    (void)unused;
    on_both(world, (unsigned)line, sctp_association_net_use, true);
}

void sim_act_net_fail(struct sim_world *world, uint64_t line, uint64_t unused)
{
    (void)unused;
    on_both(world, (unsigned)line, sctp_association_net_fail, false);
}

void sim_act_net_reset(struct sim_world *world, uint64_t line, uint64_t unused)
{
    (void)unused;
    on_both(world, (unsigned)line, sctp_association_net_reset, false);
}

void sim_act_net_mtu(struct sim_world *world, uint64_t line, uint64_t mtu)
{
    for (unsigned i = 0; i < 2 * world->options.pairs; i++) {
        struct sim_end *end = &world->ends[i];
        if (!end->association || !end->user.is_up)
            continue;
        sctp_association_net_mtu(end->association, world->now_us, sim_end_net(end, (unsigned)line),
                                 (uint32_t)mtu);
        end->mtu[line] = (uint32_t)mtu;
        sim_end_pump(end);
    }
}

void sim_act_sleep(struct sim_world *world, uint64_t end, uint64_t is_asleep)
{
    world->ends[end].is_asleep = is_asleep;
    world->worked_us = world->now_us;
    sim_end_pump(&world->ends[end]);
}

static bool is_up(const struct sim_end *end)
{
    return end->association && end->peer->association && end->user.is_up && end->peer->user.is_up &&
           sctp_association_own_tag(end->association) ==
               sctp_association_peer_tag(end->peer->association);
}

void sim_act_key(struct sim_world *world, uint64_t number, uint64_t unused)
{
    uint8_t key[32];
    (void)unused;
    memset(key, (int)number, sizeof key);
    if (!is_up(&world->ends[0]) || number > KEYS)
        return;
    for (unsigned use = 0; use < 2; use++)
        for (unsigned i = 0; i < 2; i++) {
            struct sim_end *end = &world->ends[i];
            enum err e = use ? sctp_association_auth_use(end->association, (uint16_t)number)
                             : sctp_association_auth_add(end->association, (uint16_t)number, key,
                                                         sizeof key);
            if (e)
                sim_world_fail(world, "end %u: key %u: %s", i, (unsigned)number, err_name(e));
            sim_end_pump(end);
            if (!is_up(end))
                return;
        }
}
