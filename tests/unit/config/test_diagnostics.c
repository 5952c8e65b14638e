/* Errors and warnings, in the order of the file. */
#include "config/diagnostics.h"

#include <string.h>

#include "base/check.h"
#include "tests/lib/tap.h"

static const char *print(const struct diagnostics *diagnostics)
{
    static char text[65536];
    memset(text, 0, sizeof text);
    FILE *out = fmemopen(text, sizeof text - 1, "w");
    must(out);
    diagnostics_print(diagnostics, out);
    fclose(out);
    return text;
}

int main(void)
{
    struct diagnostics *diagnostics = diagnostics_new();
    ok(diagnostics_errors(diagnostics) == 0 && !*print(diagnostics), "nothing wrong, nothing said");
    diagnostics_add(diagnostics, SEVERITY_ERROR, (struct place){"a", 7}, "late");
    diagnostics_add(diagnostics, SEVERITY_WARNING, (struct place){"b", 1}, "other %s", "file");
    diagnostics_add(diagnostics, SEVERITY_ERROR, (struct place){"a", 2}, "early\n\x1b[31m\xc2\x9b");
    diagnostics_add(diagnostics, SEVERITY_ERROR, (struct place){"a", 7}, "later");
    diagnostics_add(diagnostics, SEVERITY_ERROR, (struct place){"a", 0}, "whole");
    ok(strcmp(print(diagnostics), "a: whole\na:2: early??[31m??\na:7: late\na:7: later\n"
                                  "b:1: warning: other file\n") == 0,
       "sorted by file and line, stable, control characters hidden");
    ok(diagnostics_errors(diagnostics) == 4, "warnings are no errors");
    ok(diagnostics_has_error(diagnostics, (struct place){"a", 2}), "an error in that line");
    ok(!diagnostics_has_error(diagnostics, (struct place){"b", 1}), "a warning is none");
    diagnostics_free(diagnostics);

    diagnostics = diagnostics_new();
    for (int i = 0; i < DIAGNOSTICS_MAX + 5; i++)
        diagnostics_add(diagnostics, SEVERITY_ERROR, (struct place){"a", 1}, "%d", i);
    ok(strstr(print(diagnostics), "a:1: 199\n… and 5 more\n"), "bounded, and says so");
    ok(diagnostics_errors(diagnostics) == DIAGNOSTICS_MAX + 5, "all are counted");
    diagnostics_free(diagnostics);
    diagnostics_free(NULL);
    return tap_done();
}
