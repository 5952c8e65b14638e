#include "base/printable.h"

#include <stddef.h>

static size_t control_length(const unsigned char *at)
{
    if (at[0] < 0x20 || at[0] == 0x7f)
        return 1;
    return at[0] == 0xc2 && at[1] >= 0x80 && at[1] <= 0x9f ? 2 : 0;
}

void printable_make(char *text)
{
    for (char *at = text; *at; at++)
        for (size_t left = control_length((const unsigned char *)at); left; left--)
            at[left - 1] = '?';
}
