/* Reading files ahead of libconfig: includes, pipes, large numbers. */
#include "config/sources.h"

#include "tests/lib/tap.h"
#include "tests/unit/config/fixture.h"

static struct fixture fixture;

/* The messages about the text of test.cfg; the result says if libconfig may see it. */
static const char *say(const char *text, bool *can_be_parsed)
{
    static char said[8192];
    fixture_write(&fixture, "test.cfg", text);
    struct diagnostics *diagnostics = diagnostics_new();
    struct sources *sources = sources_read(fixture.file, diagnostics);
    *can_be_parsed = sources_can_be_parsed(sources);
    memset(said, 0, sizeof said);
    FILE *out = fmemopen(said, sizeof said - 1, "w");
    must(out);
    diagnostics_print(diagnostics, out);
    fclose(out);
    sources_free(sources);
    diagnostics_free(diagnostics);
    return said;
}

static bool is_readable(const char *text)
{
    bool can_be_parsed;
    return !*say(text, &can_be_parsed) && can_be_parsed;
}

static bool is_unreadable(const char *text, const char *words)
{
    bool can_be_parsed;
    const char *said = say(text, &can_be_parsed);
    if (!can_be_parsed && strstr(said, words))
        return true;
    tap_note("said: %s", said);
    return false;
}

static void test_names(void)
{
    struct diagnostics *diagnostics = diagnostics_new();
    fixture_write(&fixture, "inc.cfg", "b = ;");
    fixture_write(&fixture, "test.cfg", "a = 1;\n@include \"inc.cfg\"\n");
    struct sources *sources = sources_read(fixture.file, diagnostics);
    ok(strcmp(sources_name(sources, fixture.file), fixture.file) == 0, "name of the main file");
    ok(strcmp(sources_name(sources, NULL), fixture.file) == 0, "the main file for want of another");
    char expected[128];
    snprintf(expected, sizeof expected, "%s/inc.cfg", fixture.directory);
    ok(strcmp(sources_name(sources, "inc.cfg"), expected) == 0, "an included file with its folder");
    ok(diagnostics_has_error(diagnostics, (struct place){expected, 1}),
       "a syntax error of an included file is explained");
    sources_free(sources);
    diagnostics_free(diagnostics);
}

int main(void)
{
    char path[128];
    fixture_init(&fixture);
    fixture_write(&fixture, "fine.cfg", "x = 1;\n");
    snprintf(path, sizeof path, "%s/pipe", fixture.directory);
    must(mkfifo(path, 0600) == 0);

    ok(is_readable("@include \"fine.cfg\"\n"), "an included file");
    fixture_write(&fixture, "list.cfg", "{ x = 1; }, { y = 2; }");
    ok(is_readable("a = (\n@include \"list.cfg\"\n, { z = 3; } );"), "one inside a list");
    ok(is_unreadable("a = 1;\nb = ;", ":2: b has no value"), "a syntax error");
    ok(is_unreadable("@include \"none.cfg\"\n", ":1: cannot include "), "a missing include");
    ok(is_unreadable("@include \"../\"\n", "not a regular file"), "a directory");
    ok(is_unreadable("@include \"pipe\"\n", "not a regular file"), "a pipe, without waiting");
    ok(is_unreadable("@include \"test.cfg\"\n", "does one include itself?"), "a circle");
    ok(is_unreadable("@include \"/etc/hostname\"\n", "must be relative"), "an absolute path");
    test_names();
    fixture_fini(&fixture);
    return tap_done();
}
