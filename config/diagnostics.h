/* config/diagnostics.h: errors and warnings about a configuration, gathered so that one run shows
 * all of them, in the order of the file. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct diagnostics;

/* A place in a file. */
struct place {
    const char *file; /* must stay valid until diagnostics_free */
    unsigned line;    /* from 1; 0: the file as a whole */
};

enum severity { SEVERITY_ERROR, SEVERITY_WARNING };

/* Owns: caller, diagnostics_free. */
struct diagnostics *diagnostics_new(void);
/* NULL is fine. */
void diagnostics_free(struct diagnostics *diagnostics);

/* Adds one line. The text says what is wrong; after "; " what was meant. Control characters in it
 * are shown as '?'. After DIAGNOSTICS_MAX of them the rest is only counted. */
#define DIAGNOSTICS_MAX 200
void diagnostics_add(struct diagnostics *diagnostics, enum severity severity, struct place place,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));

/* True: there is an error in that line already. */
bool diagnostics_has_error(const struct diagnostics *diagnostics, struct place place);

/* The number of errors so far, without warnings. */
size_t diagnostics_errors(const struct diagnostics *diagnostics);

/* Prints all of them, sorted by file (in the order in which files appeared) and line. */
void diagnostics_print(const struct diagnostics *diagnostics, FILE *out);
