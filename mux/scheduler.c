/* Deficit round robin: the stream that sends next. */
#include "mux/scheduler.h"

enum place { PLACE_NONE, PLACE_NEW, PLACE_OLD, PLACE_RESTING, PLACE_SPARSE };

void scheduler_init(struct scheduler *scheduler)
{
    TAILQ_INIT(&scheduler->new_flows);
    TAILQ_INIT(&scheduler->old_flows);
    scheduler->sent = 0;
    scheduler->active = 0;
    scheduler->quantum = SCHEDULER_QUANTUM;
}

void scheduler_set_quantum(struct scheduler *scheduler, uint32_t quantum)
{
    scheduler->quantum = quantum < SCHEDULER_QUANTUM ? quantum : SCHEDULER_QUANTUM;
}

static void append(struct scheduler_list *list, struct scheduler_entry *entry, enum place place)
{
    TAILQ_INSERT_TAIL(list, entry, others);
    entry->list = (uint8_t)place;
}

static void put_first(struct scheduler *scheduler, struct scheduler_entry *entry)
{
    TAILQ_INSERT_HEAD(&scheduler->old_flows, entry, others);
    entry->list = PLACE_OLD;
}

static void begin_round(const struct scheduler *scheduler, struct scheduler_entry *entry)
{
    entry->deficit = (int32_t)scheduler->quantum;
    entry->since = scheduler->sent;
}

/* True: all entries have had a turn since this one got its quantum. */
static bool is_round_over(const struct scheduler *scheduler, const struct scheduler_entry *entry)
{
    return scheduler->sent - entry->since >= (scheduler->active + 1) * (uint64_t)scheduler->quantum;
}

/* True: the entry has sent little in its turn, and may go before those that send much. */
static bool is_small(const struct scheduler *scheduler, const struct scheduler_entry *entry)
{
    return entry->deficit + SCHEDULER_SMALL > (int32_t)scheduler->quantum;
}

static bool is_active(const struct scheduler_entry *entry)
{
    return entry->list == PLACE_NEW || entry->list == PLACE_OLD;
}

static void take_out(struct scheduler *scheduler, struct scheduler_entry *entry)
{
    TAILQ_REMOVE(entry->list == PLACE_NEW ? &scheduler->new_flows : &scheduler->old_flows, entry,
                 others);
    entry->list = PLACE_NONE;
}

void scheduler_remove(struct scheduler *scheduler, struct scheduler_entry *entry)
{
    if (entry->list == PLACE_NONE)
        return;
    if (is_active(entry))
        scheduler->active--;
    take_out(scheduler, entry);
}

static void move_to_old(struct scheduler *scheduler, struct scheduler_entry *entry,
                        enum place place)
{
    take_out(scheduler, entry);
    append(&scheduler->old_flows, entry, place);
}

void scheduler_add(struct scheduler *scheduler, struct scheduler_entry *entry)
{
    if (is_active(entry))
        return;
    scheduler->active++;
    if (entry->list == PLACE_RESTING) {
        entry->list = PLACE_OLD;
        return;
    }
    if (entry->list == PLACE_NONE || is_round_over(scheduler, entry))
        begin_round(scheduler, entry);
    if (entry->list != PLACE_NONE)
        take_out(scheduler, entry);
    if (is_small(scheduler, entry))
        append(&scheduler->new_flows, entry, PLACE_NEW);
    else
        put_first(scheduler, entry);
}

struct scheduler_entry *scheduler_next(struct scheduler *scheduler)
{
    for (;;) {
        struct scheduler_entry *entry = TAILQ_FIRST(&scheduler->new_flows);
        if (!entry)
            entry = TAILQ_FIRST(&scheduler->old_flows);
        if (!entry)
            return NULL;
        if (entry->list == PLACE_RESTING || entry->list == PLACE_SPARSE) {
            take_out(scheduler, entry);
        } else if (entry->list == PLACE_NEW && entry->deficit > 0 && !is_small(scheduler, entry)) {
            take_out(scheduler, entry);
            put_first(scheduler, entry);
        } else if (entry->deficit > 0) {
            return entry;
        } else {
            entry->deficit += (int32_t)scheduler->quantum;
            entry->since = scheduler->sent;
            move_to_old(scheduler, entry, PLACE_OLD);
        }
    }
}

void scheduler_sent(struct scheduler *scheduler, struct scheduler_entry *entry, size_t length,
                    bool has_more)
{
    if (entry->list == PLACE_NONE)
        return;
    entry->deficit -= (int32_t)length;
    scheduler->sent += length;
    if (has_more)
        return;
    enum place place = entry->deficit > 0 ? PLACE_SPARSE : PLACE_RESTING;
    if (entry->deficit <= 0) { /* its turn ends here: else it would go to the end twice a round */
        entry->deficit += (int32_t)scheduler->quantum;
        entry->since = scheduler->sent;
    }
    scheduler->active--;
    move_to_old(scheduler, entry, place);
}
