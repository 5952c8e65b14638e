/* Tokens of a configuration file. */
#include "config/token.h"

#include <stdio.h>
#include <string.h>

#include "tests/lib/tap.h"

/* The kinds of a text as letters, with what each token holds. */
static const char *cut(const char *text)
{
    static const char letters[] = "!NSBIFP@oc#?";
    static char result[512];
    struct token_reader reader = {text, text, text + strlen(text), {"f", 1}};
    size_t used = 0;
    struct token token;
    result[0] = '\0';
    do {
        token = token_next(&reader);
        used +=
            (size_t)snprintf(result + used, sizeof result - used, "%c%u[%.*s]", letters[token.kind],
                             token.place.line, (int)token.length, token.text);
    } while (token.kind != TOKEN_END);
    return result;
}

static bool is(const char *text, const char *expected)
{
    const char *got = cut(text);
    if (strcmp(got, expected) == 0)
        return true;
    tap_note("got %s", got);
    return false;
}

int main(void)
{
    ok(is("", "!1[]"), "nothing");
    ok(is("a = 1;", "N1[a]P1[=]I1[1]P1[;]!1[]"), "a setting");
    ok(is("a-b_*c", "N1[a-b_*c]!1[]"), "letters of a name");
    ok(is("TRUE false falsey", "B1[TRUE]B1[false]N1[falsey]!1[]"), "booleans");
    ok(is("1 -2 +3 4L 5LL 0x1F 0x1fL", "I1[1]I1[-2]I1[+3]I1[4L]I1[5LL]I1[0x1F]I1[0x1fL]!1[]"),
       "whole numbers");
    ok(is("1.5 .5 5. 1e3 -1.e-3", "F1[1.5]F1[.5]F1[5.]F1[1e3]F1[-1.e-3]!1[]"), "fractions");
    ok(is("1e", "I1[1]N1[e]!1[]") && is("0x", "I1[0]N1[x]!1[]"), "what only begins like a number");
    ok(is("10s", "I1[10]N1[s]!1[]"), "a unit is a name of its own");
    ok(is("\"a\\\"b\" \"\"", "S1[\"a\\\"b\"]S1[\"\"]!1[]"), "strings with escaped quotes");
    ok(is("\"a\nb\" c", "S1[\"a\nb\"]N2[c]!2[]"), "a string over two lines");
    ok(is("\"abc", "o1[\"abc]!1[]") && is("\"abc\\", "o1[\"abc\\]!1[]"), "a string without end");
    ok(is("a\n# x", "N1[a]#2[]!2[]") && is("//", "#1[]!1[]"), "a comment that ends the file");
    ok(is("# x\n// y\n/* z\n */ a", "N4[a]!4[]"), "comments");
    ok(is("a\n/* x\n", "N1[a]c2[]!3[]"), "a comment without end");
    ok(is("@include \"x y\"\na", "@1[x y]N2[a]!2[]"), "an include");
    ok(is("a;\n\t@include\t\"x\"", "N1[a]P1[;]@2[x]!2[]"), "an include after blanks");
    ok(is("a @include \"x\"", "N1[a]?1[@]N1[include]S1[\"x\"]!1[]"), "not in the middle of a line");
    ok(is("@include x", "?1[@]N1[include]N1[x]!1[]"), "an include without quotes");
    ok(is("-", "?1[-]!1[]") && is("$", "?1[$]!1[]"), "characters that mean nothing");
    return tap_done();
}
