#include "config/token.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

static bool starts_with(const struct token_reader *reader, const char *text)
{
    size_t length = strlen(text);
    return (size_t)(reader->end - reader->at) >= length && memcmp(reader->at, text, length) == 0;
}

static int peek(const struct token_reader *reader, size_t offset)
{
    return (size_t)(reader->end - reader->at) > offset ? (unsigned char)reader->at[offset] : -1;
}

static void skip_line(struct token_reader *reader)
{
    while (reader->at < reader->end && *reader->at != '\n')
        reader->at++;
}

static struct token make(struct token_reader *reader, enum token_kind kind, size_t length)
{
    struct token token = {kind, reader->at, length, reader->line};
    reader->at += length;
    return token;
}

/* Skips a block comment; false if it has no end. */
static bool skip_block(struct token_reader *reader)
{
    for (reader->at += 2; reader->at < reader->end; reader->at++) {
        if (starts_with(reader, "*/")) {
            reader->at += 2;
            return true;
        }
        reader->line += *reader->at == '\n';
    }
    return false;
}

/* Skips white space and comments; the kind of a comment without end, which begins in comment_line,
 * else TOKEN_END. */
static enum token_kind skip_blank(struct token_reader *reader, unsigned *comment_line)
{
    while (reader->at < reader->end) {
        *comment_line = reader->line;
        if (*reader->at == '#' || starts_with(reader, "//")) {
            skip_line(reader);
            if (reader->at == reader->end)
                return TOKEN_CUT_COMMENT;
        } else if (starts_with(reader, "/*")) {
            if (!skip_block(reader))
                return TOKEN_OPEN_COMMENT;
        } else if (strchr(" \t\r\n\f", *reader->at) && *reader->at) {
            reader->line += *reader->at++ == '\n';
        } else {
            break;
        }
    }
    return TOKEN_END;
}

static struct token read_string(struct token_reader *reader)
{
    struct token token = {TOKEN_OPEN_STRING, reader->at, 0, reader->line};
    for (reader->at++; reader->at < reader->end; reader->at++) {
        if (*reader->at == '"') {
            reader->at++;
            token.kind = TOKEN_STRING;
            break;
        }
        if (*reader->at == '\\' && reader->at + 1 < reader->end)
            reader->at++;
        reader->line += *reader->at == '\n';
    }
    token.length = (size_t)(reader->at - token.text);
    return token;
}

static bool is_name_character(int c)
{
    return c > 0 && (isalnum(c) || strchr("-_*", c));
}

static struct token read_name(struct token_reader *reader)
{
    size_t length = 1;
    while (is_name_character(peek(reader, length)))
        length++;
    bool is_bool = (length == 4 && strncasecmp(reader->at, "true", 4) == 0) ||
                   (length == 5 && strncasecmp(reader->at, "false", 5) == 0);
    return make(reader, is_bool ? TOKEN_BOOL : TOKEN_NAME, length);
}

static size_t digits(const struct token_reader *reader, size_t from)
{
    size_t count = 0;
    while (peek(reader, from + count) > 0 && isdigit(peek(reader, from + count)))
        count++;
    return count;
}

static size_t suffix(const struct token_reader *reader, size_t from)
{
    size_t count = 0;
    while (count < 2 && peek(reader, from + count) == 'L')
        count++;
    return count;
}

static struct token read_hexadecimal(struct token_reader *reader)
{
    size_t length = 2;
    while (peek(reader, length) > 0 && isxdigit(peek(reader, length)))
        length++;
    return make(reader, TOKEN_INTEGER, length + suffix(reader, length));
}

/* The exponent at from: 0 if there is none. */
static size_t exponent(const struct token_reader *reader, size_t from)
{
    if (peek(reader, from) != 'e' && peek(reader, from) != 'E')
        return 0;
    size_t sign = peek(reader, from + 1) == '-' || peek(reader, from + 1) == '+';
    size_t count = digits(reader, from + 1 + sign);
    return count ? 1 + sign + count : 0;
}

static struct token read_number(struct token_reader *reader)
{
    if (peek(reader, 0) == '0' && (peek(reader, 1) | 0x20) == 'x' && peek(reader, 2) > 0 &&
        isxdigit(peek(reader, 2)))
        return read_hexadecimal(reader);
    size_t sign = peek(reader, 0) == '-' || peek(reader, 0) == '+';
    size_t whole = digits(reader, sign), length = sign + whole;
    bool has_point = peek(reader, length) == '.';
    if (has_point)
        length += 1 + digits(reader, length + 1);
    size_t power = exponent(reader, length);
    if (has_point || power)
        return make(reader, TOKEN_FLOAT, length + power);
    if (!whole)
        return make(reader, TOKEN_OTHER, 1);
    return make(reader, TOKEN_INTEGER, length + suffix(reader, length));
}

/* An @include directive stands alone at the start of a line. */
static bool read_include(struct token_reader *reader, struct token *token)
{
    static const char word[] = "@include";
    const char *line = reader->at;
    while (line > reader->start && (line[-1] == ' ' || line[-1] == '\t'))
        line--;
    if (!starts_with(reader, word) || (line > reader->start && line[-1] != '\n'))
        return false;
    size_t skip = sizeof(word) - 1;
    while (peek(reader, skip) == ' ' || peek(reader, skip) == '\t')
        skip++;
    if (skip == sizeof(word) - 1 || peek(reader, skip) != '"')
        return false;
    reader->at += skip;
    *token = read_string(reader);
    if (token->kind == TOKEN_STRING)
        *token = (struct token){TOKEN_INCLUDE, token->text + 1, token->length - 2, token->line};
    return true;
}

struct token token_next(struct token_reader *reader)
{
    unsigned comment_line;
    enum token_kind cut = skip_blank(reader, &comment_line);
    if (cut != TOKEN_END)
        return (struct token){cut, reader->end, 0, comment_line};
    int c = peek(reader, 0);
    struct token token;
    if (c < 0)
        return make(reader, TOKEN_END, 0);
    if (c == '"')
        return read_string(reader);
    if (c == '@' && read_include(reader, &token))
        return token;
    if (c == '*' || isalpha(c))
        return read_name(reader);
    if (c && strchr("+-.0123456789", c))
        return read_number(reader);
    return make(reader, c && strchr("=:;,{}[]()", c) ? TOKEN_PUNCTUATION : TOKEN_OTHER, 1);
}
