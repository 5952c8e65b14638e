/* The part of a reload that is one tunnel's. */
#include "proxy/daemon/reload_tunnel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/daemon/watch.h"
#include "proxy/link/link.h"
#include "proxy/tunnel/credentials.h"
#include "proxy/tunnel/tunnel.h"
#include "tls/client_cache.h"

/* Timers count monotonic time, lists expire by the wall clock, and that may jump. */
#define LOOK_S 600

void reload_tunnel_note(struct reload_record *record, const char *failure)
{
    record->at = time(NULL);
    record->is_fine = !failure;
    if (!failure) {
        record->done++;
        return;
    }
    record->failed++;
    snprintf(record->failure, sizeof record->failure, "%s", failure);
}

/* ---- its files ---- */

static void each_file(const struct reload_tunnel *self,
                      void (*what)(void *argument, const char *path), void *argument)
{
    const struct config_tls *tls = &self->config->tls;
    const char *paths[] = {tls->ca,     tls->crl,   tls->cert, tls->key,
                           tls->staple, tls->known, tls->psk,  tls->resume.ticket_key_file};
    size_t listed = 0;
    const char *const *files =
        self->credentials ? tls_credentials_files(self->credentials, &listed) : NULL;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        if (paths[i])
            what(argument, paths[i]);
    for (size_t i = 0; i < listed; i++)
        what(argument, files[i]);
}

static size_t count_files(const struct reload_tunnel *self)
{
    size_t count = 0;
    if (self->credentials)
        tls_credentials_files(self->credentials, &count);
    return count;
}

static void add_watch(void *watch, const char *path)
{
    watch_add(watch, path);
}

static void add_stamp(void *stamp, const char *path)
{
    uint64_t *sum = stamp;
    *sum = *sum * 31 + watch_stamp(path);
}

static uint64_t stamp_of(const struct reload_tunnel *self)
{
    uint64_t stamp = 0;
    each_file(self, add_stamp, &stamp);
    return stamp;
}

void reload_tunnel_watch(const struct reload_tunnel *self, struct watch *watch)
{
    each_file(self, add_watch, watch);
}

int64_t reload_tunnel_check_lists(struct reload_tunnel *self)
{
    char list[512], date[32];
    if (!self->credentials)
        return LOOK_S;
    struct tm parts;
    int64_t now = time(NULL),
            until = tls_credentials_lists_until(self->credentials, list, sizeof list);
    if (now <= until)
        return until - now < LOOK_S ? until - now + 1 : LOOK_S;
    if (until != self->told_expired) {
        strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S UTC", gmtime_r(&(time_t){until}, &parts));
        log_write(LOG_ERROR, LOG_ABOUT(.tunnel = self->tunnel->config->name),
                  "the revocation list of the CA %s expired on %s: its certificates are not "
                  "accepted until there is a newer list; open associations go on",
                  list, date);
        self->told_expired = until;
    }
    return LOOK_S;
}

/* ---- peers, by new credentials ---- */

/* One association's peer. A link may go while its peer is checked, and another take its memory; an
 * identity stays while it is held here. */
struct peer {
    struct tls_identity *identity;
    enum err why; /* ERR_OK: still accepted */
    char detail[512];
};

struct change {
    struct tunnel *tunnel;
    struct tls_credentials *now, *before;
    struct peer *peers;
    size_t count, ended;
};

static bool is_renewal_due(const struct change *change)
{
    struct tls_client_cache_key now = tls_client_cache_key(change->now, ""),
                                before = tls_client_cache_key(change->before, "");
    return change->tunnel->config->role == CONFIG_CLIENT && memcmp(&now, &before, sizeof now) != 0;
}

/* Masters that are under way are checked again when they are verified (proxy/link/master.c). */
static void on_home_take(void *argument)
{
    struct change *change = argument;
    struct tunnel *tunnel = change->tunnel;
    size_t links = 0;
    change->before = tunnel->owner.credentials;
    tls_credentials_inherit(change->now, change->before);
    tunnel->owner.credentials = tls_credentials_ref(change->now);
    tunnel_services_changed(tunnel);
    bool renew = is_renewal_due(change);
    for (struct link *link = tunnel->owner.links; link; link = link->next)
        links++;
    change->peers = check_alloc((links + 1) * sizeof *change->peers);
    for (struct link *link = tunnel->owner.links; link; link = link->next) {
        if (link->state == LINK_CLOSING || !link->peer.identity)
            continue;
        change->peers[change->count++].identity = tls_identity_ref(link->peer.identity);
        if (renew)
            link_renew_now(link);
    }
}

static const struct peer *find(const struct change *change, const struct link *link)
{
    for (size_t i = 0; i < change->count; i++)
        if (change->peers[i].identity == link->peer.identity && change->peers[i].why != ERR_OK)
            return &change->peers[i];
    return NULL;
}

static void on_home_end(void *argument)
{
    struct change *change = argument;
    for (struct link *link = change->tunnel->owner.links; link; link = link->next) {
        const struct peer *peer = link->peer.identity ? find(change, link) : NULL;
        if (!peer || link->state == LINK_CLOSING)
            continue;
        link_close(link, peer->why, peer->detail, false);
        change->ended++;
    }
}

static bool check_again(struct change *change)
{
    bool all = true;
    for (size_t i = 0; i < change->count; i++) {
        struct peer *peer = &change->peers[i];
        peer->why =
            tls_credentials_recheck(change->now, peer->identity, peer->detail, sizeof peer->detail);
        all = all && peer->why == ERR_OK;
    }
    return all;
}

/* Adds to the numbers of associations that were checked, and ended. */
static void apply(struct tunnel *part, struct tls_credentials *credentials, size_t *checked,
                  size_t *ended)
{
    struct change change = {.tunnel = part, .now = credentials};
    worker_call(part->base.home, on_home_take, &change);
    if (!check_again(&change))
        worker_call(part->base.home, on_home_end, &change);
    *checked += change.count;
    *ended += change.ended;
    for (size_t i = 0; i < change.count; i++)
        tls_identity_unref(change.peers[i].identity);
    free(change.peers);
    tls_credentials_unref(change.before);
}

/* ---- loading ---- */

static void refuse(struct reload_tunnel *self, enum err result, const char *why)
{
    char reason[512];
    const struct log_about *about = LOG_ABOUT(.tunnel = self->tunnel->config->name);
    log_write(LOG_ERROR, about, "reload failed, the earlier files stay in use: %s", why);
    reload_tunnel_note(&self->record, why);
    counter_add(&self->tunnel->counters.reloads_failed, 1);
    /* Independent of the rest, and needed by other servers' clients. */
    if (result != ERR_TLS_TICKET_KEYS &&
        tls_credentials_reload_ticket_keys(self->credentials, reason, sizeof reason) != ERR_OK)
        log_write(LOG_ERROR, about, "reload: the ticket keys stay unchanged: %s", reason);
}

static void take(struct reload_tunnel *self, struct tls_credentials *credentials)
{
    tls_credentials_unref(self->credentials);
    self->credentials = credentials;
}

void reload_tunnel_load(struct reload_tunnel *self, uint64_t now_us)
{
    char why[640];
    struct tls_credentials *now = NULL;
    size_t checked = 0, ended = 0;
    enum err result = credentials_load(self->config, self->tunnel->sessions, &now, why, sizeof why);
    if (result != ERR_OK && !self->credentials) {
        late_tell(&self->late, why, now_us);
        return;
    }
    if (result != ERR_OK) {
        refuse(self, result, why);
        return;
    }
    if (!self->late.begun) {
        take(self, now);
        late_begin(&self->late, now, now_us);
        return;
    }
    for (struct tunnel *part = self->tunnel; part; part = part->next_part)
        apply(part, now, &checked, &ended);
    take(self, now);
    reload_tunnel_note(&self->record, NULL);
    counter_add(&self->tunnel->counters.reloads, 1);
    counter_add(&self->tunnel->counters.associations_ended_by_reload, ended);
    log_write(LOG_INFO, LOG_ABOUT(.tunnel = self->tunnel->config->name),
              "reloaded certificates, keys and rules: %zu association%s checked, %zu ended",
              checked, checked == 1 ? "" : "s", ended);
}

void reload_tunnel_update(struct reload_tunnel *self, bool all, uint64_t now_us)
{
    uint64_t before = stamp_of(self);
    if (!all && before == self->stamp)
        return;
    size_t listed = count_files(self);
    reload_tunnel_load(self, now_us);
    /* With a file that has come into a directory the stamps of before cannot be compared any more:
     * whatever happens next, all are read once more. */
    self->stamp = count_files(self) == listed ? before : 0;
}

/* ---- its services ---- */

/* Workers read the rules of services: those from the file as it was before may go only after each
 * worker has come back to its loop. */
static void on_worker(void *argument)
{
    (void)argument;
}

static void on_home(void *argument)
{
    tunnel_services_changed(argument);
}

void reload_tunnel_take_services(struct reload_tunnel *self, const struct config_tunnel *now)
{
    struct tunnel *tunnel = self->tunnel;
    for (struct tunnel *part = tunnel; part; part = part->next_part)
        services_take(&part->services, now);
    for (unsigned i = 0; i < tunnel->base.worker_count; i++)
        worker_call(&tunnel->base.workers[i], on_worker, NULL);
    for (struct tunnel *part = tunnel; part; part = part->next_part)
        worker_call(part->base.home, on_home, part);
}

void reload_tunnel_init(struct reload_tunnel *self, struct tunnel *tunnel)
{
    struct tls_credentials *credentials = tunnel->owner.credentials;
    *self =
        (struct reload_tunnel){.tunnel = tunnel, .config = tunnel->config, .late.tunnel = tunnel};
    self->credentials = credentials ? tls_credentials_ref(credentials) : NULL;
    self->stamp = stamp_of(self);
}

void reload_tunnel_fini(struct reload_tunnel *self)
{
    tls_credentials_unref(self->credentials);
}
