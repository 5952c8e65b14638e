/* config/verify.h: what the options must be together: names unique, addresses free, limits in
 * order, files readable. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config/loading.h"

/* Whether a key belongs to a certificate; a sentence in why otherwise. */
typedef enum err (*check_pair_function)(const char *cert, const char *key, char *why,
                                        size_t why_size);

/* Works out the derived defaults and adds a problem for everything that does not go together. */
void verify_config(struct loading *loading, check_pair_function check_pair);

/* ---- between the files of verify ---- */

/* The files that a tunnel's tls names: there, readable, private; cert and key belong together. */
void verify_files_tls(struct loading *loading, const struct config_tunnel *tunnel,
                      check_pair_function check_pair);
/* Those of sessions. */
void verify_files_sessions(struct loading *loading);
/* Whether the directory of a file that is to be made exists (a warning if not: it may be made by
 * whatever starts the program). what: "the socket"; field: whose place is named. */
void verify_files_directory(struct loading *loading, const char *path, const char *what,
                            const void *field);

/* How much there may be of everything: defaults that depend on others, before what compares them;
 * and limits that others make useless. */
void verify_limits_derive(struct loading *loading, struct config_tunnel *tunnel);
void verify_limits(struct loading *loading, const struct config_tunnel *tunnel);

/* Retransmission time-outs and limits: in order, within dead_after. */
void verify_paths_clock(struct loading *loading, struct config_tunnel *tunnel);
/* local and remote: what one association can have, with this transport. */
void verify_paths_addresses(struct loading *loading, const struct config_tunnel *tunnel);

/* Which options of a tunnel's tls go together: one way to know the peer, versions that have what is
 * asked of them; a default min_version gives way to a lower max_version. */
void verify_tls(struct loading *loading, struct config_tunnel *tunnel);
/* Whether the configuration lets more than one client in, whatever is in the files that it names: a
 * file of keys (known, psk) may hold one or several, which only tls/ can see. At a client: false.
 */
bool verify_tls_admits_several(const struct config_tunnel *tunnel);
/* sessions, once all tunnels are read. */
void verify_tls_sessions(struct loading *loading);
