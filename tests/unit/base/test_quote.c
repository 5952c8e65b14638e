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

static bool becomes(const char *text, const char *expected)
{
    char copy[100];
    strcpy(copy, text);
    quote_controls(copy);
    return !strcmp(copy, expected);
}

static void controls(void)
{
    ok(becomes("", "") && becomes("plain ~", "plain ~"), "what is plain stays");
    ok(becomes("a\x1b[2J\n\t\x7f.", "a?[2J???."), "control characters of ASCII do not");
    ok(becomes("a\xc2\x9b"
               "2J\xc2\x80",
               "a??2J??"),
       "nor those of Latin-1 in UTF-8");
    ok(becomes("\xc2\xa0 \xc3\x9b \xe2\x82\xac", "\xc2\xa0 \xc3\x9b \xe2\x82\xac"),
       "other characters of UTF-8 stay");
    ok(becomes("cut\xc2", "cut\xc2"), "also one that is cut off");
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
    controls();
    return tap_done();
}
