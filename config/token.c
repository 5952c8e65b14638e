/* The tokens of a configuration file. */
#include "config/token.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define DIGITS     "0123456789"
#define HEX_DIGITS DIGITS "abcdefABCDEF"

static size_t left(const struct token_reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

static struct token cut(struct token_reader *reader, enum token_kind kind, size_t length)
{
    struct token token = {kind, reader->at, length, reader->place};
    for (const char *end = reader->at + length; reader->at < end; reader->at++)
        reader->place.line += *reader->at == '\n';
    return token;
}

/* A comment that has no end gives an empty token at the end of the text. */
static bool skip_comment(struct token_reader *reader, struct token *token)
{
    bool is_block = reader->at[1] == '*';
    const char *end = is_block ? memmem(reader->at + 2, left(reader) - 2, "*/", 2)
                               : memchr(reader->at, '\n', left(reader));
    *token = cut(reader, is_block ? TOKEN_OPEN_COMMENT : TOKEN_CUT_COMMENT,
                 end ? (size_t)(end - reader->at) + 2 * is_block : left(reader));
    token->text = reader->end;
    token->length = 0;
    return end;
}

/* False: token is a comment without end. */
static bool skip_blank(struct token_reader *reader, struct token *token)
{
    for (;;) {
        cut(reader, TOKEN_END, strspn(reader->at, " \t\r\n\f"));
        const char *at = reader->at;
        bool is_comment = *at == '#' || (*at == '/' && (at[1] == '/' || at[1] == '*'));
        if (!is_comment)
            return true;
        if (!skip_comment(reader, token))
            return false;
    }
}

static struct token read_string(struct token_reader *reader)
{
    const char *at = reader->at + 1;
    while (at < reader->end && *at != '"')
        at += *at == '\\' && at + 1 < reader->end ? 2 : 1;
    bool is_closed = at < reader->end;
    return cut(reader, is_closed ? TOKEN_STRING : TOKEN_OPEN_STRING,
               (size_t)(at - reader->at) + is_closed);
}

static struct token read_name(struct token_reader *reader)
{
    size_t length = 1;
    while (isalnum((unsigned char)reader->at[length]) ||
           (reader->at[length] && strchr("-_*", reader->at[length])))
        length++;
    bool is_bool = (length == 4 && strncasecmp(reader->at, "true", 4) == 0) ||
                   (length == 5 && strncasecmp(reader->at, "false", 5) == 0);
    return cut(reader, is_bool ? TOKEN_BOOL : TOKEN_NAME, length);
}

/* 0: there is none. */
static size_t exponent_length(const char *at)
{
    size_t sign = 1 + (at[0] && (at[1] == '-' || at[1] == '+'));
    size_t digits = at[0] == 'e' || at[0] == 'E' ? strspn(at + sign, DIGITS) : 0;
    return digits ? sign + digits : 0;
}

static struct token read_integer(struct token_reader *reader, size_t length)
{
    for (size_t i = 0; i < 2 && reader->at[length] == 'L'; i++)
        length++;
    return cut(reader, TOKEN_INTEGER, length);
}

static struct token read_number(struct token_reader *reader)
{
    const char *at = reader->at;
    if (at[0] == '0' && (at[1] | 0x20) == 'x' && isxdigit((unsigned char)at[2]))
        return read_integer(reader, 2 + strspn(at + 2, HEX_DIGITS));
    size_t sign = *at == '-' || *at == '+';
    size_t whole = strspn(at + sign, DIGITS), length = sign + whole;
    bool has_point = at[length] == '.';
    if (has_point)
        length += 1 + strspn(at + length + 1, DIGITS);
    size_t exponent = exponent_length(at + length);
    if (has_point || exponent)
        return cut(reader, TOKEN_FLOAT, length + exponent);
    return whole ? read_integer(reader, length) : cut(reader, TOKEN_OTHER, 1);
}

/* An @include directive stands alone at the start of a line. */
static bool read_include(struct token_reader *reader, struct token *token)
{
    static const char word[] = "@include";
    const char *line = reader->at, *path = reader->at + sizeof word - 1;
    while (line > reader->start && (line[-1] == ' ' || line[-1] == '\t'))
        line--;
    if (strncmp(reader->at, word, sizeof word - 1) != 0 ||
        (line > reader->start && line[-1] != '\n'))
        return false;
    size_t blank = strspn(path, " \t");
    if (!blank || path[blank] != '"')
        return false;
    cut(reader, TOKEN_END, sizeof word - 1 + blank);
    *token = read_string(reader);
    if (token->kind == TOKEN_STRING)
        *token = (struct token){TOKEN_INCLUDE, token->text + 1, token->length - 2, token->place};
    return true;
}

struct token token_next(struct token_reader *reader)
{
    struct token token;
    if (!skip_blank(reader, &token))
        return token;
    char c = *reader->at;
    if (reader->at == reader->end)
        return cut(reader, TOKEN_END, 0);
    if (c == '"')
        return read_string(reader);
    if (c == '@' && read_include(reader, &token))
        return token;
    if (c == '*' || isalpha((unsigned char)c))
        return read_name(reader);
    if (c && strchr("+-." DIGITS, c))
        return read_number(reader);
    return cut(reader, c && strchr("=:;,{}[]()", c) ? TOKEN_PUNCTUATION : TOKEN_OTHER, 1);
}
