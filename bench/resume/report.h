/* bench/resume/report.h: the report of `hawser bench resume` on one mode. */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "bench/resume/memory.h"
#include "bench/resume/resume.h"

struct json_t;

struct bench_resume_result {
    const char *mode, *words;
    uint64_t resumed, full; /* children, at both ends */
    uint64_t failed;        /* at either */
    double seconds, per_s;  /* of those that were asked for */
    double child_us;        /* processor time of both ends together */
    /* Children that were full handshakes over the same transport in the same run. */
    unsigned base;
    double base_per_s, base_us;
    struct bench_memory_result memory;
};

void bench_resume_print(const struct bench_resume_options *options,
                        const struct bench_resume_result *result, FILE *out);
/* Owns: caller. */
struct json_t *bench_resume_report(const struct bench_resume_options *options,
                                   const struct bench_resume_result *result);
