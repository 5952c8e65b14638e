/* tests/tools/latency.h: samples in µs and their percentiles. */
#pragma once

#include <stdint.h>
#include <stdlib.h>

struct latencies {
    float *samples;
    uint64_t count, room;
};

static inline void latency_note(struct latencies *latencies, uint64_t ns)
{
    if (latencies->count == latencies->room) {
        latencies->room = latencies->room ? latencies->room * 2 : 4096;
        latencies->samples = realloc(latencies->samples, latencies->room * sizeof(float));
    }
    latencies->samples[latencies->count++] = (float)ns / 1000.0f;
}

static inline int latency_compare(const void *a, const void *b)
{
    const float *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Before latency_percentile. */
static inline void latency_sort(struct latencies *latencies)
{
    if (latencies->count)
        qsort(latencies->samples, latencies->count, sizeof(float), latency_compare);
}

/* The sample below which `share` (0 to 1) of them lie; 0 when there is none. */
static inline double latency_percentile(const struct latencies *latencies, double share)
{
    if (!latencies->count)
        return 0;
    return (double)latencies->samples[(uint64_t)(share * (double)(latencies->count - 1) + 0.5)];
}
