/* config/sources.h: reads the text of a configuration and of the files that it includes ahead of
 * libconfig, because libconfig 1.5 ends the process when an included file is a directory, hangs on
 * a pipe, wraps 4294967296 to 0 and joins "a" "b" to "ab" without a word, and says of everything
 * else only "syntax error". */
#pragma once

#include <stdbool.h>

#include "config/problems.h"

struct sources;

/* Reads file and what it includes (relative to file's directory, as libconfig does). Adds an error
 * for each file that is missing, not a regular file, too large or included too deep, each number
 * that does not fit, and texts without a comma between them.
 * Owns: caller; sources_free only after the problems are printed (they point to its names). */
struct sources *sources_read(const char *file, struct problems *problems);
/* NULL is fine. */
void sources_free(struct sources *sources);

/* Whether every file could be read. */
bool sources_are_readable(const struct sources *sources);

/* Adds the first syntax error in words; false if none was seen. libconfig is not let loose on such
 * a file: it says less, and loses 64 bytes on an error after a text. */
bool sources_explain(const struct sources *sources, struct problems *problems);

/* How messages name a file that libconfig names (included ones relative to the main file's
 * directory). Valid until sources_free. */
const char *sources_name(const struct sources *sources, const char *libconfig_name);
