/* One direction of a simulated line: rate, delay, queue, loss, jitter, order. */
#include "tests/sim/line.h"

#include <string.h>

#define BURST_US          200000 /* without a packet: a burst of losses is over */
#define CODEL_TARGET_US   5000
#define CODEL_INTERVAL_US 100000

uint64_t sim_mix(uint64_t value)
{
    value += 0x9e3779b97f4a7c15u;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
    value = (value ^ value >> 27) * 0x94d049bb133111ebu;
    return value ^ value >> 31;
}

uint64_t sim_chance(struct sim_chance *chance, uint64_t below)
{
    chance->state += 0x9e3779b97f4a7c15u;
    return below ? sim_mix(chance->state) % below : 0;
}

bool sim_chance_is(struct sim_chance *chance, double probability)
{
    if (probability <= 0)
        return false;
    return (double)sim_chance(chance, 1u << 30) < probability * (1u << 30);
}

static bool loses(struct sim_way *way, uint64_t now)
{
    const struct sim_line *line = &way->line;
    if (now - way->sent_us > BURST_US)
        way->in_burst = false;
    way->sent_us = now;
    if (line->burst <= 1)
        return sim_chance_is(way->chance, line->loss);
    if (way->in_burst)
        way->in_burst = !sim_chance_is(way->chance, 1 / line->burst);
    else
        way->in_burst =
            sim_chance_is(way->chance, line->loss / line->burst / (1 - line->loss + 1e-9));
    return way->in_burst;
}

static bool is_policed(struct sim_way *way, uint64_t now, size_t size)
{
    const struct sim_line *line = &way->line;
    if (!line->police)
        return false;
    uint64_t most = line->police_burst * 1000000, need = size * 1000000;
    way->tokens += (now - way->tokens_us) * line->police;
    way->tokens_us = now;
    if (way->tokens > most)
        way->tokens = most;
    if (way->tokens < need)
        return true;
    way->tokens -= need;
    return false;
}

static uint64_t square_root(uint64_t value)
{
    uint64_t root = value;
    for (uint64_t next = (value + 1) / 2; next < root; next = (root + value / root) / 2)
        root = next;
    return root;
}

static uint64_t codel_next(uint64_t from, uint32_t count)
{
    return from + CODEL_INTERVAL_US * 1000 / square_root(count * 1000000ull);
}

/* RFC 8289 section 5, asked when a packet that waited so long leaves the queue at that time. As
 * the order of a queue is kept, this is known when it enters. */
static bool codel_drops(struct sim_way *way, uint64_t at, uint64_t waited)
{
    if (waited < CODEL_TARGET_US) {
        way->first_above_us = 0;
        way->dropping = false;
        return false;
    }
    if (!way->first_above_us)
        way->first_above_us = at + CODEL_INTERVAL_US;
    bool may = at >= way->first_above_us;
    if (way->dropping) {
        if (!may || at < way->drop_next_us)
            return false;
        way->drop_count++;
        way->drop_next_us = codel_next(way->drop_next_us, way->drop_count);
        return true;
    }
    if (!may)
        return false;
    bool again = at < way->drop_next_us + 16 * CODEL_INTERVAL_US && way->drop_count > 2;
    way->dropping = true;
    way->drop_count = again ? way->drop_count - 2 : 1;
    way->drop_next_us = codel_next(at, way->drop_count);
    return true;
}

static uint64_t rate_at(const struct sim_line *line, uint64_t now)
{
    bool swung = line->swing_us && now / line->swing_us % 2;
    return swung ? line->swing_rate : line->rate;
}

uint64_t sim_way_wait(const struct sim_way *way, uint64_t now_us)
{
    return way->free_us > now_us ? way->free_us - now_us : 0;
}

/* False: dropped. */
static bool queue_up(struct sim_way *way, uint64_t now, size_t size)
{
    uint64_t wait = sim_way_wait(way, now), rate = rate_at(&way->line, now + wait);
    if (!rate) {
        way->free_us = now;
        return true;
    }
    if ((way->line.queue_us && wait > way->line.queue_us) ||
        (way->line.codel && codel_drops(way, now + wait, wait))) {
        way->full++;
        return false;
    }
    if (!wait) {
        way->free_us = now;
        way->free_part = 0;
    }
    uint64_t work = size * 1000000 + way->free_part;
    way->free_us += work / rate;
    way->free_part = work % rate;
    return true;
}

static uint64_t due(struct sim_way *way)
{
    const struct sim_line *line = &way->line;
    uint64_t at = way->free_us;
    if (line->aggregate_us)
        at = (at / line->aggregate_us + 1) * line->aggregate_us;
    at += line->delay_us;
    if (line->reorder > 0)
        return at + (sim_chance_is(way->chance, line->reorder)
                         ? sim_chance(way->chance, line->jitter_us)
                         : 0);
    if (line->jitter_us)
        at += sim_chance(way->chance, line->jitter_us);
    if (at < way->last_us)
        at = way->last_us;
    way->last_us = at;
    return at;
}

unsigned sim_way_send(struct sim_way *way, uint64_t now_us, size_t size,
                      struct sim_arrival out[static 2])
{
    const struct sim_line *line = &way->line;
    size_t on_wire = size + line->overhead;
    if (line->mtu && size > line->mtu) {
        way->vanished++;
        return 0;
    }
    if (loses(way, now_us) || way->is_cut) {
        way->lost++;
        return 0;
    }
    if (is_policed(way, now_us, on_wire)) {
        way->policed++;
        return 0;
    }
    if (!queue_up(way, now_us, on_wire))
        return 0;
    way->packets++;
    way->bytes += size;
    unsigned count = sim_chance_is(way->chance, line->duplicate) ? 2 : 1;
    for (unsigned i = 0; i < count; i++)
        out[i] = (struct sim_arrival){due(way), sim_chance_is(way->chance, line->corrupt)};
    return count;
}

void sim_way_look(struct sim_way *way, uint64_t now_us)
{
    uint64_t bucket = sim_way_wait(way, now_us) / SIM_QUEUE_BUCKET_US;
    way->waits[bucket < SIM_QUEUE_BUCKETS ? bucket : SIM_QUEUE_BUCKETS - 1]++;
    way->looks++;
}

double sim_way_quantile_ms(const struct sim_way *way, double share)
{
    uint64_t seen = 0;
    for (unsigned i = 0; i < SIM_QUEUE_BUCKETS; i++) {
        seen += way->waits[i];
        if (seen && (double)seen >= share * (double)way->looks)
            return i * (SIM_QUEUE_BUCKET_US / 1000.0);
    }
    return 0;
}

void sim_way_forget(struct sim_way *way)
{
    memset(way->waits, 0, sizeof way->waits);
    way->looks = 0;
}
