/* Two ends of many streams in one process, a virtual clock and seeded chance: leases from both
 * sides (so races), early data, half-closes, refusals, resets at any moment, slow readers, delays.
 * Every byte is checked, and at the end everything is idle and given back. Then the same with
 * records broken on the way: they are refused, or harmless, and nothing is lost but the stream. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "mux/credit.h"
#include "mux/stream.h"
#include "tests/lib/tap.h"
#include "tests/sim/mux_plan.h"

#define STREAMS   8
#define QUEUE_MAX 128

struct record {
    struct record *next;
    uint64_t at; /* virtual time when it arrives */
    size_t length;
    uint8_t bytes[];
};

struct end {
    struct mux_stream_events events;
    struct mux_stream *stream;
    struct sim *sim;
    struct end *peer;
    struct record *first, **last; /* on their way to the peer */
    size_t queued;
    uint64_t last_at;
    enum mux_side side;
    uint16_t id;
    /* the lease */
    struct plan plan;
    uint64_t connection, sent, received, unread;
    unsigned leases; /* that counted, since the session began */
    int role;        /* 0 opener, 1 opened */
    bool busy, answer_due, accepted, nudge_due, got_fin, is_hard;
};

struct options {
    uint32_t window_initial[2], window_max[2];
    uint64_t budget;
    uint64_t latency;
    unsigned leases;
    bool is_hostile;
};

struct sim {
    struct options options;
    struct end ends[STREAMS][2];
    struct mux_budget budget;
    uint64_t random, now, bytes, budget_peak;
    unsigned opens, opened, idles[2], races, refusals, resets, wraps, restarts, refused_records;
    unsigned wrong; /* anything that must not be */
};

static uint64_t chance(struct sim *sim, uint64_t below)
{
    sim->random = mix(sim->random);
    return sim->random % below;
}

static void wrong(struct end *end, bool is_wrong, const char *what)
{
    if (!is_wrong || end->sim->options.is_hostile)
        return;
    if (!end->sim->wrong++)
        tap_note("stream %u side %d lease %u: %s", end->id, (int)end->side, end->leases, what);
}

static struct end *end_of(struct mux_stream_events *events)
{
    return container_of(events, struct end, events);
}

static void begin(struct end *end, uint64_t connection, int role)
{
    end->plan = plan_of(connection);
    end->connection = connection;
    end->leases++;
    end->role = role;
    end->sent = end->received = end->unread = 0;
    end->busy = end->nudge_due = true;
    end->answer_due = role == 1;
    end->accepted = end->got_fin = end->is_hard = false;
}

static void on_bound(struct mux_stream_events *events)
{
    (void)events;
}

static void give_up(struct end *end)
{
    end->is_hard = true;
    end->answer_due = end->nudge_due = false;
    end->sim->resets++;
    mux_stream_reset(end->stream, ERR_LOCAL_RESET);
}

static void answer(struct end *end)
{
    end->answer_due = false;
    if (end->plan.refused) {
        end->is_hard = true;
        mux_stream_refuse(end->stream, ERR_CONNECT_REFUSED, "no");
    } else {
        end->accepted = true;
        mux_stream_accept(end->stream);
    }
}

static void on_open(struct mux_stream_events *events, const struct mux_open *open)
{
    struct end *end = end_of(events);
    wrong(end, end->busy, "OPEN in a lease");
    wrong(end, strcmp(open->service, "echo") != 0 || strcmp(open->client, "10.0.0.1:5") != 0,
          "OPEN with other words");
    begin(end, open->connection, 1);
    end->sim->opened++;
    if (chance(end->sim, 2))
        answer(end);
}

static void on_accept(struct mux_stream_events *events)
{
    struct end *end = end_of(events);
    wrong(end, end->is_hard || end->role != 0 || end->accepted, "ACCEPT out of place");
    end->accepted = true;
}

static void on_refuse(struct mux_stream_events *events, enum err why, const char *text)
{
    struct end *end = end_of(events);
    wrong(end, end->is_hard || end->role != 0 || end->accepted, "REFUSE out of place");
    wrong(end, !end->plan.may_reset[1] && (why != ERR_CONNECT_REFUSED || strcmp(text, "no") != 0),
          "REFUSE with other words");
    end->is_hard = true;
    end->sim->refusals++;
}

static void on_lost_race(struct mux_stream_events *events)
{
    struct end *end = end_of(events);
    wrong(end, end->side != MUX_SERVER || end->role != 0 || end->sent || end->received,
          "race lost out of place");
    end->busy = false;
    end->leases--;
    end->sim->races++;
}

static void on_data(struct mux_stream_events *events, const uint8_t *data, size_t length)
{
    struct end *end = end_of(events);
    static uint8_t expected[MUX_RECORD_MAX];
    pattern(expected, length, end->connection, !end->role, end->received);
    wrong(end, memcmp(data, expected, length) != 0, "other bytes");
    wrong(end, end->is_hard || end->got_fin, "DATA out of place");
    end->received += length;
    end->unread += length;
    end->sim->bytes += length;
    wrong(end, end->unread > end->sim->options.window_max[end->side], "more than the window");
    if (end->plan.may_reset[end->role] && !chance(end->sim, 8))
        give_up(end);
    else if (!end->plan.is_slow[end->role]) {
        mux_stream_consumed(end->stream, end->unread);
        end->unread = 0;
    }
}

static void on_fin(struct mux_stream_events *events)
{
    struct end *end = end_of(events);
    wrong(end, end->is_hard || end->got_fin, "FIN out of place");
    wrong(end, end->received != end->plan.size[!end->role], "truncated");
    end->got_fin = true;
    mux_stream_readable(end->stream);
}

static void on_reset(struct mux_stream_events *events, enum err why)
{
    struct end *end = end_of(events);
    wrong(end, end->is_hard || why != ERR_LOCAL_RESET, "RESET out of place");
    end->is_hard = true;
}

static size_t on_fill(struct mux_stream_events *events, uint8_t *to, size_t room, bool *last)
{
    struct end *end = end_of(events);
    const struct plan *plan = &end->plan;
    wrong(end, end->side == MUX_SERVER && end->role == 0 && !end->accepted, "data before ACCEPT");
    wrong(end, end->is_hard || !room, "fill out of place");
    if (plan->waits_for_fin[end->role] && !end->got_fin)
        return 0;
    size_t length = plan->size[end->role] - end->sent;
    if (length > room)
        length = room;
    if (length > 1 && !chance(end->sim, 4)) { /* a source that is empty for now */
        length = 1 + chance(end->sim, length - 1);
        end->nudge_due = true;
    }
    pattern(to, length, end->connection, end->role, end->sent);
    end->sent += length;
    *last = end->sent == plan->size[end->role] && (!length || chance(end->sim, 2));
    if (!*last)
        end->nudge_due = true;
    if (plan->may_reset[end->role] && !chance(end->sim, 16))
        give_up(end);
    return length;
}

static void on_idle(struct mux_stream_events *events)
{
    struct end *end = end_of(events);
    const struct plan *plan = &end->plan;
    wrong(end, !end->busy, "idle without a lease");
    if (end->is_hard)
        wrong(end, !plan->refused && !plan->may_reset[0] && !plan->may_reset[1],
              "reset, unplanned");
    else
        wrong(end, end->sent != plan->size[end->role] || !end->got_fin, "idle before the end");
    end->busy = end->answer_due = end->nudge_due = false;
    end->sim->idles[end->role]++;
    end->sim->wraps += end->leases % 256 == 0;
}

static const struct mux_stream_events callbacks = {
    on_bound, on_open, on_accept, on_refuse, on_lost_race,
    on_data,  on_fin,  on_reset,  on_fill,   on_idle,
};

static void start(struct sim *sim, uint16_t id, enum mux_side side)
{
    const struct options *o = &sim->options;
    struct end *end = &sim->ends[id][side];
    end->events = callbacks;
    end->sim = sim;
    end->peer = &sim->ends[id][!side];
    end->side = side;
    end->id = id;
    end->last = &end->first;
    end->leases = 0;
    struct mux_stream_options options = {
        .side = side,
        .stream = id,
        .windows = {o->window_initial[side] / 2, o->window_initial[side], o->window_max[side]},
        .peer_window = o->window_initial[!side] / 2,
        .budget = &sim->budget,
    };
    memset(options.association, 7, sizeof options.association);
    end->stream = mux_stream_new(&options, &end->events);
}

static struct record *pop(struct end *from)
{
    struct record *record = from->first;
    from->first = record->next;
    if (!from->first)
        from->last = &from->first;
    from->queued--;
    return record;
}

static void stop(struct end *end)
{
    while (end->first)
        free(pop(end));
    mux_stream_free(end->stream);
    end->stream = NULL;
    end->busy = end->answer_due = end->nudge_due = false;
}

static void restart(struct sim *sim, uint16_t id)
{
    stop(&sim->ends[id][0]);
    stop(&sim->ends[id][1]);
    start(sim, id, MUX_CLIENT);
    start(sim, id, MUX_SERVER);
    sim->restarts++;
}

static void drain(struct end *end)
{
    static uint8_t buffer[MUX_RECORD_MAX];
    struct sim *sim = end->sim;
    bool wanted = mux_stream_wants_drain(end->stream);
    size_t capacity = chance(sim, 8) ? sizeof buffer : 512 + chance(sim, 4096);
    size_t length = mux_stream_drain(end->stream, buffer, capacity);
    wrong(end, length && !wanted, "a record that was not announced");
    wrong(end, length > capacity, "a record beyond its capacity");
    if (!length)
        return;
    struct record *record = check_alloc(sizeof *record + length);
    record->length = length;
    memcpy(record->bytes, buffer, length);
    record->at = sim->now + chance(sim, sim->options.latency);
    if (record->at < end->last_at)
        record->at = end->last_at; /* the order of a stream is kept */
    end->last_at = record->at;
    *end->last = record;
    end->last = &record->next;
    end->queued++;
}

enum damage { HARMLESS, REFUSED, UNKNOWN };

/* Breaks a record; REFUSED: no receiver may accept it. */
static enum damage damage(struct sim *sim, struct record *record)
{
    uint8_t *bytes = record->bytes;
    switch (chance(sim, 6)) {
    case 0:
        record->length = chance(sim, record->length);
        return is_whole(bytes, record->length) ? UNKNOWN : REFUSED;
    case 1:
        bytes[0] = (uint8_t)(9 + chance(sim, 247));
        return REFUSED;
    case 2:
        bytes[1] += (uint8_t)(2 + chance(sim, 252));
        return REFUSED;
    case 3:
        bytes[chance(sim, record->length)] ^= (uint8_t)(1U << chance(sim, 8));
        return UNKNOWN;
    case 4:
        for (size_t i = 0; i < record->length; i++)
            bytes[i] = (uint8_t)chance(sim, 256);
        return UNKNOWN;
    default:
        return HARMLESS;
    }
}

static void deliver(struct end *from)
{
    struct sim *sim = from->sim;
    struct record *record = pop(from);
    enum damage harm = HARMLESS;
    unsigned copies = 1;
    if (sim->options.is_hostile && !chance(sim, 30)) {
        harm = damage(sim, record);
        copies = (unsigned)chance(sim, 3);
    }
    enum err e = ERR_OK;
    while (copies-- && !e) {
        e = mux_stream_receive(from->peer->stream, record->bytes, record->length);
        wrong(from->peer, e, err_text(e));
        if (harm == REFUSED && !e)
            sim->wrong++;
    }
    free(record);
    if (e) {
        sim->refused_records++;
        restart(sim, from->id);
    }
}

static void open_lease(struct end *end)
{
    struct sim *sim = end->sim;
    uint64_t connection = mix(sim->random) | 1;
    struct mux_open open = {connection, "echo", "10.0.0.1:5"};
    if (sim->opens >= sim->options.leases || mux_stream_open(end->stream, &open))
        return;
    sim->opens++;
    begin(end, connection, 0);
    if (chance(sim, 2))
        mux_stream_readable(end->stream);
}

static void read_some(struct end *end)
{
    size_t length = 1 + chance(end->sim, end->unread);
    end->unread -= length;
    mux_stream_consumed(end->stream, length);
}

static void step(struct sim *sim)
{
    sim->now++;
    struct end *end = &sim->ends[chance(sim, STREAMS)][chance(sim, 2)];
    if (end->first && end->first->at <= sim->now)
        deliver(end);
    if (end->queued < QUEUE_MAX && chance(sim, 4))
        drain(end);
    if (!end->busy && !chance(sim, 4))
        open_lease(end);
    if (end->answer_due && !chance(sim, 16))
        answer(end);
    if (end->nudge_due && !chance(sim, 4)) {
        end->nudge_due = false;
        mux_stream_readable(end->stream);
    }
    if (end->busy && end->unread && !end->is_hard && !chance(sim, 8))
        read_some(end);
    if (end->busy && !end->is_hard && end->plan.may_reset[end->role] && !chance(sim, 64))
        give_up(end);
    if (sim->options.is_hostile &&
        !chance(sim, 3000)) /* a stream that lost a record may wait for ever */
        restart(sim, end->id);
    uint64_t used = atomic_load(&sim->budget.used);
    if (used > sim->budget_peak)
        sim->budget_peak = used;
}

static bool is_quiet(const struct sim *sim)
{
    for (int i = 0; i < STREAMS * 2; i++) {
        const struct end *end = &sim->ends[i / 2][i % 2];
        if (end->first || end->busy || mux_stream_wants_drain(end->stream))
            return false;
    }
    return true;
}

static struct sim *run(const struct options *options, uint64_t seed, uint64_t steps)
{
    struct sim *sim = check_alloc(sizeof *sim);
    sim->options = *options;
    sim->budget.limit = options->budget;
    sim->random = seed;
    for (uint16_t id = 0; id < STREAMS; id++) {
        start(sim, id, MUX_CLIENT);
        start(sim, id, MUX_SERVER);
    }
    while (sim->now < steps && !sim->wrong && (sim->opens < options->leases || !is_quiet(sim)))
        step(sim);
    return sim;
}

static void check_ends(struct sim *sim)
{
    unsigned idle = 0;
    for (uint16_t id = 0; id < STREAMS; id++) {
        const struct end *pair = sim->ends[id];
        idle += mux_stream_is_idle(pair[0].stream) && mux_stream_is_idle(pair[1].stream) &&
                pair[0].leases == pair[1].leases;
    }
    ok(idle == STREAMS, "all %d streams are idle, with as many leases on both sides", STREAMS);
    ok(sim->opens == sim->options.leases && sim->opened + sim->races == sim->opens,
       "every OPEN arrived or lost its race (%u = %u + %u)", sim->opens, sim->opened, sim->races);
    ok(sim->idles[0] == sim->opened && sim->idles[1] == sim->opened,
       "every lease ended on both sides");
}

static void finish(struct sim *sim)
{
    for (uint16_t id = 0; id < STREAMS; id++) {
        stop(&sim->ends[id][0]);
        stop(&sim->ends[id][1]);
    }
    ok(atomic_load(&sim->budget.used) == 0, "nothing of the budget is left in use");
    free(sim);
}

static void test_leases(uint64_t seed, const struct options *options)
{
    struct sim *sim = run(options, seed, 40000000);
    ok(!sim->wrong, "%u leases, latency %u: every byte and every end is right", sim->opens,
       (unsigned)options->latency);
    check_ends(sim);
    ok(sim->races && sim->refusals && sim->resets && sim->wraps,
       "there were races (%u), refusals (%u), resets (%u), lease numbers that wrapped (%u)",
       sim->races, sim->refusals, sim->resets, sim->wraps);
    /* Promised credit is owed in any case. */
    uint64_t promised = STREAMS * (options->window_initial[0] + options->window_initial[1]) / 2;
    bool may_grow = options->budget > promised && options->latency > 1;
    ok(!may_grow || sim->budget_peak > promised, "windows grew, to %u bytes together at most",
       (unsigned)sim->budget_peak);
    ok(sim->budget_peak <= options->budget + promised, "and never beyond the budget");
    tap_note("%u steps, %u bytes", (unsigned)sim->now, (unsigned)sim->bytes);
    finish(sim);
}

static void test_damage(uint64_t seed)
{
    struct options options = {{4096, 16384}, {65536, 16384}, 1 << 18, 100, 1000000, true};
    struct sim *sim = run(&options, seed, 300000);
    ok(!sim->wrong, "no record that breaks the rules was accepted");
    ok(sim->refused_records > 100 && sim->idles[0] > 100,
       "%u broken records refused between %u leases", sim->refused_records, sim->idles[0]);
    finish(sim);
}

int main(void)
{
    static const struct options cases[] = {
        {{1024, 65536}, {4096, 262144}, 1 << 20, 1, 3000, false},
        {{65536, 4096}, {1 << 20, 65536}, 1 << 22, 50, 4000, false},
        {{16384, 16384}, {1 << 18, 1 << 18}, 1 << 17, 2000, 3000, false},
        {{20000, 1500}, {20000, 1500}, 0, 300, 3000, false},
    };
    uint64_t seed = tap_seed();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        test_leases(mix(seed + i), &cases[i]);
    for (uint64_t i = 0; i < 3; i++)
        test_damage(mix(seed ^ i << 32));
    return tap_done();
}
