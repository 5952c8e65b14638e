/* config/verify_files.h: the files that a configuration names: there, readable, private. */
#pragma once

#include "config/verify.h"

/* All files of a tunnel's tls, and that cert and key belong together. */
void verify_files_tls(struct loading *loading, const struct config_tunnel *tunnel,
                      check_pair_function check_pair);

/* Those of sessions. */
void verify_files_sessions(struct loading *loading);

/* Whether the directory of a file that is to be made exists (a warning if not: it may be made by
 * whatever starts the program). what: "the socket"; field: whose place is named. */
void verify_files_directory(struct loading *loading, const char *path, const char *what,
                            const void *field);
