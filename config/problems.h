/* config/problems.h: what is wrong with a configuration, gathered so that one run shows every
 * mistake, in the order of the file. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct problems;

/* Where something is written. */
struct place {
    const char *file; /* must stay valid until problems_free */
    unsigned line;    /* from 1; 0: the file as a whole */
};

enum problem_kind { PROBLEM_ERROR, PROBLEM_WARNING };

/* Owns: caller, problems_free. */
struct problems *problems_new(void);
/* NULL is fine. */
void problems_free(struct problems *problems);

/* Keeps one line. The text says what is wrong; after "; " what was meant. Control characters in it
 * are shown as '?'. After PROBLEMS_MAX of them the rest is only counted. */
#define PROBLEMS_MAX 200
void problems_add(struct problems *problems, enum problem_kind kind, struct place place,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Whether an error is kept for that line already. */
bool problems_has_error(const struct problems *problems, struct place place);

/* How many errors so far (warnings do not count). */
size_t problems_errors(const struct problems *problems);

/* Prints all of them, sorted by file (in the order in which files appeared) and line. */
void problems_print(const struct problems *problems, FILE *out);
