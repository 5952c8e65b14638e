/* tests/lib/tap.h: unit tests print TAP: "ok 1 - what holds", "not ok 2 - …", "1..2". */
#pragma once

#include <stdbool.h>

/* One check; returns what it was given. */
bool tap_ok(bool condition, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
#define ok(condition, ...) tap_ok((condition), __FILE__, __LINE__, __VA_ARGS__)

/* A line that is only a remark. */
void tap_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A check that this machine cannot make: counted and shown, never silent. */
void tap_skip(const char *what, const char *why);

/* A sanitizer has an allocator, and limits of memory, of its own. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define TAP_SANITIZED true
#else
#define TAP_SANITIZED false
#endif

/* Prints the plan; returns the exit code for main: 0 if all held, 1 otherwise. */
int tap_done(void);

/* Number of repetitions: count divided by the environment's SCALE (the sanitizers set it), at
 * least 1. */
unsigned tap_scaled(unsigned count);
/* Seed for random parts: environment SEED, else 1; printed, so that a run can be repeated. */
unsigned long tap_seed(void);
