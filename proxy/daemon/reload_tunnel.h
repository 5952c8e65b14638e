/* proxy/daemon/reload_tunnel.h: the part of a reload that is one tunnel's: its files are loaded,
 * its peers checked again, its services' rules taken. Thread: main. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/daemon/late.h"

struct config_tunnel;
struct reload_source;
struct tls_credentials;
struct tunnel;
struct watch;

/* The number of times that something was read again, and the results. */
struct reload_record {
    uint64_t done, failed;
    int64_t at;         /* of the last time: wall clock, seconds; 0: never */
    bool is_fine;       /* the last time */
    char failure[1024]; /* of the last failure: why; stays when a later time is fine */
};

struct reload_tunnel {
    struct tunnel *tunnel;
    const struct config_tunnel *config;  /* the newest: its tls group is what counts */
    struct reload_source *source;        /* of config, for reload.c; NULL: the process's own */
    struct tls_credentials *credentials; /* in use; NULL: none could be loaded yet */
    struct late late;
    uint64_t stamp; /* of its files, when they were read; 0: they are to be read again */
    struct reload_record record;
    int64_t told_expired; /* the time that was told; 0: none */
};

/* failure: NULL: it went well. */
void reload_tunnel_note(struct reload_record *record, const char *failure);

void reload_tunnel_init(struct reload_tunnel *self, struct tunnel *tunnel);
void reload_tunnel_fini(struct reload_tunnel *self);

/* Its files, wherever they are. */
void reload_tunnel_watch(const struct reload_tunnel *self, struct watch *watch);

/* Loads its files. Masters from now on use them. Peers of associations are checked again by them: a
 * peer that is not accepted any more is aborted, with the reason for both ends. A client whose own
 * certificate or rules are new renews its masters at once. A tunnel that has not begun begins, if
 * it can. The checks, up to 1 ms for each association, are made here and not on the tunnel's
 * worker. */
void reload_tunnel_load(struct reload_tunnel *self, uint64_t now_us);
/* The same, where a file has changed since the last time, or all. */
void reload_tunnel_update(struct reload_tunnel *self, bool all, uint64_t now_us);

/* A line, once, when a revocation list has expired. Returns in how many seconds to look again. */
int64_t reload_tunnel_check_lists(struct reload_tunnel *self);

/* The rules of its services, of this newer configuration. No worker uses earlier ones afterwards.
 */
void reload_tunnel_take_services(struct reload_tunnel *self, const struct config_tunnel *now);
