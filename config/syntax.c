/* The grammar of a configuration file, and the words for what does not follow it. */
#include "config/syntax.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The length of what a message shows, for "%.*s". */
static int shown(const struct token *token)
{
    return token->length > 40 ? 40 : (int)token->length;
}

static int first_line(const struct token *token)
{
    return (int)strcspn(token->text, "\n") < shown(token) ? (int)strcspn(token->text, "\n")
                                                          : shown(token);
}

__attribute__((format(printf, 3, 4))) static void fail(struct syntax *s, const struct token *at,
                                                       const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    s->has_failed = true;
    /* A missing quote shows only where the next text begins, perhaps many lines below. */
    if (s->long_text.length)
        diagnostics_add(s->diagnostics, SEVERITY_ERROR, s->long_text.place,
                        "the text that begins with %.*s runs over several lines; is its closing "
                        "quote missing?",
                        first_line(&s->long_text), s->long_text.text);
    else
        diagnostics_add(s->diagnostics, SEVERITY_ERROR, at->place, "%s", text);
}

static bool is_mark(const struct token *token, const char *marks)
{
    return token->kind == TOKEN_PUNCTUATION && strchr(marks, *token->text);
}

static bool is_number(const struct token *token)
{
    return token->kind == TOKEN_INTEGER || token->kind == TOKEN_FLOAT;
}

/* The innermost bracket; NULL at the top level. */
static const struct token *bracket(const struct syntax *s)
{
    return s->depth ? &s->open[s->depth - 1] : NULL;
}

static char closing(const struct token *bracket)
{
    return *bracket->text == '{' ? '}' : *bracket->text == '[' ? ']' : ')';
}

static void open_bracket(struct syntax *s)
{
    if (s->depth == SYNTAX_NESTING_MAX) {
        fail(s, &s->token, "brackets are nested more than %d deep", SYNTAX_NESTING_MAX);
        return;
    }
    s->open[s->depth++] = s->token;
    s->expect = is_mark(&s->token, "{") ? EXPECT_NAME : EXPECT_FIRST;
}

static void after_value(struct syntax *s)
{
    s->expect = s->depth && !is_mark(bracket(s), "{") ? EXPECT_COMMA : EXPECT_AFTER;
}

static void close_bracket(struct syntax *s)
{
    char mark = *s->token.text;
    if (!s->depth) {
        fail(s, &s->token, "'%c' closes nothing; there is one too many", mark);
    } else if (mark != closing(bracket(s))) {
        fail(s, &s->token, "'%c' found where '%c' is missing; it closes the '%c' of line %u", mark,
             closing(bracket(s)), *bracket(s)->text, bracket(s)->place.line);
    } else {
        s->depth--;
        after_value(s);
    }
}

/* A value was expected, but the token is none. */
static void no_value(struct syntax *s)
{
    const struct token *token = &s->token;
    if (token->kind == TOKEN_NAME || token->kind == TOKEN_OTHER)
        fail(s, token, "%.*s is not a value; text stands in double quotes: %s = \"%.*s…\";",
             shown(token), token->text, s->name, shown(token), token->text);
    else if (s->expect == EXPECT_VALUE)
        fail(s, &s->before, "%s has no value; write %s = …;", s->name, s->name);
    else if (is_mark(token, ")]"))
        fail(s, token, "a comma before '%c'; the last element has none after it", *token->text);
    else
        fail(s, token, "an element of the list is missing before '%.*s'", shown(token),
             token->text);
}

static void want_value(struct syntax *s)
{
    const struct token *token = &s->token;
    bool in_array = s->depth && is_mark(bracket(s), "[") && s->expect != EXPECT_VALUE;
    if (s->expect == EXPECT_FIRST && is_mark(token, ")]"))
        close_bracket(s);
    else if (token->kind == TOKEN_STRING || token->kind == TOKEN_BOOL || is_number(token))
        after_value(s);
    else if (is_mark(token, "{[(") && in_array)
        fail(s, token, "'%c' inside [ … ]; groups stand in ( … )", *token->text);
    else if (is_mark(token, "{[("))
        open_bracket(s);
    else
        no_value(s);
}

static bool adjoins(const struct syntax *s)
{
    return s->before.text + s->before.length == s->token.text;
}

/* Something follows a complete value that cannot. */
static void no_end(struct syntax *s)
{
    const struct token *before = &s->before, *token = &s->token;
    if (is_number(before) && adjoins(s) && token->kind == TOKEN_NAME)
        fail(s, token, "%.*s%.*s: a number stands without its unit; write seconds or bytes",
             shown(before), before->text, shown(token), token->text);
    else if (is_number(before) && adjoins(s))
        fail(s, token, "%.*s%.*s… is not a number; text stands in double quotes: %s = \"…\";",
             shown(before), before->text, shown(token), token->text, s->name);
    else if (s->expect == EXPECT_COMMA)
        fail(s, before, "a comma or '%c' is missing after the element", closing(bracket(s)));
    else
        fail(s, before, "a semicolon is missing after the value of %s", s->name);
}

static void want_name(struct syntax *s)
{
    const struct token *token = &s->token;
    unsigned char first = (unsigned char)*token->text;
    if (token->kind == TOKEN_NAME) {
        snprintf(s->name, sizeof s->name, "%.*s", shown(token), token->text);
        s->expect = EXPECT_EQUALS;
    } else if (is_mark(token, "}])")) {
        close_bracket(s);
    } else if (is_mark(token, ";,")) {
        fail(s, token, "a second '%c'; a setting ends with one", first);
    } else if (first == 0xef && token->place.line == 1) {
        fail(s, token, "the file begins with a byte-order mark; save it without one");
    } else if (!isprint(first)) {
        fail(s, token, "byte 0x%02x found where a setting was expected", first);
    } else {
        fail(s, token, "'%.*s' found where a setting was expected; write key = value;",
             shown(token), token->text);
    }
}

/* libconfig joins two texts; check_texts reports them. */
static bool is_joined(const struct syntax *s)
{
    return s->before.kind == TOKEN_STRING && s->token.kind == TOKEN_STRING;
}

static void want_end(struct syntax *s)
{
    bool is_unit = s->token.kind == TOKEN_NAME && is_number(&s->before) && adjoins(s);
    if (is_mark(&s->token, ";,"))
        s->expect = EXPECT_NAME;
    else if (is_mark(&s->token, "}])") || (s->token.kind == TOKEN_NAME && !is_unit))
        want_name(s);
    else if (!is_joined(s))
        no_end(s);
}

static void want_comma(struct syntax *s)
{
    if (is_mark(&s->token, ","))
        s->expect = EXPECT_ELEMENT;
    else if (is_mark(&s->token, ")]}"))
        close_bracket(s);
    else if (!is_joined(s))
        no_end(s);
}

static void at_end(struct syntax *s)
{
    if (s->depth)
        fail(s, bracket(s), "the '%c' of this line is never closed; add '%c'", *bracket(s)->text,
             closing(bracket(s)));
    else if (s->expect == EXPECT_EQUALS || s->expect == EXPECT_VALUE)
        fail(s, &s->before, "%s has no value; write %s = …;", s->name, s->name);
}

static void step(struct syntax *s)
{
    switch (s->expect) {
    case EXPECT_NAME:
        want_name(s);
        break;
    case EXPECT_EQUALS:
        if (is_mark(&s->token, "=:"))
            s->expect = EXPECT_VALUE;
        else
            fail(s, &s->token, "'=' is missing after %s", s->name);
        break;
    case EXPECT_VALUE:
    case EXPECT_FIRST:
    case EXPECT_ELEMENT:
        want_value(s);
        break;
    case EXPECT_AFTER:
        want_end(s);
        break;
    case EXPECT_COMMA:
        want_comma(s);
        break;
    }
}

/* libconfig keeps only the low 32 bits of a number without L. */
static void check_integer(struct syntax *s, const struct token *token)
{
    char digits[64] = "";
    if (token->length < sizeof digits)
        memcpy(digits, token->text, token->length);
    char *end;
    errno = 0;
    long long value = strtoll(digits, &end, strpbrk(digits, "xX") ? 16 : 10);
    if (errno || !digits[0])
        diagnostics_add(s->diagnostics, SEVERITY_ERROR, token->place, "%.*s is too large a number",
                        shown(token), token->text);
    else if (*end != 'L' && (value > INT32_MAX || value < INT32_MIN))
        diagnostics_add(s->diagnostics, SEVERITY_ERROR, token->place,
                        "%s does not fit into 32 bits; write %sL", digits, digits);
}

static void check_texts(struct syntax *s, const struct token *token)
{
    if (s->before.kind == TOKEN_STRING)
        diagnostics_add(s->diagnostics, SEVERITY_ERROR, token->place,
                        "two texts stand side by side; put a comma or a semicolon after %.*s",
                        shown(&s->before), s->before.text);
    if (!s->has_failed && memchr(token->text, '\n', token->length))
        s->long_text = *token;
}

static void parse(struct syntax *s, const struct token *token)
{
    switch (token->kind) {
    case TOKEN_OPEN_STRING:
        fail(s, token, "the text that begins with %.*s has no closing quote", first_line(token),
             token->text);
        break;
    case TOKEN_OPEN_COMMENT:
        fail(s, token, "the comment that begins here is never closed; add */");
        break;
    case TOKEN_CUT_COMMENT:
        fail(s, token, "the last line is a comment without a newline at its end; add one");
        break;
    case TOKEN_END:
        at_end(s);
        break;
    default:
        step(s);
    }
}

void syntax_feed(struct syntax *s, const struct token *token)
{
    if (token->kind == TOKEN_INTEGER)
        check_integer(s, token);
    else if (token->kind == TOKEN_STRING)
        check_texts(s, token);
    s->token = *token;
    if (!s->has_failed)
        parse(s, token);
    s->before = *token;
}
