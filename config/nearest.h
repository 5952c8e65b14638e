/* config/nearest.h: the known word that a misspelt one was probably meant to be. */
#pragma once

/* Insertions, deletions, replacements and swaps of neighbours (Damerau-Levenshtein, each pair of
 * letters swapped at most once) that turn a into b; upper and lower case count as the same.
 * Words longer than 63 letters are far from everything. */
unsigned nearest_distance(const char *a, const char *b);

/* Keeps the best of several candidates. Zero-initialised except for word. */
struct nearest {
    const char *word; /* as written by the user */
    const char *best; /* NULL: none is near */
    unsigned distance;
};

/* Offers a candidate: at most 2 mistakes, and fewer than half of the letters. */
void nearest_offer(struct nearest *nearest, const char *candidate);
