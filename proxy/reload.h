/* proxy/reload.h: what changes while the process runs: certificates, keys, CAs, revocation lists
 * and the other files of a tunnel's tls group, when they change on disk or SIGHUP comes; and with
 * SIGHUP also the configuration file.
 *
 * What is loaded is for masters from now on. Associations live on, but for those whose peer the new
 * files and rules do not accept: they end with the reason. What cannot be read, or does not fit
 * together, changes nothing, and one line says so.
 *
 * Thread: main, which carries nothing and so may read files; the tunnels are asked where they live.
 */
#pragma once

#include <stdbool.h>

struct process;
struct reload;

/* Begins to watch the files. process, with its tunnels and its loop, outlives it. Owns: caller. */
struct reload *reload_new(struct process *process);
/* While the workers still run. NULL is fine. */
void reload_free(struct reload *reload);

/* Reads everything again, the configuration file first: what needs a restart is named in a line
 * each, and left as it is. */
void reload_now(struct reload *reload);
