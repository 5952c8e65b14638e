/* The nearest known word to a misspelt one. */
#include "config/nearest.h"

#include <string.h>

#include "tests/lib/tap.h"

static const char *nearest_of(const char *word, const char *a, const char *b)
{
    struct nearest nearest = {.word = word};
    nearest_offer(&nearest, a);
    nearest_offer(&nearest, b);
    return nearest.best;
}

int main(void)
{
    ok(nearest_distance("remote", "remote") == 0, "equal words");
    ok(nearest_distance("Remote", "rEMOTE") == 0, "case does not count");
    ok(nearest_distance("remot", "remote") == 1, "one letter missing");
    ok(nearest_distance("remmote", "remote") == 1, "one too many");
    ok(nearest_distance("remite", "remote") == 1, "one replaced");
    ok(nearest_distance("reomte", "remote") == 1, "neighbours swapped");
    ok(nearest_distance("", "abc") == 3, "empty word");
    ok(nearest_distance("local", "remote") > 2, "another word");
    char huge[200];
    memset(huge, 'a', sizeof(huge) - 1);
    huge[sizeof(huge) - 1] = '\0';
    ok(nearest_distance(huge, "a") >= 63, "huge words are far, and do no harm");

    ok(strcmp(nearest_of("lical", "local", "remote"), "local") == 0, "the near one");
    ok(strcmp(nearest_of("streem", "steam", "stream"), "stream") == 0, "the nearer of two");
    ok(!nearest_of("foobar", "local", "remote"), "nothing near");
    ok(!nearest_of("xy", "ca", "key"), "short words must share more than half");
    return tap_done();
}
