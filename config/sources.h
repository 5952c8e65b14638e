/* config/sources.h: reads the text of a configuration and of the files that it includes ahead of
 * libconfig, because libconfig 1.5 ends the process when an included file is a directory, hangs on
 * a pipe, wraps 4294967296 to 0, joins "a" "b" to "ab" without a word, and reports everything else
 * only as "syntax error". */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>

#include "config/diagnostics.h"

struct sources;

/* Reads file and what it includes (relative to file's directory, as libconfig does). Adds an error
 * for each file that is missing, not a regular file, too large or included too deep, for the first
 * syntax error, and for each number and text that libconfig would change.
 * Owns: caller; sources_free only after the diagnostics are printed (they point to its names). */
struct sources *sources_read(const char *file, struct diagnostics *diagnostics);
/* NULL is fine. */
void sources_free(struct sources *sources);

/* True: every file could be read and libconfig can parse them. It must not see others: its words
 * are fewer, and it loses 64 bytes on an error after a text. */
bool sources_can_be_parsed(const struct sources *sources);

/* The name in messages of a file that libconfig names (included ones relative to the main file's
 * directory). Valid until sources_free. */
const char *sources_name(const struct sources *sources, const char *libconfig_name);

/* Opens a regular file for reading, without waiting for the writer of a pipe. Returns its
 * descriptor, or -1 with the reason in why; status is zero if there is no such file. */
int sources_open(const char *path, struct stat *status, const char **why);
