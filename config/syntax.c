#include "config/syntax.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int shown(const struct token *token)
{
    return token->length > 40 ? 40 : (int)token->length;
}

static int first_line(const struct token *token)
{
    int length = 0;
    while (length < shown(token) && token->text[length] != '\n')
        length++;
    return length;
}

static void fail(struct syntax *s, unsigned line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void fail(struct syntax *s, unsigned line, const char *format, ...)
{
    if (s->error_line)
        return;
    s->error_file = s->file;
    /* A missing quote shows only where the next text begins, perhaps many lines below. */
    if (s->long_text.line) {
        s->error_line = s->long_text.line;
        snprintf(s->error, sizeof(s->error),
                 "the text that begins with %.*s runs over several lines; is its closing quote "
                 "missing?",
                 first_line(&s->long_text), s->long_text.text);
        return;
    }
    s->error_line = line;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(s->error, sizeof(s->error), format, arguments);
    va_end(arguments);
}

static bool is_mark(const struct token *token, const char *marks)
{
    return token->kind == TOKEN_PUNCTUATION && strchr(marks, *token->text);
}

static char closing(char bracket)
{
    return bracket == '{' ? '}' : bracket == '[' ? ']' : ')';
}

static void opened(struct syntax *s)
{
    if (s->depth == SYNTAX_NESTING_MAX) {
        fail(s, s->token.line, "brackets are nested more than %d deep", SYNTAX_NESTING_MAX);
        return;
    }
    s->open[s->depth].bracket = *s->token.text;
    s->open[s->depth].line = s->token.line;
    s->open[s->depth].file = s->file;
    s->depth++;
    s->expect = *s->token.text == '{' ? EXPECT_NAME : EXPECT_FIRST;
}

static void after_value(struct syntax *s)
{
    s->expect = s->depth && s->open[s->depth - 1].bracket != '{' ? EXPECT_COMMA : EXPECT_AFTER;
}

static void closed(struct syntax *s)
{
    char mark = *s->token.text;
    if (!s->depth) {
        fail(s, s->token.line, "'%c' closes nothing; there is one too many", mark);
        return;
    }
    char wanted = closing(s->open[s->depth - 1].bracket);
    if (mark != wanted) {
        fail(s, s->token.line, "'%c' found where '%c' is missing; it closes the '%c' of line %u",
             mark, wanted, s->open[s->depth - 1].bracket, s->open[s->depth - 1].line);
        return;
    }
    s->depth--;
    after_value(s);
}

static bool is_scalar(const struct token *token)
{
    return token->kind == TOKEN_STRING || token->kind == TOKEN_BOOL ||
           token->kind == TOKEN_INTEGER || token->kind == TOKEN_FLOAT;
}

/* A value was wanted, but this is none. */
static void no_value(struct syntax *s)
{
    const struct token *token = &s->token;
    if (token->kind == TOKEN_NAME || token->kind == TOKEN_OTHER)
        fail(s, token->line, "%.*s is not a value; text stands in double quotes: %s = \"%.*s…\";",
             shown(token), token->text, s->name, shown(token), token->text);
    else if (s->expect == EXPECT_VALUE)
        fail(s, s->before.line, "%s has no value; write %s = …;", s->name, s->name);
    else if (is_mark(token, ")]"))
        fail(s, token->line, "a comma before '%c'; the last element has none after it",
             *token->text);
    else
        fail(s, token->line, "an element of the list is missing before '%.*s'", shown(token),
             token->text);
}

static void want_value(struct syntax *s)
{
    bool in_array = s->depth && s->open[s->depth - 1].bracket == '[' && s->expect != EXPECT_VALUE;
    if (s->expect == EXPECT_FIRST && is_mark(&s->token, ")]"))
        closed(s);
    else if (is_scalar(&s->token))
        after_value(s);
    else if (is_mark(&s->token, "{[(") && in_array)
        fail(s, s->token.line, "'%c' inside [ … ]; groups stand in ( … )", *s->token.text);
    else if (is_mark(&s->token, "{[("))
        opened(s);
    else
        no_value(s);
}

/* After a complete value something follows that cannot. */
static void no_end(struct syntax *s)
{
    const struct token *before = &s->before, *token = &s->token;
    bool adjoining = before->text + before->length == token->text;
    bool is_number = before->kind == TOKEN_INTEGER || before->kind == TOKEN_FLOAT;
    if (is_number && adjoining && token->kind == TOKEN_NAME)
        fail(s, token->line, "%.*s%.*s: a number stands without its unit; write seconds or bytes",
             shown(before), before->text, shown(token), token->text);
    else if (is_number && adjoining)
        fail(s, token->line, "%.*s%.*s… is not a number; text stands in double quotes: %s = \"…\";",
             shown(before), before->text, shown(token), token->text, s->name);
    else if (s->expect == EXPECT_COMMA)
        fail(s, before->line, "a comma or '%c' is missing after the element",
             closing(s->open[s->depth - 1].bracket));
    else
        fail(s, before->line, "a semicolon is missing after the value of %s", s->name);
}

static void want_name(struct syntax *s)
{
    const struct token *token = &s->token;
    if (token->kind == TOKEN_NAME) {
        snprintf(s->name, sizeof(s->name), "%.*s", shown(token), token->text);
        s->expect = EXPECT_EQUALS;
    } else if (is_mark(token, "}])")) {
        closed(s);
    } else if (is_mark(token, ";,")) {
        fail(s, token->line, "a second '%c'; a setting ends with one", *token->text);
    } else if (token->length >= 1 && (unsigned char)*token->text == 0xef && token->line == 1) {
        fail(s, 1, "the file begins with a byte-order mark; save it without one");
    } else if (!isprint((unsigned char)*token->text)) {
        fail(s, token->line, "byte 0x%02x found where a setting was expected",
             (unsigned char)*token->text);
    } else {
        fail(s, token->line, "'%.*s' found where a setting was expected; write key = value;",
             shown(token), token->text);
    }
}

/* libconfig joins two texts; that they stand side by side is reported for itself. */
static bool is_joined(const struct syntax *s)
{
    return s->before.kind == TOKEN_STRING && s->token.kind == TOKEN_STRING;
}

static void want_end(struct syntax *s)
{
    const struct token *before = &s->before, *token = &s->token;
    bool number = before->kind == TOKEN_INTEGER || before->kind == TOKEN_FLOAT;
    if (is_mark(token, ";,"))
        s->expect = EXPECT_NAME;
    else if (is_mark(token, "}])") || (token->kind == TOKEN_NAME &&
                                       !(number && before->text + before->length == token->text)))
        want_name(s);
    else if (!is_joined(s))
        no_end(s);
}

static void want_comma(struct syntax *s)
{
    if (is_mark(&s->token, ","))
        s->expect = EXPECT_ELEMENT;
    else if (is_mark(&s->token, ")]}"))
        closed(s);
    else if (!is_joined(s))
        no_end(s);
}

static void at_end(struct syntax *s)
{
    if (s->depth)
        s->file = s->open[s->depth - 1].file;
    if (s->depth)
        fail(s, s->open[s->depth - 1].line, "the '%c' of this line is never closed; add '%c'",
             s->open[s->depth - 1].bracket, closing(s->open[s->depth - 1].bracket));
    else if (s->expect == EXPECT_EQUALS || s->expect == EXPECT_VALUE)
        fail(s, s->before.line, "%s has no value; write %s = …;", s->name, s->name);
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
            fail(s, s->token.line, "'=' is missing after %s", s->name);
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

void syntax_feed(struct syntax *s, const struct token *token)
{
    if (s->error_line)
        return;
    s->token = *token;
    if (token->kind == TOKEN_STRING && memchr(token->text, '\n', token->length))
        s->long_text = *token;
    switch (token->kind) {
    case TOKEN_OPEN_STRING:
        fail(s, token->line, "the text that begins with %.*s has no closing quote",
             first_line(token), token->text);
        break;
    case TOKEN_OPEN_COMMENT:
        fail(s, token->line, "the comment that begins here is never closed; add */");
        break;
    case TOKEN_CUT_COMMENT:
        fail(s, token->line, "the last line is a comment without a newline at its end; add one");
        break;
    case TOKEN_END:
        at_end(s);
        break;
    case TOKEN_INCLUDE:
        return;
    default:
        step(s);
    }
    s->before = *token;
}
