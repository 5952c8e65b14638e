/* Makes the words of others harmless. */
#include "base/quote.h"

#include <string.h>

static char harmless(char c)
{
    if (c == '"')
        return '\'';
    return c < ' ' || c > '~' || c == '\\' ? '?' : c;
}

const char *quote_bytes(char *quoted, size_t room, const void *text, size_t length)
{
    const char *bytes = text;
    size_t most = room - QUOTE_ROOM(0), to = 0;
    quoted[to++] = '"';
    for (size_t i = 0; i < length && i < most; i++)
        quoted[to++] = harmless(bytes[i]);
    quoted[to++] = '"';
    quoted[to] = '\0';
    return quoted;
}

const char *quote_text(char *quoted, size_t room, const char *text)
{
    return quote_bytes(quoted, room, text, strlen(text));
}

static size_t control_length(const unsigned char *at)
{
    if (at[0] < 0x20 || at[0] == 0x7f)
        return 1;
    return at[0] == 0xc2 && at[1] >= 0x80 && at[1] <= 0x9f ? 2 : 0;
}

void quote_controls(char *text)
{
    for (char *at = text; *at; at++)
        for (size_t left = control_length((const unsigned char *)at); left; left--)
            at[left - 1] = '?';
}
