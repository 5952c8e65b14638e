#include "config/loading.h"

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

void loading_clear(struct loading *loading)
{
    tdestroy(loading->given, free);
    loading->given = NULL;
}

void loading_set_place(struct loading *loading, const void *field, struct place place)
{
    struct given *one = check_alloc(sizeof(*one));
    *one = (struct given){field, place};
    struct given **node = tsearch(one, &loading->given, compare);
    check_made(node);
    if (*node != one) {
        (*node)->place = place;
        free(one);
    }
}

static const struct given *find(const struct loading *loading, const void *field)
{
    struct given *const *node = tfind(&(struct given){.field = field}, &loading->given, compare);
    return field && node ? *node : NULL;
}

bool loading_is_given(const struct loading *loading, const void *field)
{
    return find(loading, field);
}

struct place loading_place(const struct loading *loading, const void *field, const void *owner)
{
    const struct given *found = find(loading, field);
    if (!found)
        found = find(loading, owner);
    return found ? found->place : (struct place){sources_name(loading->sources, NULL), 0};
}
