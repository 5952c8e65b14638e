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
