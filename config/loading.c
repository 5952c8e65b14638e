#include "config/loading.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/check.h"

/* The slot of the field, or the free one where it belongs. Linear probing in a table whose size is
 * a power of two and which is never more than half full. */
static struct loading_slot *slot_of(struct loading_slot *slots, size_t count, const void *field)
{
    uint64_t mixed = (uint64_t)(uintptr_t)field * UINT64_C(0x9e3779b97f4a7c15);
    size_t i = (size_t)(mixed >> 32) & (count - 1);
    while (slots[i].field && slots[i].field != field)
        i = (i + 1) & (count - 1);
    return &slots[i];
}

static void grow(struct loading *loading)
{
    size_t count = loading->slot_count ? 2 * loading->slot_count : 128;
    struct loading_slot *slots = check_alloc(count * sizeof(*slots));
    for (size_t i = 0; i < loading->slot_count; i++)
        if (loading->slots[i].field)
            *slot_of(slots, count, loading->slots[i].field) = loading->slots[i];
    free(loading->slots);
    loading->slots = slots;
    loading->slot_count = count;
}

void loading_clear(struct loading *loading)
{
    free(loading->slots);
    loading->slots = NULL;
    loading->slot_count = loading->slots_used = 0;
}

void loading_set_place(struct loading *loading, const void *field, struct place place)
{
    if (2 * loading->slots_used >= loading->slot_count)
        grow(loading);
    struct loading_slot *slot = slot_of(loading->slots, loading->slot_count, field);
    loading->slots_used += !slot->field;
    *slot = (struct loading_slot){field, place};
}

static const struct loading_slot *find(const struct loading *loading, const void *field)
{
    if (!field || !loading->slot_count)
        return NULL;
    const struct loading_slot *slot = slot_of(loading->slots, loading->slot_count, field);
    return slot->field ? slot : NULL;
}

bool loading_is_given(const struct loading *loading, const void *field)
{
    return find(loading, field);
}

struct place loading_place(const struct loading *loading, const void *field, const void *owner)
{
    const struct loading_slot *found = find(loading, field);
    if (!found)
        found = find(loading, owner);
    return found ? found->place : (struct place){sources_name(loading->sources, NULL), 0};
}
