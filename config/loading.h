/* config/loading.h: what the parts of config_load share while one file is loaded. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"
#include "config/option.h"
#include "config/problems.h"
#include "config/sources.h"

struct loading {
    struct config *config;
    struct problems *problems;
    struct sources *sources;
    struct loading_slot *slots; /* where each value that the file gives is written: a hash table */
    size_t slot_count, slots_used;
    bool files_may_come; /* one that cannot be read is no mistake */
};

struct loading_slot {
    const void *field; /* NULL: free */
    struct place place;
};

/* Frees the table. */
void loading_clear(struct loading *loading);

/* Notes that the value at field is written at place. */
void loading_set_place(struct loading *loading, const void *field, struct place place);
/* Whether the file gives the value at field (else it is a default). */
bool loading_is_given(const struct loading *loading, const void *field);
/* Where it is written; if it is a default, where `owner` is. */
struct place loading_place(const struct loading *loading, const void *field, const void *owner);
