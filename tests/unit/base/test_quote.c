/* Words of others, quoted inside our sentences. */
#include "base/quote.h"

#include <stdio.h>
#include <string.h>

#include "base/log_line.h"
#include "tests/lib/tap.h"

/* Texts that would make one line look like two, or a value look like another. */
#define FORGED                                                                                     \
    "x\" peer=admin.example: connection up\n2026-11-30T12:00:00.000Z error: \\\x1b[2J\xc3\xa4"

static void is(const char *text, const char *expected)
{
    char quoted[QUOTE_ROOM(300)];
    ok(!strcmp(quote_text(quoted, sizeof quoted, text), expected), "%s", quoted);
}

static void in_a_line(void)
{
    char quoted[QUOTE_ROOM(300)], sentence[400];
    quote_text(quoted, sizeof quoted, FORGED);
    snprintf(sentence, sizeof sentence, "the peer says %s", quoted);
    struct log_record record = {.level = LOG_WARNING, .message = sentence};
    struct log_line text, json;
    log_line_make(&text, LOG_TEXT, &record);
    log_line_make(&json, LOG_JSON, &record);
    text.bytes[text.length] = json.bytes[json.length] = '\0';
    ok(strchr(text.bytes, '\n') == text.bytes + text.length - 1 && !strchr(text.bytes, '\\') &&
           strchr(text.bytes, '"') && strrchr(text.bytes, '"') == text.bytes + text.length - 2,
       "in a line of text it stays between its quotes");
    ok(strchr(json.bytes, '\n') == json.bytes + json.length - 1 &&
           strstr(json.bytes, "says \\\"x' peer=") && strstr(json.bytes, "\\\"\"}"),
       "in JSON, too");
}

int main(void)
{
    char small[8], smallest[3];
    is("", "\"\"");
    is("plain words, and numbers: 42", "\"plain words, and numbers: 42\"");
    is("a \"quoted\" one", "\"a 'quoted' one\"");
    is("a\nline\\n\t\x1b[31m\x7f\xff", "\"a?line?n??[31m??\"");
    ok(!strcmp(quote_bytes(small, sizeof small, "abcdefgh", 8), "\"abcde\""), "cut, and closed");
    ok(!strcmp(quote_bytes(smallest, sizeof smallest, "abc", 3), "\"\""), "down to nothing");
    ok(!strcmp(quote_bytes(small, sizeof small, "a\0b", 3), "\"a?b\""), "bytes may hold a NUL");
    in_a_line();
    return tap_done();
}
