/* base/printable.h: texts of others on their way to a terminal. */
#pragma once

/* Each byte of a control character becomes '?': those below space, DEL, and in UTF-8 those from
 * U+0080 to U+009F, which a terminal obeys as well (U+009B is ESC and "["). Thread: any. */
void printable_make(char *text);
