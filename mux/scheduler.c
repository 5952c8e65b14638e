#include "mux/scheduler.h"

enum place { PLACE_NONE, PLACE_FRESH, PLACE_OLD, PLACE_RESTING };

static void list_init(struct scheduler_list *list)
{
    list->first = NULL;
    list->last = &list->first;
}

void scheduler_init(struct scheduler *scheduler)
{
    list_init(&scheduler->fresh);
    list_init(&scheduler->old);
}

static void append(struct scheduler_list *list, struct scheduler_entry *entry, enum place place)
{
    entry->next = NULL;
    entry->link = list->last;
    entry->list = (uint8_t)place;
    *list->last = entry;
    list->last = &entry->next;
}

static struct scheduler_list *list_of(struct scheduler *scheduler,
                                      const struct scheduler_entry *entry)
{
    return entry->list == PLACE_FRESH ? &scheduler->fresh : &scheduler->old;
}

void scheduler_remove(struct scheduler *scheduler, struct scheduler_entry *entry)
{
    if (entry->list == PLACE_NONE)
        return;
    *entry->link = entry->next;
    if (entry->next)
        entry->next->link = entry->link;
    else
        list_of(scheduler, entry)->last = entry->link;
    entry->list = PLACE_NONE;
}

static void move_to_old(struct scheduler *scheduler, struct scheduler_entry *entry,
                        enum place place)
{
    scheduler_remove(scheduler, entry);
    append(&scheduler->old, entry, place);
}

void scheduler_add(struct scheduler *scheduler, struct scheduler_entry *entry)
{
    if (entry->list == PLACE_RESTING)
        entry->list = PLACE_OLD;
    if (entry->list != PLACE_NONE)
        return;
    entry->deficit = SCHEDULER_QUANTUM;
    append(&scheduler->fresh, entry, PLACE_FRESH);
}

struct scheduler_entry *scheduler_next(struct scheduler *scheduler)
{
    for (;;) {
        struct scheduler_entry *entry = scheduler->fresh.first;
        if (!entry)
            entry = scheduler->old.first;
        if (!entry)
            return NULL;
        if (entry->list == PLACE_RESTING) {
            scheduler_remove(scheduler, entry);
        } else if (entry->deficit > 0) {
            return entry;
        } else {
            entry->deficit += SCHEDULER_QUANTUM;
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
    if (has_more)
        return;
    if (entry->deficit <= 0) /* its turn ends here: else it would go to the end twice a round */
        entry->deficit += SCHEDULER_QUANTUM;
    move_to_old(scheduler, entry, PLACE_RESTING);
}
