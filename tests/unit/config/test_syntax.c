/* Syntax errors, each in words. */
#include "config/syntax.h"

#include <stdio.h>
#include <string.h>

#include "tests/lib/tap.h"

/* The errors of a text, one in a line. */
static const char *errors_of(const char *text)
{
    static char said[1024];
    struct token_reader reader = {text, text, text + strlen(text), {"f", 1}};
    struct syntax syntax = {.diagnostics = diagnostics_new()};
    struct token token;
    do {
        token = token_next(&reader);
        syntax_feed(&syntax, &token);
    } while (token.kind != TOKEN_END);
    memset(said, 0, sizeof said);
    FILE *out = fmemopen(said, sizeof said - 1, "w");
    diagnostics_print(syntax.diagnostics, out);
    fclose(out);
    diagnostics_free(syntax.diagnostics);
    return said;
}

static bool is_fine(const char *text)
{
    if (*errors_of(text))
        tap_note("%s", errors_of(text));
    return !*errors_of(text);
}

static bool is_wrong(const char *text, unsigned line, const char *words)
{
    char place[16];
    snprintf(place, sizeof place, "f:%u: ", line);
    const char *errors = errors_of(text);
    if (strncmp(errors, place, strlen(place)) == 0 && strstr(errors, words))
        return true;
    tap_note("%s", errors);
    return false;
}

int main(void)
{
    ok(is_fine("") && is_fine("a = 1; b : \"x\", c = true d = 0.5"), "settings, any separator");
    ok(is_fine("a = { b = [ 1, 2 ]; c = ( { d = 1; }, (), [] ); };"), "nesting");

    ok(is_wrong("a = 1;\ne = ;", 2, "e has no value"), "a missing value");
    ok(is_wrong("a =", 1, "a has no value") && is_wrong("a", 1, "a has no value"),
       "the end instead");
    ok(is_wrong("a\n1", 2, "'=' is missing after a"), "a missing equals sign");
    ok(is_wrong("a = udp;", 1, "udp is not a value; text stands in double quotes: a = \"udp"),
       "missing quotes");
    ok(is_wrong("a = 127.0.0.1:80;", 1, "is not a number; text stands in double quotes"),
       "an address without quotes");
    ok(is_wrong("a = 10s;", 1, "10s: a number stands without its unit"), "a unit");
    ok(is_wrong("a = { b = 1;\n\n", 1, "the '{' of this line is never closed; add '}'"),
       "a bracket left open, named where it opens");
    ok(is_wrong("a = (\n{ b = 1; );", 2,
                "')' found where '}' is missing; it closes the '{' of line 2"),
       "a wrong bracket");
    ok(is_wrong("a = 1; }", 1, "closes nothing"), "a bracket too many");
    ok(is_wrong("a = ( { b = 1; }\n{ b = 2; } )", 1, "a comma or ')' is missing"),
       "a missing comma");
    ok(is_wrong("a = ( 1,\n )", 2, "a comma before ')'"), "a comma too many");
    ok(is_wrong("a = [ { b = 1; } ]", 1, "groups stand in ( … )"), "groups in an array");
    ok(is_wrong("a = [ \"x\"\n\"y\" ];", 2, "put a comma or a semicolon after \"x\""),
       "texts that libconfig would join");
    ok(is_fine("a = 2147483647; b = -2147483648; c = 4294967296L; d = 0x7fffffff;"),
       "numbers that fit");
    ok(is_wrong("\na = 2147483648;", 2, "2147483648 does not fit into 32 bits; write 2147483648L"),
       "a number that libconfig would wrap");
    ok(is_wrong("a = 0xffffffff;", 1, "write 0xffffffffL"), "the same in hexadecimal");
    ok(is_wrong("a = 99999999999999999999L;", 1, "too large a number"), "more than 64 bits");
    char huge[256] = "a = ";
    memset(huge + 4, '9', sizeof huge - 5);
    ok(is_wrong(huge, 1, "too large a number"), "a number of 251 digits");
    ok(is_wrong("a = 1;;", 1, "a second ';'"), "a semicolon too many");
    ok(is_wrong("a = 1;\nb = \"x;\nc = 2;", 2, "no closing quote"), "a text without end");
    ok(is_wrong("a = 1;\nb = \"x;\nc = \"y\";", 2, "runs over several lines"),
       "a missing quote is named in its own line");
    ok(is_wrong("a = 1;\n/* b", 2, "comment"), "a comment without end");
    ok(is_wrong("a = 1;\n# b", 2, "without a newline at its end"), "a comment that ends the file");
    ok(is_wrong("\"a\" = 1;", 1, "found where a setting was expected"), "a quoted key");
    ok(is_wrong("\xef\xbb\xbf"
                "a = 1;",
                1, "byte-order mark"),
       "a byte-order mark");
    ok(is_wrong("a = 1;\n\x01", 2, "byte 0x01"), "an unprintable character");
    char deep[200] = "a = ";
    memset(deep + 4, '(', 100);
    ok(is_wrong(deep, 1, "nested more than 32 deep"), "nesting is bounded");
    return tap_done();
}
