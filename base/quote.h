/* base/quote.h: words of others inside of our sentences, and on their way to a terminal. Anybody
 * can put anything into an ABORT, a certificate or the answer of a service; between these quotes it
 * cannot look like our own words, nor like a value of the line, in text and in JSON. */
#pragma once

#include <stddef.h>

/* Room for every text of that many bytes. */
#define QUOTE_ROOM(bytes) ((bytes) + 3)

/* Puts length bytes of text into quotes: printable ASCII as it is, a quote as ', all else (also a
 * backslash, which is an escape in a log) as ?. Text that does not fit is cut, the closing quote
 * is always there. room is 3 at least. Returns quoted. Thread: any. */
const char *quote_bytes(char *quoted, size_t room, const void *text, size_t length);

/* The same up to the NUL. */
const char *quote_text(char *quoted, size_t room, const char *text);

/* Each byte of a control character becomes '?': of those below space, DEL, and in UTF-8 of those
 * from U+0080 to U+009F, which a terminal obeys as well (U+009B is ESC and "["). Thread: any. */
void quote_controls(char *text);
