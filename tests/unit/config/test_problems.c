#include "config/problems.h"

#include <string.h>

#include "base/check.h"
#include "tests/lib/tap.h"

static const char *print(const struct problems *problems)
{
    static char text[65536];
    memset(text, 0, sizeof(text));
    FILE *out = fmemopen(text, sizeof(text) - 1, "w");
    must(out);
    problems_print(problems, out);
    fclose(out);
    return text;
}

int main(void)
{
    struct problems *problems = problems_new();
    ok(problems_errors(problems) == 0 && !*print(problems), "nothing wrong, nothing said");
    problems_add(problems, PROBLEM_ERROR, (struct place){"a", 7}, "late");
    problems_add(problems, PROBLEM_WARNING, (struct place){"b", 1}, "other %s", "file");
    problems_add(problems, PROBLEM_ERROR, (struct place){"a", 2}, "early\n\x1b[31m\xc2\x9b");
    problems_add(problems, PROBLEM_ERROR, (struct place){"a", 7}, "later");
    problems_add(problems, PROBLEM_ERROR, (struct place){"a", 0}, "whole");
    ok(strcmp(print(problems), "a: whole\na:2: early??[31m??\na:7: late\na:7: later\n"
                               "b:1: warning: other file\n") == 0,
       "sorted by file and line, stable, control characters hidden");
    ok(problems_errors(problems) == 4, "warnings are no errors");
    ok(problems_has_error(problems, (struct place){"a", 2}), "an error in that line");
    ok(!problems_has_error(problems, (struct place){"b", 1}), "a warning is none");
    problems_free(problems);

    problems = problems_new();
    for (int i = 0; i < PROBLEMS_MAX + 5; i++)
        problems_add(problems, PROBLEM_ERROR, (struct place){"a", 1}, "%d", i);
    ok(strstr(print(problems), "a:1: 199\n… and 5 more\n"), "bounded, and says so");
    ok(problems_errors(problems) == PROBLEMS_MAX + 5, "all are counted");
    problems_free(problems);
    problems_free(NULL);
    return tap_done();
}
