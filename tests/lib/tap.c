/* Prints TAP: checks, skips, remarks and the plan. */
#include "tests/lib/tap.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static int checks, failures;

bool tap_ok(bool condition, const char *file, int line, const char *format, ...)
{
    checks++;
    printf("%sok %d - ", condition ? "" : "not ", checks);
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    if (!condition) {
        failures++;
        printf("# failed at %s:%d\n", file, line);
    }
    fflush(stdout);
    return condition;
}

void tap_note(const char *format, ...)
{
    printf("# ");
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    fflush(stdout);
}

void tap_skip(const char *what, const char *why)
{
    printf("ok %d - %s # SKIP %s\n", ++checks, what, why);
    fflush(stdout); /* a child that is forked next would say it again */
}

int tap_done(void)
{
    printf("1..%d\n", checks);
    return failures || !checks ? 1 : 0;
}

unsigned tap_scaled(unsigned count)
{
    const char *text = getenv("SCALE");
    unsigned scale = text ? (unsigned)strtoul(text, NULL, 10) : 1;
    return scale > 1 && count > scale ? count / scale : scale > 1 ? 1 : count;
}

unsigned long tap_seed(void)
{
    const char *text = getenv("SEED");
    unsigned long seed = text ? strtoul(text, NULL, 10) : 1;
    tap_note("SEED=%lu", seed);
    return seed;
}
