/* bench/resume/resume.h: `hawser bench resume`: whether children are resumed, and how fast, when
 * many threads make them through many associations at once. Both ends are in this process, each
 * handshake goes over a real transport on loopback and through the code that `hawser run` runs.
 * Beside them, in the same way, children that are full handshakes; and both kinds in memory. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#define BENCH_RESUME_MODES_MAX 8

struct bench_resume_options {
    unsigned children, threads, associations;
    const char
        *modes[BENCH_RESUME_MODES_MAX]; /* "full", "tls13", "psk_ke", "tls12-id", "tls12-ticket" */
    size_t mode_count;                  /* 0: all of them */
    const char *transport;              /* "udp" or "kernel" */
    bool json;
};

/* Returns 0 if all children of all modes were resumed (of mode "full": were full), 1 if not or if
 * something failed, 2 after a line on err about the options. Thread: main. */
int bench_resume_run(const struct bench_resume_options *options, FILE *out, FILE *err);
