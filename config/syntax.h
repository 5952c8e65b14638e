/* config/syntax.h: reports in words what libconfig calls "syntax error": follows its grammar and
 * reports the first token that does not fit. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config/token.h"

#define SYNTAX_NESTING_MAX 32

/* The tokens that may come next; zero: at the start of a file. */
enum syntax_expect {
    EXPECT_NAME,   /* in a group: a setting or the end */
    EXPECT_EQUALS, /* after a name */
    EXPECT_VALUE,  /* after '=' */
    EXPECT_AFTER,  /* in a group: ';' or ',' or what EXPECT_NAME allows */
    EXPECT_FIRST,  /* in a list: an element or the end */
    EXPECT_ELEMENT,
    EXPECT_COMMA, /* in a list: ',' or the end */
};

/* Zero-initialised but for diagnostics. Included files are part of the same stream of tokens, as
 * for libconfig: one may stand for the elements of a list. */
struct syntax {
    struct diagnostics *diagnostics;
    bool has_failed;
    struct token token, before;
    enum syntax_expect expect;
    struct token open[SYNTAX_NESTING_MAX]; /* brackets */
    size_t depth;
    struct token long_text; /* the last text of several lines */
    char name[64];          /* of the last setting */
};

/* Takes the next token; TOKEN_END once, after the main file. Their texts must stay until then.
 * Adds an error for the first token that does not fit (has_failed), and for each number and pair of
 * texts that libconfig would change without a word. */
void syntax_feed(struct syntax *syntax, const struct token *token);
