/* config/loader.h: the state that the parts of config_load share while one file is loaded. */
#pragma once

#include <stdbool.h>

#include "config/config.h"
#include "config/diagnostics.h"
#include "config/option.h"
#include "config/sources.h"

struct config_setting_t;

/* ERR_OK: the key belongs to the certificate; else a sentence in why. */
typedef enum err (*check_pair_function)(const char *cert, const char *key, char *why,
                                        size_t why_size);

struct loader {
    struct config *config;
    struct diagnostics *diagnostics;
    struct sources *sources;
    const struct config_setting_t *standards; /* defaults: a group for each section */
    void *given;                    /* places of the values that the file gives: of tsearch(3) */
    bool files_may_come;            /* a file that cannot be read is no error */
    check_pair_function check_pair; /* NULL: pairs are not checked */
};

/* Frees the places. */
void loader_clear(struct loader *loader);

/* Notes that the value at field is written at place. */
void loader_set_place(struct loader *loader, const void *field, struct place place);
/* True: the file gives the value at field. False: it is a default. */
bool loader_is_given(const struct loader *loader, const void *field);
/* The place of the value at field; if it is a default, that of `owner`. */
struct place loader_place(const struct loader *loader, const void *field, const void *owner);

/* Adds a diagnostic about the value at field, at its loader_place; severity: ERROR or WARNING. */
#define report(loader, severity, field, owner, ...)                                                \
    diagnostics_add((loader)->diagnostics, SEVERITY_##severity,                                    \
                    loader_place((loader), (field), (owner)), __VA_ARGS__)
