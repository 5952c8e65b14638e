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

/* The state of one file, zero-initialised. */
struct syntax {
    struct token token, before;
    enum syntax_expect expect;
    struct {
        char bracket;
        unsigned line;
    } open[SYNTAX_NESTING_MAX];
    size_t depth;
    struct token long_text; /* the last text of several lines; line 0: none */
    char name[64];          /* of the last setting */
    unsigned error_line;    /* 0: fine so far */
    char error[256];
};

/* Feeds the next token, TOKEN_END last; the texts must stay until then. */
void syntax_feed(struct syntax *syntax, const struct token *token);
