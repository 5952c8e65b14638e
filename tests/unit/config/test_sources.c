#include "config/sources.h"

#include "tests/lib/tap.h"
#include "tests/unit/config/fixture.h"

static struct fixture fixture;

/* What is said about the text of test.cfg, without the directory's name. */
static const char *say(const char *text, bool *readable)
{
    static char said[8192];
    fixture_write(&fixture, "test.cfg", text);
    struct problems *problems = problems_new();
    struct sources *sources = sources_read(fixture.file, problems);
    *readable = sources_are_readable(sources);
    sources_explain(sources, problems);
    memset(said, 0, sizeof(said));
    FILE *out = fmemopen(said, sizeof(said) - 1, "w");
    must(out);
    problems_print(problems, out);
    fclose(out);
    sources_free(sources);
    problems_free(problems);
    return said;
}

static bool is_readable(const char *text)
{
    bool readable;
    return !*say(text, &readable) && readable;
}

static bool is_unreadable(const char *text, const char *words)
{
    bool readable;
    const char *said = say(text, &readable);
    if (!readable && strstr(said, words))
        return true;
    tap_note("said: %s", said);
    return false;
}

static bool is_warned(const char *text, const char *words)
{
    bool readable;
    const char *said = say(text, &readable);
    if (readable && strstr(said, words))
        return true;
    tap_note("said: %s", said);
    return false;
}

static void test_names(void)
{
    struct problems *problems = problems_new();
    fixture_write(&fixture, "inc.cfg", "b = ;");
    fixture_write(&fixture, "test.cfg", "a = 1;\n@include \"inc.cfg\"\n");
    struct sources *sources = sources_read(fixture.file, problems);
    ok(strcmp(sources_name(sources, fixture.file), fixture.file) == 0, "name of the main file");
    ok(strcmp(sources_name(sources, NULL), fixture.file) == 0, "the main file for want of another");
    char expected[128];
    snprintf(expected, sizeof(expected), "%s/inc.cfg", fixture.directory);
    ok(strcmp(sources_name(sources, "inc.cfg"), expected) == 0, "an included file with its folder");
    ok(sources_explain(sources, problems) && problems_errors(problems) == 1,
       "a syntax error of an included file is explained");
    sources_free(sources);
    problems_free(problems);
}

int main(void)
{
    char path[128], huge[256];
    fixture_init(&fixture);
    fixture_write(&fixture, "fine.cfg", "x = 1;\n");
    snprintf(path, sizeof(path), "%s/pipe", fixture.directory);
    must(mkfifo(path, 0600) == 0);

    ok(is_readable("a = 2147483647; b = -2147483648; c = 4294967296L; d = 0x7fffffff;"),
       "numbers that fit");
    ok(is_readable("@include \"fine.cfg\"\n"), "an included file");
    fixture_write(&fixture, "list.cfg", "{ x = 1; }, { y = 2; }");
    ok(is_readable("a = (\n@include \"list.cfg\"\n, { z = 3; } );"), "one inside a list");
    ok(is_warned("\na = 2147483648;",
                 ":2: 2147483648 does not fit into 32 bits; write 2147483648L"),
       "a number that libconfig would wrap");
    ok(is_warned("a = 0xffffffff;", "write 0xffffffffL"), "the same in hexadecimal");
    ok(is_warned("a = 99999999999999999999L;", "too large a number"), "more than 64 bits");
    memset(huge, '9', sizeof(huge) - 1);
    huge[sizeof(huge) - 1] = '\0';
    memcpy(huge, "a = ", 4);
    ok(is_warned(huge, "too large a number"), "a number of 251 digits");
    ok(is_warned("a = [ \"x\"\n\"y\" ];", "put a comma or a semicolon after \"x\""),
       "texts that libconfig would join");
    ok(is_unreadable("@include \"none.cfg\"\n", ":1: cannot include "), "a missing include");
    ok(is_unreadable("@include \"../\"\n", "not a regular file"), "a directory");
    ok(is_unreadable("@include \"pipe\"\n", "not a regular file"), "a pipe, without waiting");
    ok(is_unreadable("@include \"test.cfg\"\n", "does one include itself?"), "a circle");
    ok(is_unreadable("@include \"/etc/hostname\"\n", "must be relative"), "an absolute path");
    test_names();
    fixture_fini(&fixture);
    return tap_done();
}
