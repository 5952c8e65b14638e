#include "config/syntax.h"

#include <string.h>

#include "tests/lib/tap.h"

static struct syntax read_text(const char *text)
{
    struct token_reader reader = {text, text + strlen(text), text, 1};
    struct syntax syntax = {0};
    struct token token;
    do {
        token = token_next(&reader);
        syntax_feed(&syntax, &token);
    } while (token.kind != TOKEN_END);
    return syntax;
}

static bool is_fine(const char *text)
{
    struct syntax syntax = read_text(text);
    if (syntax.error_line)
        tap_note("line %u: %s", syntax.error_line, syntax.error);
    return !syntax.error_line;
}

static bool is_wrong(const char *text, unsigned line, const char *words)
{
    struct syntax syntax = read_text(text);
    if (syntax.error_line == line && strstr(syntax.error, words))
        return true;
    tap_note("line %u: %s", syntax.error_line, syntax.error);
    return false;
}

int main(void)
{
    ok(is_fine("") && is_fine("a = 1; b : \"x\", c = true d = 0.5"), "settings, any separator");
    ok(is_fine("a = { b = [ 1, 2 ]; c = ( { d = 1; }, (), [] ); };"), "nesting");
    ok(is_fine("@include \"x\"\na = {\n@include \"y\"\n};"), "includes");

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
    ok(is_fine("a = \"x\" \"y\"; b = [ \"x\" \"y\" ];"), "texts side by side are joined");
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
