/* Texts of others, made safe for a terminal. */
#include "base/printable.h"

#include <string.h>

#include "tests/lib/tap.h"

static bool becomes(const char *text, const char *expected)
{
    char copy[100];
    strcpy(copy, text);
    printable_make(copy);
    return !strcmp(copy, expected);
}

int main(void)
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
    return tap_done();
}
