/* bench/row.h: prints a figure of the benchmarks of layers: one row of a table that all of them
 * together make (bench/layers has its head). Thread: any. */
#pragma once

#include <stdio.h>

static inline void print_row(const char *layer, const char *what, double value, const char *unit)
{
    int digits = value < 10 ? 2 : value < 100 ? 1 : 0;
    printf("| %s | %s | %.*f | %s |\n", layer, what, digits, value, unit);
    fflush(stdout); /* before a fork */
}
