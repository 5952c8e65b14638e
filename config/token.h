/* config/token.h: cuts a configuration file into tokens, as libconfig 1.5 does. libconfig itself
 * reports only "syntax error"; with the tokens config/syntax.c reports what is wrong. */
#pragma once

#include <stddef.h>

#include "config/diagnostics.h"

enum token_kind {
    TOKEN_END,
    TOKEN_NAME,
    TOKEN_STRING, /* with its quotes */
    TOKEN_BOOL,
    TOKEN_INTEGER, /* decimal or hexadecimal, perhaps with L */
    TOKEN_FLOAT,
    TOKEN_PUNCTUATION,  /* one of = : ; , { } [ ] ( ) */
    TOKEN_INCLUDE,      /* the path between the quotes of an @include line */
    TOKEN_OPEN_STRING,  /* a string without end */
    TOKEN_OPEN_COMMENT, /* empty, like the next one */
    TOKEN_CUT_COMMENT,  /* in the last line, without a newline: libconfig 1.5 refuses it */
    TOKEN_OTHER,        /* a character that means nothing */
};

struct token {
    enum token_kind kind;
    const char *text;
    size_t length;
    struct place place;
};

/* At first start = at: the text, with a NUL at end. */
struct token_reader {
    const char *start, *at, *end;
    struct place place; /* of at */
};

/* The next token; TOKEN_END again and again at the end. */
struct token token_next(struct token_reader *reader);
