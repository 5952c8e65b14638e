/* The known word or key that an unknown one was meant to be. */
#include "config/suggestion.h"

#include <string.h>

#include "tests/lib/tap.h"

static const char *nearest_of(const char *word, const char *a, const char *b)
{
    struct suggestion nearest = {.word = word};
    suggestion_offer(&nearest, a);
    suggestion_offer(&nearest, b);
    return nearest.best;
}

static bool suggests(enum option_section section, const char *key, const char *expected)
{
    char text[512];
    if (strcmp(suggestion_for_key(section, key, text, sizeof text), expected) == 0)
        return true;
    tap_note("%s: %s", key, text);
    return false;
}

static void test_keys(void)
{
    ok(suggests(SECTION_TUNNEL, "remot", "did you mean remote?"), "nearest name");
    ok(suggests(SECTION_TUNNEL, "ca", "it belongs in tls = { … }"), "a key of a group inside");
    ok(suggests(SECTION_ROOT, "level", "it belongs in log = { … }"), "a key of log");
    ok(suggests(SECTION_TUNNEL, "admin", "it belongs at the file's top level"), "a key of the top");
    ok(suggests(SECTION_SERVICE, "backend", "did you mean connect?"), "another program's word");
    ok(suggests(SECTION_LOG, "quux", "known in log: level, format"), "nothing near: what is known");
}

int main(void)
{
    ok(suggestion_distance("remote", "remote") == 0, "equal words");
    ok(suggestion_distance("Remote", "rEMOTE") == 0, "case does not count");
    ok(suggestion_distance("remot", "remote") == 1, "one letter missing");
    ok(suggestion_distance("remmote", "remote") == 1, "one too many");
    ok(suggestion_distance("remite", "remote") == 1, "one replaced");
    ok(suggestion_distance("reomte", "remote") == 1, "neighbours swapped");
    ok(suggestion_distance("", "abc") == 3, "empty word");
    ok(suggestion_distance("local", "remote") > 2, "another word");
    char huge[200];
    memset(huge, 'a', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    ok(suggestion_distance(huge, "a") >= 63, "huge words are far, and do no harm");

    ok(strcmp(nearest_of("lical", "local", "remote"), "local") == 0, "the near one");
    ok(strcmp(nearest_of("streem", "steam", "stream"), "stream") == 0, "the nearer of two");
    ok(!nearest_of("foobar", "local", "remote"), "nothing near");
    ok(!nearest_of("xy", "ca", "key"), "short words must share more than half");
    test_keys();
    return tap_done();
}
