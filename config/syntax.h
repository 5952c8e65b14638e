/* config/syntax.h: says in words what libconfig calls "syntax error": walks along its grammar and
 * keeps the first thing that does not fit. */
#pragma once

#include <stddef.h>

#include "config/token.h"

#define SYNTAX_NESTING_MAX 32

/* What may come next; zero: at the start of a file. */
enum syntax_expect {
    EXPECT_NAME,   /* in a group: a setting or the end */
    EXPECT_EQUALS, /* after a name */
    EXPECT_VALUE,  /* after '=' */
    EXPECT_AFTER,  /* in a group: ';' or ',' or what EXPECT_NAME allows */
    EXPECT_FIRST,  /* in a list: an element or the end */
    EXPECT_ELEMENT,
    EXPECT_COMMA, /* in a list: ',' or the end */
};

/* Zero-initialised. Included files are part of the same stream of tokens, as for libconfig: one may
 * stand for the elements of a list. */
struct syntax {
    const char *file; /* that the next token comes from: set by the caller */
    struct token token, before;
    enum syntax_expect expect;
    struct {
        char bracket;
        unsigned line;
        const char *file;
    } open[SYNTAX_NESTING_MAX];
    size_t depth;
    struct token long_text; /* the last text of several lines; line 0: none */
    char name[64];          /* of the last setting */
    unsigned error_line;    /* 0: fine so far */
    const char *error_file;
    char error[256];
};

/* Feeds the next token; TOKEN_END once, after the main file. Texts must stay until then. */
void syntax_feed(struct syntax *syntax, const struct token *token);
