/* base/quote.h: words of somebody else inside a sentence of ours. Anybody can put anything into an
 * ABORT, a certificate or a service's answer; between these quotes it cannot look like what we say,
 * nor like a value of the line, whether the line is text or JSON. */
#pragma once

#include <stddef.h>

/* Room that every text of so many bytes fits. */
#define QUOTE_ROOM(bytes) ((bytes) + 3)

/* Puts length bytes of text into quotes: printable ASCII as it is, a quote as ', all else (also a
 * backslash, which is an escape in a log) as ?. What does not fit is cut, the closing quote is
 * always there. room is 3 at least. Returns quoted. Thread: any. */
const char *quote_bytes(char *quoted, size_t room, const void *text, size_t length);

/* The same up to the NUL. */
const char *quote_text(char *quoted, size_t room, const char *text);
