/* config/token.h: the words of a configuration file, cut as libconfig 1.5 cuts them. libconfig
 * itself says only "syntax error" and wraps large numbers silently; with this config/syntax.c can
 * say what is wrong. */
#pragma once

#include <stddef.h>

enum token_kind {
    TOKEN_END,
    TOKEN_NAME,
    TOKEN_STRING, /* with its quotes */
    TOKEN_BOOL,
    TOKEN_INTEGER, /* decimal or hexadecimal, perhaps with L */
    TOKEN_FLOAT,
    TOKEN_PUNCTUATION, /* one of = : ; , { } [ ] ( ) */
    TOKEN_INCLUDE,     /* the path between the quotes of an @include line */
    TOKEN_OPEN_STRING, /* a string without end */
    TOKEN_OPEN_COMMENT,
    TOKEN_CUT_COMMENT, /* in the last line, without a newline: libconfig 1.5 refuses it */
    TOKEN_OTHER,       /* a character that means nothing */
};

struct token {
    enum token_kind kind;
    const char *text;
    size_t length;
    unsigned line;
};

struct token_reader {
    const char *at, *end, *start;
    unsigned line; /* from 1 */
};

/* The next token; TOKEN_END again and again at the end. */
struct token token_next(struct token_reader *reader);
