/* proxy/daemon/reload.h: changes while the process runs: certificates, keys, CAs, revocation
 * lists and the other files of a tunnel's tls group, when they change on disk or SIGHUP comes; and
 * with SIGHUP also the configuration file.
 *
 * New files are for masters from now on. Associations live on, but for those whose peer the new
 * files and rules do not accept: they end with the reason. A file that cannot be read, or does not
 * fit the others, changes nothing, and one line says so. The keys of Redis
 * (sessions.redis.key_file) are read again, too.
 *
 * A revocation list that expires is one line in the log, once (SECURITY.md: what follows).
 *
 * Thread: main, which carries nothing and so may read files; the tunnels are asked where they live.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/daemon/reload_tunnel.h"

struct process;
struct reload;
struct tunnel;

/* Begins the tunnels, those that cannot begin yet later (proxy/daemon/late.h), and to watch the
 * files. process, with its tunnels and its loop, outlives it. Owns: caller. */
struct reload *reload_new(struct process *process);
/* While the workers still run. NULL is fine. */
void reload_free(struct reload *reload);

/* The number of tunnels that have not begun. */
size_t reload_waiting(const struct reload *reload);

/* Of the configuration file, of the keys of Redis, of a tunnel's files. Valid until the next
 * reload. Thread: main. */
const struct reload_record *reload_of_config(const struct reload *reload);
const struct reload_record *reload_of_store_keys(const struct reload *reload);
const struct reload_record *reload_of_tunnel(const struct reload *reload,
                                             const struct tunnel *tunnel);

/* Reads everything again, the configuration file first: what needs a restart is named in a line
 * each, and left as it is. */
void reload_now(struct reload *reload);
