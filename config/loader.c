/* Places of the values that a file gives. */
#include "config/loader.h"

#include <search.h>
#include <stdlib.h>

#include "base/check.h"

struct given {
    const void *field;
    struct place place;
};

static int compare(const void *left, const void *right)
{
    const char *a = ((const struct given *)left)->field, *b = ((const struct given *)right)->field;
    return a < b ? -1 : a > b;
}

void loader_clear(struct loader *loader)
{
    tdestroy(loader->given, free);
    loader->given = NULL;
}

void loader_set_place(struct loader *loader, const void *field, struct place place)
{
    struct given *one = check_alloc(sizeof *one);
    *one = (struct given){field, place};
    struct given **node = tsearch(one, &loader->given, compare);
    check_made(node);
    if (*node != one) {
        (*node)->place = place;
        free(one);
    }
}

static const struct given *find(const struct loader *loader, const void *field)
{
    struct given *const *node = tfind(&(struct given){.field = field}, &loader->given, compare);
    return field && node ? *node : NULL;
}

bool loader_is_given(const struct loader *loader, const void *field)
{
    return find(loader, field);
}

struct place loader_place(const struct loader *loader, const void *field, const void *owner)
{
    const struct given *found = find(loader, field);
    if (!found)
        found = find(loader, owner);
    return found ? found->place : (struct place){sources_name(loader->sources, NULL), 0};
}
