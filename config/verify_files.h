/* config/verify_files.h: the files that a configuration names: there, readable, private. */
#pragma once

#include "config/verify.h"

/* ca, cert and key of a tunnel, and that they belong together. */
void verify_files_tls(struct loading *loading, const struct config_tunnel *tunnel,
                      check_pair_function check_pair);

/* Whether the directory of a UNIX socket that is to be made exists (a warning if not: it may be
 * made by whatever starts the program). field: whose place is named. */
void verify_files_socket(struct loading *loading, const char *path, const void *field);
