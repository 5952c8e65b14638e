/* config/loading.h: what the parts of config_load share while one file is loaded. */
#pragma once

#include <stdbool.h>

#include "config/config.h"
#include "config/diagnostics.h"
#include "config/option.h"
#include "config/sources.h"

struct loading {
    struct config *config;
    struct diagnostics *diagnostics;
    struct sources *sources;
    void *given;         /* where each value that the file gives is written: of tsearch(3) */
    bool files_may_come; /* one that cannot be read is no mistake */
};

/* Frees what it has noted. */
void loading_clear(struct loading *loading);

/* Notes that the value at field is written at place. */
void loading_set_place(struct loading *loading, const void *field, struct place place);
/* Whether the file gives the value at field (else it is a default). */
bool loading_is_given(const struct loading *loading, const void *field);
/* Where it is written; if it is a default, where `owner` is. */
struct place loading_place(const struct loading *loading, const void *field, const void *owner);

/* A problem with the value at field, as loading_place says; kind: ERROR or WARNING. */
#define complain(loading, kind, field, owner, ...)                                                 \
    diagnostics_add((loading)->diagnostics, SEVERITY_##kind,                                       \
                    loading_place((loading), (field), (owner)), __VA_ARGS__)
