/* Flows over one simulated line, for congestion control alone. */
#include "tests/sim/flow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "tests/lib/tap.h"

#define RING        (1u << 17)
#define SACK_SIZE   12u
#define RTO_MIN_US  200000u
#define RTO_FIRST   1000000u
#define BACKOFF_MAX 6
#define SACK_US     20000u /* at most so long one waits */
#define LOOK_US     5000u
#define SAY_US      100000u
#define FIRST_US    2000000u
#define START_US    20000u /* by chance: else the seed would change nothing on lines without loss */

enum { ACKED = 1, LOST = 2, REPEAT = 4, GONE = 8 }; /* GONE: another packet bears its item */
enum kind { DATA, SACK, TIMER, LATE_SACK, BEGIN, LOOK, APP };

struct packet {
    uint64_t sent_us;
    struct sctp_rate_mark mark;
    uint32_t item;
    uint8_t flags;
};

struct item {
    uint32_t packet;  /* that bears it now */
    bool acked, lost; /* lost: it was declared so at least once */
    bool queued;
};

struct event {
    uint64_t at_us, order;
    enum kind kind;
    uint32_t flow, a, b;
};

struct flow {
    const struct flow_plan *plan;
    struct flow_result *result;
    struct sctp_congestion *congestion;
    struct sctp_rate rate;
    struct sctp_pacer pacer;
    struct sctp_sample sample;
    struct packet *packets;
    struct item *items;
    uint32_t oldest, next;   /* packets */
    uint32_t una, next_item; /* items */
    uint32_t *again;         /* items to be repeated */
    uint32_t again_first, again_last;
    uint64_t in_flight, app_bytes, app_us;
    uint64_t srtt_us, var_us, min_rtt_us;
    uint64_t rack_sent_us, rack_rtt_us, highest_item;
    uint32_t rack_packet;
    unsigned mult, persist, backoff;
    uint32_t mult_item, recovery_end, last_lost;
    bool reordered, in_recovery, by_timeout, probing, acked_any, new_duplicates;
    unsigned episode_lost, episode_spurious;
    uint64_t rack_us, probe_us, t3_us, wake_us; /* 0: not armed */
    /* the receiver */
    uint8_t *got;
    uint32_t got_una, *log, log_count, log_size, duplicates, unsaid;
    uint64_t sack_us;
    uint32_t log_seen, duplicates_seen;
    uint64_t bytes, marked_bytes, repeats, spurious, rtt_sum_us, rtts;
};

struct world {
    struct flow_run *run;
    uint64_t now_us, order;
    struct event *heap;
    size_t count, size;
    struct flow *flows;
    struct sim_chance chance;
    struct sim_way ways[2];
};

/* ---- events ---- */

static bool is_before(const struct event *a, const struct event *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void at(struct world *world, uint64_t at_us, enum kind kind, uint32_t flow, uint32_t a,
               uint32_t b)
{
    if (world->count == world->size) {
        world->size = world->size ? world->size * 2 : 1024;
        world->heap = check_resize(world->heap, world->size * sizeof *world->heap);
    }
    struct event event = {at_us, world->order++, kind, flow, a, b};
    size_t i = world->count++;
    for (; i && is_before(&event, &world->heap[(i - 1) / 2]); i = (i - 1) / 2)
        world->heap[i] = world->heap[(i - 1) / 2];
    world->heap[i] = event;
}

static struct event take(struct world *world)
{
    struct event first = world->heap[0], last = world->heap[--world->count];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < world->count; i = child) {
        if (child + 1 < world->count && is_before(&world->heap[child + 1], &world->heap[child]))
            child++;
        if (!is_before(&world->heap[child], &last))
            break;
        world->heap[i] = world->heap[child];
    }
    world->heap[i] = last;
    return first;
}

static uint32_t number(const struct world *world, const struct flow *flow)
{
    return (uint32_t)(flow - world->flows);
}

static void wake(struct world *world, struct flow *flow, uint64_t at_us)
{
    if (at_us <= world->now_us)
        at_us = world->now_us + 1;
    if (flow->wake_us > world->now_us && flow->wake_us <= at_us)
        return;
    flow->wake_us = at_us;
    at(world, at_us, TIMER, number(world, flow), 0, 0);
}

/* ---- sending ---- */

static struct packet *packet_of(const struct flow *flow, uint32_t number)
{
    return &flow->packets[number % RING];
}

static struct item *item_of(const struct flow *flow, uint32_t number)
{
    return &flow->items[number % RING];
}

static uint64_t time_out_us(const struct flow *flow)
{
    uint64_t us = flow->srtt_us ? flow->srtt_us + 4 * flow->var_us : RTO_FIRST;
    return (us < RTO_MIN_US ? RTO_MIN_US : us) << flow->backoff;
}

static void arm(struct world *world, struct flow *flow)
{
    flow->t3_us = flow->probe_us = 0;
    if (flow->una == flow->next_item)
        return;
    flow->t3_us = world->now_us + time_out_us(flow);
    uint64_t wait_us = flow->in_flight <= FLOW_SIZE ? SACK_US : 2000;
    if (!flow->probing)
        flow->probe_us = world->now_us + (flow->srtt_us ? 2 * flow->srtt_us : RTO_FIRST) + wait_us;
    if (flow->probe_us > flow->t3_us)
        flow->probe_us = flow->t3_us;
}

static void transmit(struct world *world, struct flow *flow, uint32_t item, bool repeats)
{
    struct sctp_congestion *congestion = flow->congestion;
    uint64_t pace = flow->plan->unpaced ? 0 : congestion->pace;
    congestion->ops->sent(congestion, world->now_us, FLOW_SIZE, flow->in_flight);
    flow->in_flight += FLOW_SIZE;
    struct packet *packet = packet_of(flow, flow->next);
    *packet =
        (struct packet){.sent_us = world->now_us, .item = item, .flags = repeats ? REPEAT : 0};
    sctp_rate_sent(&flow->rate, world->now_us, FLOW_SIZE, flow->in_flight, &packet->mark);
    sctp_pacer_sent(&flow->pacer, world->now_us, pace, congestion->quantum, FLOW_SIZE);
    item_of(flow, item)->packet = flow->next++;
    flow->result->sent++;
    flow->repeats += repeats;
    world->run->trace = sim_mix(world->run->trace ^ world->now_us ^ (uint64_t)item << 40);
    struct sim_arrival arrivals[2];
    unsigned count =
        sim_way_send(&world->ways[flow->plan->backwards], world->now_us, FLOW_SIZE, arrivals);
    for (unsigned i = 0; i < count; i++)
        at(world, arrivals[i].at_us, DATA, number(world, flow), item, 0);
}

static bool app_has(struct world *world, struct flow *flow)
{
    if (!flow->plan->app_rate)
        return true;
    if (!flow->plan->app_period_us) {
        uint64_t us = world->now_us - flow->app_us;
        uint64_t bytes = us * flow->plan->app_rate / 1000000;
        if (bytes >= FLOW_SIZE) {
            flow->app_bytes += bytes;
            flow->app_us = world->now_us;
        }
    }
    return flow->app_bytes >= FLOW_SIZE;
}

/* Chooses the next item; false: none. */
static bool next_item(struct world *world, struct flow *flow, uint32_t *item, bool *repeats)
{
    while (flow->again_first != flow->again_last) {
        *item = flow->again[flow->again_first++ % RING];
        struct item *lost = item_of(flow, *item);
        *repeats = true;
        if (lost->queued && !lost->acked) {
            lost->queued = false;
            return true;
        }
    }
    *repeats = false;
    if (flow->next_item - flow->una >= RING / 2 || flow->next - flow->oldest >= RING - 8 ||
        !app_has(world, flow))
        return false;
    if (flow->plan->app_rate)
        flow->app_bytes -= FLOW_SIZE;
    *item = flow->next_item++;
    *item_of(flow, *item) = (struct item){0};
    return true;
}

static void pump(struct world *world, struct flow *flow)
{
    const struct sctp_congestion *congestion = flow->congestion;
    bool any = false;
    while (flow->in_flight + FLOW_SIZE <= congestion->window || !flow->in_flight) {
        uint64_t pace = flow->plan->unpaced ? 0 : congestion->pace;
        if (sctp_pacer_allows(&flow->pacer, world->now_us, pace, congestion->quantum) < FLOW_SIZE) {
            wake(world, flow, flow->pacer.next_us);
            break;
        }
        uint32_t item;
        bool repeats;
        if (!next_item(world, flow, &item, &repeats)) {
            sctp_rate_limited(&flow->rate, flow->in_flight);
            if (flow->plan->app_rate && !flow->plan->app_period_us)
                wake(world, flow, world->now_us + 1000);
            break;
        }
        transmit(world, flow, item, repeats);
        any = true;
    }
    if (any)
        arm(world, flow);
    uint64_t nearest = flow->rack_us;
    if (flow->probe_us && (!nearest || flow->probe_us < nearest))
        nearest = flow->probe_us;
    if (flow->t3_us && (!nearest || flow->t3_us < nearest))
        nearest = flow->t3_us;
    if (nearest)
        wake(world, flow, nearest);
}

/* ---- losses ---- */

static void lose(struct world *world, struct flow *flow, uint32_t index, bool by_timeout)
{
    struct packet *packet = packet_of(flow, index);
    struct item *item = item_of(flow, packet->item);
    bool begins = !flow->in_recovery;
    packet->flags |= LOST;
    flow->in_flight -= FLOW_SIZE;
    flow->rate.lost += FLOW_SIZE;
    item->lost = item->queued = true;
    flow->again[flow->again_last++ % RING] = packet->item;
    if (begins) {
        flow->in_recovery = true;
        flow->by_timeout = by_timeout;
        flow->recovery_end = flow->next;
        flow->episode_lost = flow->episode_spurious = 0;
    }
    flow->episode_lost++;
    flow->sample.lost += FLOW_SIZE;
    struct sctp_loss loss = {.now_us = world->now_us,
                             .sent_us = packet->sent_us,
                             .size = FLOW_SIZE,
                             .mark = packet->mark,
                             .in_flight = flow->in_flight,
                             .total_lost = flow->rate.lost,
                             .total_delivered = flow->rate.delivered,
                             .by_timeout = by_timeout,
                             .begins_recovery = begins,
                             .adjacent = flow->last_lost + 1 == index};
    flow->last_lost = index;
    flow->congestion->ops->lost(flow->congestion, &loss);
}

static bool is_resolved(const struct packet *packet)
{
    return packet->flags & (ACKED | LOST | GONE);
}

/* RFC 8985 section 6.2, step 5. */
static void detect(struct world *world, struct flow *flow)
{
    uint64_t window = flow->mult * flow->min_rtt_us / 4;
    if (window > flow->srtt_us)
        window = flow->srtt_us;
    if (flow->in_recovery && !flow->reordered)
        window = 0;
    flow->rack_us = 0;
    while (flow->oldest != flow->next && is_resolved(packet_of(flow, flow->oldest)))
        flow->oldest++;
    for (uint32_t i = flow->oldest; i != flow->next && i != flow->rack_packet; i++) {
        struct packet *packet = packet_of(flow, i);
        if (is_resolved(packet))
            continue;
        if ((int32_t)(i - flow->rack_packet) > 0)
            break;
        uint64_t due = packet->sent_us + flow->rack_rtt_us + window;
        if (world->now_us < due) {
            flow->rack_us = due;
            break;
        }
        lose(world, flow, i, false);
    }
}

/* ---- acknowledgements ---- */

static void measured(struct flow *flow, uint64_t us)
{
    us = us ? us : 1;
    flow->sample.rtt_us = us;
    if (!flow->min_rtt_us || us < flow->min_rtt_us)
        flow->min_rtt_us = us;
    if (!flow->srtt_us) {
        flow->srtt_us = us;
        flow->var_us = us / 2;
        return;
    }
    uint64_t off = us > flow->srtt_us ? us - flow->srtt_us : flow->srtt_us - us;
    flow->var_us = (3 * flow->var_us + off) / 4;
    flow->srtt_us = (7 * flow->srtt_us + us) / 8;
}

static void note_spurious(struct world *world, struct flow *flow)
{
    flow->spurious++;
    flow->rate.lost -= FLOW_SIZE;
    flow->reordered = flow->new_duplicates = true;
    flow->episode_spurious++;
    flow->congestion->ops->spurious(flow->congestion, world->now_us, FLOW_SIZE,
                                    flow->episode_spurious == flow->episode_lost);
}

static void acknowledge(struct world *world, struct flow *flow, uint32_t number)
{
    struct item *item = item_of(flow, number);
    if (number - flow->una >= RING || item->acked)
        return;
    struct packet *packet = packet_of(flow, item->packet);
    uint64_t us = world->now_us - packet->sent_us;
    bool early = (packet->flags & REPEAT) && us < flow->min_rtt_us * 95 / 100;
    bool was_lost = packet->flags & LOST;
    if (!was_lost)
        flow->in_flight -= FLOW_SIZE;
    packet->flags |= ACKED;
    item->acked = true;
    if (was_lost || (early && item->lost))
        note_spurious(world, flow);
    sctp_rate_acked(&flow->rate, &flow->sample, world->now_us, packet->sent_us, FLOW_SIZE,
                    &packet->mark);
    if (!was_lost && !early) {
        if (!(packet->flags & REPEAT))
            measured(flow, us);
        if ((int32_t)(item->packet - flow->rack_packet) > 0 || !flow->rack_sent_us) {
            flow->rack_packet = item->packet;
            flow->rack_sent_us = packet->sent_us;
            flow->rack_rtt_us = us;
        }
    }
    if (number > flow->highest_item)
        flow->highest_item = number;
    else if (number < flow->highest_item && !(packet->flags & REPEAT))
        flow->reordered = true;
}

/* RFC 8985 section 6.2, step 4, and the ends of recovery and of a probe. */
static void after_acknowledging(struct flow *flow)
{
    while (flow->una != flow->next_item && item_of(flow, flow->una)->acked)
        flow->una++;
    if (flow->new_duplicates && (int32_t)(flow->una - flow->mult_item) >= 0) {
        flow->mult += flow->mult < 16;
        flow->persist = 16;
        flow->mult_item = flow->next_item;
    }
    flow->new_duplicates = false;
    if (flow->sample.acked) {
        flow->backoff = 0;
        flow->probing = false;
    }
    if (flow->in_recovery && (int32_t)(flow->rack_packet - flow->recovery_end) >= 0) {
        flow->in_recovery = flow->by_timeout = false;
        if (flow->persist && --flow->persist == 0)
            flow->mult = 1;
    }
}

static void tell(struct world *world, struct flow *flow, uint64_t prior_in_flight)
{
    sctp_rate_finish(&flow->rate, &flow->sample, world->now_us, flow->min_rtt_us);
    flow->sample.in_flight = flow->in_flight;
    flow->sample.prior_in_flight = prior_in_flight;
    flow->sample.srtt_us = flow->srtt_us;
    flow->sample.in_recovery = flow->in_recovery;
    flow->sample.by_timeout = flow->by_timeout;
    if (flow->sample.acked || flow->sample.lost)
        flow->congestion->ops->acked(flow->congestion, &flow->sample);
    if (flow->sample.rtt_us && world->now_us > world->run->mark_us) {
        flow->rtt_sum_us += flow->sample.rtt_us;
        flow->rtts++;
    }
    flow->sample = (struct sctp_sample){0};
}

static void on_sack(struct world *world, struct flow *flow, uint32_t log, uint32_t duplicates)
{
    uint64_t prior = flow->in_flight;
    if ((int32_t)(duplicates - flow->duplicates_seen) > 0) {
        flow->duplicates_seen = duplicates;
        flow->new_duplicates = true;
    }
    while ((int32_t)(log - flow->log_seen) > 0)
        acknowledge(world, flow, flow->log[flow->log_seen++ % RING]);
    after_acknowledging(flow);
    bool any = flow->sample.acked;
    detect(world, flow);
    tell(world, flow, prior);
    if (any)
        arm(world, flow);
    pump(world, flow);
}

static void send_probe(struct world *world, struct flow *flow)
{
    uint32_t item = flow->next_item - 1;
    flow->probing = true;
    flow->result->probes++;
    while (item_of(flow, item)->acked && item != flow->una)
        item--;
    struct packet *packet = packet_of(flow, item_of(flow, item)->packet);
    if (!is_resolved(packet)) {
        packet->flags |= GONE;
        flow->in_flight -= FLOW_SIZE;
    }
    item_of(flow, item)->queued = false;
    transmit(world, flow, item, true);
    flow->probe_us = 0;
    flow->t3_us = world->now_us + time_out_us(flow);
}

static void time_out(struct world *world, struct flow *flow)
{
    flow->result->timeouts++;
    flow->backoff += flow->backoff < BACKOFF_MAX;
    flow->probing = false;
    for (uint32_t i = flow->oldest; i != flow->next; i++)
        if (!is_resolved(packet_of(flow, i)))
            lose(world, flow, i, true);
    flow->in_recovery = flow->by_timeout = true;
    flow->recovery_end = flow->next;
    flow->congestion->ops->timeout(flow->congestion, world->now_us);
    flow->t3_us = world->now_us + time_out_us(flow);
    flow->sample = (struct sctp_sample){0};
    sctp_pacer_reset(&flow->pacer);
}

static void on_timer(struct world *world, struct flow *flow)
{
    uint64_t prior = flow->in_flight, now_us = world->now_us;
    if (flow->rack_us && now_us >= flow->rack_us) {
        detect(world, flow);
        tell(world, flow, prior);
    }
    if (flow->una != flow->next_item) {
        if (flow->probe_us && now_us >= flow->probe_us)
            send_probe(world, flow);
        else if (flow->t3_us && now_us >= flow->t3_us)
            time_out(world, flow);
    }
    pump(world, flow);
}

/* ---- the receiver ---- */

static void send_sack(struct world *world, struct flow *flow)
{
    struct sim_arrival arrivals[2];
    flow->unsaid = 0;
    flow->sack_us = 0;
    unsigned count =
        sim_way_send(&world->ways[!flow->plan->backwards], world->now_us, SACK_SIZE, arrivals);
    uint64_t batch_us = flow->plan->sack_batch_us;
    for (unsigned i = 0; i < count; i++) {
        uint64_t at_us = arrivals[i].at_us;
        if (batch_us)
            at_us = (at_us / batch_us + 1) * batch_us;
        at(world, at_us, SACK, number(world, flow), flow->log_count, flow->duplicates);
    }
}

static void on_data(struct world *world, struct flow *flow, uint32_t item)
{
    bool at_once = true;
    uint32_t before = flow->got_una;
    if ((int32_t)(item - flow->got_una) < 0 || flow->got[item % RING]) {
        flow->duplicates++;
    } else {
        flow->got[item % RING] = 1;
        flow->log[flow->log_count++ % RING] = item;
        flow->bytes += FLOW_SIZE;
        if (world->now_us > world->run->mark_us)
            flow->marked_bytes += FLOW_SIZE;
        if (world->now_us < flow->plan->start_us + FIRST_US)
            flow->result->rate_first += FLOW_SIZE / (FIRST_US / 1e6) / 1e6;
        while (flow->got[flow->got_una % RING])
            flow->got[flow->got_una++ % RING] = 0;
        at_once = flow->got_una - before != 1;
    }
    unsigned every = flow->plan->sack_every ? flow->plan->sack_every : 2;
    flow->unsaid++;
    if (flow->unsaid >= every || (at_once && every == 2)) {
        send_sack(world, flow);
    } else if (!flow->sack_us) {
        flow->sack_us = world->now_us + SACK_US;
        at(world, flow->sack_us, LATE_SACK, number(world, flow), 0, 0);
    }
}

/* ---- the run ---- */

static void say(const struct world *world)
{
    const struct flow *flow = &world->flows[0];
    const struct sctp_congestion *congestion = flow->congestion;
    double floor;
    const char *phase = congestion->ops->phase(congestion, &floor);
    tap_note("%6.2f %-10s window %5u in flight %5u pace %7.2f srtt %6.1f queue %5.1f floor %.4f "
             "lost %u",
             (double)world->now_us / 1e6, phase, (unsigned)(congestion->window / FLOW_SIZE),
             (unsigned)(flow->in_flight / FLOW_SIZE), (double)congestion->pace / 1e6,
             (double)flow->srtt_us / 1e3,
             (double)sim_way_wait(&world->ways[0], world->now_us) / 1e3, floor,
             (unsigned)(flow->rate.lost / FLOW_SIZE));
}

static void look(struct world *world)
{
    if (world->now_us > world->run->mark_us)
        sim_way_look(&world->ways[0], world->now_us);
    if (world->run->is_verbose && world->now_us % SAY_US == 0 && world->flows[0].congestion)
        say(world);
    at(world, world->now_us + LOOK_US, LOOK, 0, 0, 0);
}

static void begin(struct world *world, struct flow *flow)
{
    uint64_t rtt_us = 0; /* of the handshake */
    for (unsigned i = 0; i < 2; i++)
        rtt_us += world->run->line[i].delay_us + 100;
    flow->congestion =
        sctp_congestion_find(flow->plan->congestion)->make(world->now_us, FLOW_SIZE, rtt_us);
    flow->app_us = world->now_us;
    if (flow->plan->app_period_us)
        at(world, world->now_us, APP, number(world, flow), 0, 0);
    pump(world, flow);
}

static void app_writes(struct world *world, struct flow *flow)
{
    flow->app_bytes += flow->plan->app_rate * flow->plan->app_period_us / 1000000;
    at(world, world->now_us + flow->plan->app_period_us, APP, number(world, flow), 0, 0);
    pump(world, flow);
}

static void check(struct world *world, const struct flow *flow)
{
    const struct sctp_congestion *congestion = flow->congestion;
    if (world->run->wrong[0] || !congestion)
        return;
    if (congestion->window < congestion->mss || congestion->quantum < congestion->mss)
        snprintf(world->run->wrong, sizeof world->run->wrong, "window %llu, quantum %u",
                 (unsigned long long)congestion->window, congestion->quantum);
}

static void handle(struct world *world, const struct event *event)
{
    struct flow *flow = &world->flows[event->flow];
    switch (event->kind) {
    case DATA:
        on_data(world, flow, event->a);
        break;
    case SACK:
        on_sack(world, flow, event->a, event->b);
        break;
    case TIMER:
        if (event->at_us == flow->wake_us)
            on_timer(world, flow);
        break;
    case LATE_SACK:
        if (flow->sack_us && world->now_us >= flow->sack_us)
            send_sack(world, flow);
        break;
    case BEGIN:
        begin(world, flow);
        break;
    case LOOK:
        look(world);
        break;
    case APP:
        app_writes(world, flow);
        break;
    }
    check(world, flow);
}

static void make_flow(struct world *world, unsigned i)
{
    struct flow *flow = &world->flows[i];
    flow->plan = &world->run->plans[i];
    flow->result = &world->run->results[i];
    *flow->result = (struct flow_result){0};
    flow->packets = check_alloc(RING * sizeof *flow->packets);
    flow->items = check_alloc(RING * sizeof *flow->items);
    flow->again = check_alloc(RING * sizeof *flow->again);
    flow->log = check_alloc(RING * sizeof *flow->log);
    flow->got = check_alloc(RING);
    flow->mult = 1;
    flow->last_lost = UINT32_MAX - 1;
    uint64_t start_us = flow->plan->start_us + sim_chance(&world->chance, START_US);
    at(world, start_us, BEGIN, i, 0, 0);
}

static void end_flow(struct world *world, struct flow *flow)
{
    const struct flow_run *run = world->run;
    struct flow_result *result = flow->result;
    uint64_t from = flow->plan->start_us > run->mark_us ? flow->plan->start_us : run->mark_us;
    result->rate = (double)flow->marked_bytes / (double)(run->end_us - from);
    if (result->sent) {
        result->repeated = (double)flow->repeats / (double)result->sent;
        result->spurious = (double)flow->spurious / (double)result->sent;
    }
    result->delay_ms = flow->rtts ? (double)flow->rtt_sum_us / (double)flow->rtts / 1e3 : 0;
    result->phase = "";
    if (flow->congestion) {
        result->phase = flow->congestion->ops->phase(flow->congestion, &result->floor);
        free(flow->congestion);
    }
    free(flow->packets);
    free(flow->items);
    free(flow->again);
    free(flow->log);
    free(flow->got);
}

void flow_run(struct flow_run *run)
{
    struct world *world = check_alloc(sizeof *world);
    world->run = run;
    world->chance.state = sim_mix(run->seed);
    world->flows = check_alloc(run->count * sizeof *world->flows);
    for (unsigned i = 0; i < 2; i++) {
        world->ways[i].line = run->line[i];
        world->ways[i].chance = &world->chance;
        world->ways[i].tokens = run->line[i].police_burst * 1000000;
    }
    for (unsigned i = 0; i < run->count; i++)
        make_flow(world, i);
    at(world, LOOK_US, LOOK, 0, 0, 0);
    run->trace = 0;
    run->wrong[0] = '\0';
    while (world->heap[0].at_us <= run->end_us) {
        struct event event = take(world);
        world->now_us = event.at_us;
        handle(world, &event);
    }
    for (unsigned i = 0; i < run->count; i++)
        end_flow(world, &world->flows[i]);
    run->queue_50_ms = sim_way_quantile_ms(&world->ways[0], 0.5);
    run->queue_95_ms = sim_way_quantile_ms(&world->ways[0], 0.95);
    free(world->flows);
    free(world->heap);
    free(world);
}
