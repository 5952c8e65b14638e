/* config/suggestion.h: the known key or word that an unknown one was probably meant to be. */
#pragma once

#include <stddef.h>

#include "config/option.h"

/* Edit distance: insertions, deletions, replacements and swaps of neighbours (Damerau-Levenshtein,
 * each pair of letters swapped at most once) that turn a into b; upper and lower case count as the
 * same. Words longer than 63 letters are far from everything. */
unsigned suggestion_distance(const char *a, const char *b);

/* Keeps the best of several candidates. Zero-initialised except for word. */
struct suggestion {
    const char *word; /* as written by the user */
    const char *best; /* NULL: none is near */
    unsigned distance;
};

/* Offers a candidate: at most 2 mistakes, and fewer than half of the letters. */
void suggestion_offer(struct suggestion *suggestion, const char *candidate);

/* For a key that the section does not have, of this or another section or program: "did you mean
 * remote?", "it belongs in tls = { … }", "known in log: level, format". Returns text. */
const char *suggestion_for_key(enum option_section section, const char *key, char *text,
                               size_t size);
