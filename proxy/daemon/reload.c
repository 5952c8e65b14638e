#include "proxy/daemon/reload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/log.h"
#include "config/compare.h"
#include "proxy/daemon/late.h"
#include "proxy/daemon/process.h"
#include "proxy/daemon/reload_apply.h"
#include "proxy/daemon/watch.h"
#include "proxy/tunnel/credentials.h"
#include "proxy/tunnel/sessions.h"

/* Timers count monotonic time, lists expire by the wall clock, and that may jump. */
#define LOOK_S 600

/* A configuration file as it was read; freed with the last tunnel that uses it. */
struct source {
    struct config *config;
    unsigned users;
};

struct target {
    struct tunnel *tunnel;
    const struct config_tunnel *config;  /* the newest: its tls group is what counts */
    struct source *source;               /* of config; NULL: the process's own */
    struct tls_credentials *credentials; /* in use; NULL: none could be loaded yet */
    struct late late;
    uint64_t stamp; /* of its files, when they were read */
    struct reload_record record;
    int64_t told_expired; /* the time that was told; 0: none */
};

struct reload {
    struct process *process;
    struct watch watch;
    struct target *targets;
    size_t count;
    uint64_t store_stamp; /* of the file with the keys of Redis */
    struct reload_record config, store_keys;
    struct loop_timer expiry; /* of revocation lists */
    struct loop_timer again;  /* for tunnels that have not begun */
};

static void note(struct reload_record *record, const char *failure)
{
    record->at = time(NULL);
    record->is_fine = !failure;
    if (!failure) {
        record->done++;
        return;
    }
    record->failed++;
    snprintf(record->failure, sizeof(record->failure), "%s", failure);
}

/* ---- the files of a tunnel ---- */

static void add_up(const struct target *target, void (*what)(void *self, const char *path),
                   void *self)
{
    const struct config_tls *tls = &target->config->tls;
    const char *paths[] = {tls->ca,     tls->crl,   tls->cert, tls->key,
                           tls->staple, tls->known, tls->psk,  tls->resume.ticket_key_file};
    size_t listed = 0;
    const char *const *files =
        target->credentials ? tls_credentials_files(target->credentials, &listed) : NULL;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        if (paths[i])
            what(self, paths[i]);
    for (size_t i = 0; i < listed; i++)
        what(self, files[i]);
}

static size_t count_files(const struct target *target)
{
    size_t count = 0;
    if (target->credentials)
        tls_credentials_files(target->credentials, &count);
    return count;
}

static void add_watch(void *self, const char *path)
{
    watch_add(self, path);
}

static void add_stamp(void *self, const char *path)
{
    uint64_t *sum = self;
    *sum = *sum * 31 + watch_stamp(path);
}

static uint64_t stamp_of(const struct target *target)
{
    uint64_t stamp = 0;
    add_up(target, add_stamp, &stamp);
    return stamp;
}

static const char *store_keys_of(const struct reload *reload)
{
    return reload->process->config->sessions.redis.key_file;
}

static void watch_all(struct reload *reload)
{
    if (watch_restart(&reload->watch) < 0) {
        log_write(LOG_WARNING, LOG_ABOUT_NOTHING,
                  "changes of certificates and keys go unnoticed until SIGHUP: %s",
                  strerror(errno));
        return;
    }
    for (size_t i = 0; i < reload->count; i++)
        add_up(&reload->targets[i], add_watch, &reload->watch);
    if (store_keys_of(reload))
        watch_add(&reload->watch, store_keys_of(reload));
}

/* ---- revocation lists that expire ---- */

/* Returns in how many seconds to look again. */
static int64_t look_at_lists(struct target *target)
{
    char list[512], date[32];
    if (!target->credentials)
        return LOOK_S;
    struct tm parts;
    int64_t now = time(NULL),
            until = tls_credentials_lists_until(target->credentials, list, sizeof(list));
    if (now <= until)
        return until - now < LOOK_S ? until - now + 1 : LOOK_S;
    if (until != target->told_expired) {
        strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S UTC", gmtime_r(&(time_t){until}, &parts));
        log_write(LOG_ERROR, LOG_ABOUT(.tunnel = target->tunnel->config->name),
                  "the revocation list of the CA %s expired on %s: its certificates are not "
                  "accepted until there is a newer list; open associations go on",
                  list, date);
        target->told_expired = until;
    }
    return LOOK_S;
}

static void look_at_all_lists(struct reload *reload)
{
    int64_t soonest = LOOK_S;
    for (size_t i = 0; i < reload->count; i++) {
        int64_t next = look_at_lists(&reload->targets[i]);
        soonest = next < soonest ? next : soonest;
    }
    loop_timer_set(reload->process->loop, &reload->expiry,
                   loop_now(reload->process->loop) + (uint64_t)soonest * 1000000);
}

static void on_expiry(struct loop_timer *timer)
{
    look_at_all_lists(container_of(timer, struct reload, expiry));
}

/* ---- reading them ---- */

static void refuse(struct target *target, const char *why)
{
    char reason[512];
    const struct log_about *about = LOG_ABOUT(.tunnel = target->tunnel->config->name);
    log_write(LOG_ERROR, about, "reload failed, the earlier files stay in use: %s", why);
    note(&target->record, why);
    counter_add(&target->tunnel->counters.reloads_failed, 1);
    /* Independent of the rest, and needed by other servers' clients. */
    if (tls_credentials_reload_ticket_keys(target->credentials, reason, sizeof(reason)) != ERR_OK &&
        !strstr(why, reason))
        log_write(LOG_ERROR, about, "reload: the ticket keys stay unchanged: %s", reason);
}

static void load(struct reload *reload, struct target *target)
{
    char why[640];
    struct tls_credentials *now =
        credentials_load(target->config, target->tunnel->sessions, why, sizeof(why));
    if (!now && !target->credentials)
        late_tell(&target->late, why, loop_now(reload->process->loop));
    else if (!now)
        refuse(target, why);
    if (!now)
        return;
    if (!target->late.begun) {
        tls_credentials_unref(target->credentials);
        target->credentials = now;
        late_begin(&target->late, now, loop_now(reload->process->loop));
        return;
    }
    struct reload_result result;
    reload_apply(target->tunnel, now, &result);
    tls_credentials_unref(target->credentials);
    target->credentials = now;
    note(&target->record, NULL);
    counter_add(&target->tunnel->counters.reloads, 1);
    counter_add(&target->tunnel->counters.associations_ended_by_reload, result.ended);
    log_write(LOG_INFO, LOG_ABOUT(.tunnel = target->tunnel->config->name),
              "reloaded certificates, keys and rules: %zu association%s checked, "
              "%zu ended",
              result.checked, result.checked == 1 ? "" : "s", result.ended);
}

/* The file is written from outside: what is not taken now is, when it is mended. */
static void load_store_keys(struct reload *reload, bool all)
{
    char why[512];
    if (!reload->process->sessions.redis)
        return;
    uint64_t stamp = watch_stamp(store_keys_of(reload));
    if (!all && stamp == reload->store_stamp)
        return;
    reload->store_stamp = stamp;
    bool fine = tls_store_redis_reload(reload->process->sessions.redis, why, sizeof(why)) == ERR_OK;
    note(&reload->store_keys, fine ? NULL : why);
    if (fine)
        log_write(LOG_INFO, LOG_ABOUT_NOTHING, "reloaded the Redis keys");
    else
        log_write(LOG_ERROR, LOG_ABOUT_NOTHING, "reload: the Redis keys stay unchanged: %s", why);
}

/* ---- tunnels that have not begun ---- */

static void try_late(struct reload *reload)
{
    uint64_t now = loop_now(reload->process->loop), soonest = UINT64_MAX;
    for (size_t i = 0; i < reload->count; i++) {
        struct late *late = &reload->targets[i].late;
        bool is_due = !late->begun && late->next_us <= now;
        if (is_due && reload->targets[i].credentials)
            late_begin(late, NULL, now);
        else if (is_due)
            load(reload, &reload->targets[i]);
        if (!late->begun && late->next_us < soonest)
            soonest = late->next_us;
    }
    if (soonest != UINT64_MAX && !reload->process->draining)
        loop_timer_set(reload->process->loop, &reload->again, soonest);
}

static void on_again(struct loop_timer *timer)
{
    try_late(container_of(timer, struct reload, again));
}

size_t reload_waiting(const struct reload *reload)
{
    size_t begun = 0;
    for (size_t i = 0; i < reload->count; i++)
        begun += reload->targets[i].late.begun;
    return reload->count - begun;
}

/* all: also where no file has changed. */
static void load_all(struct reload *reload, bool all)
{
    watch_all(reload); /* first, so that what changes now is told again */
    load_store_keys(reload, all);
    for (size_t i = 0; i < reload->count; i++) {
        struct target *target = &reload->targets[i];
        uint64_t before = stamp_of(target);
        if (!all && before == target->stamp)
            continue;
        size_t listed = count_files(target);
        load(reload, target);
        /* With a file that has come into a directory the stamps of before cannot be compared any
         * more: whatever happens next, all are read once more. */
        target->stamp = count_files(target) == listed ? before : 0;
        add_up(target, add_watch, &reload->watch);
    }
    look_at_all_lists(reload);
}

static void on_change(struct watch *watch)
{
    load_all(container_of(watch, struct reload, watch), false);
}

/* ---- the configuration file ---- */

static void log_lines(char *text, enum log_level level)
{
    char *rest = text;
    for (char *line; (line = strtok_r(rest, "\n", &rest));)
        log_write(level, LOG_ABOUT_NOTHING, "reload: %s", line);
}

static struct config *read_config(struct reload *reload)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    check_made(out);
    const char *file = reload->process->config->file;
    struct config *config = reload_waiting(reload)
                                ? config_load_to_run(file, out)
                                : config_load(file, out, tls_credentials_check_pair);
    fclose(out);
    note(&reload->config, config ? NULL : text);
    /* The others are in the log. */
    reload->config.failure[strcspn(reload->config.failure, "\n")] = 0;
    log_lines(text, config ? LOG_WARNING : LOG_ERROR);
    free(text);
    return config;
}

static void tell_restart(struct compare *self, const struct option_row *option, const char *where)
{
    (void)self;
    if (!option->is_reloaded)
        log_write(LOG_WARNING, LOG_ABOUT_NOTHING,
                  "reload: %s\"%s\" was changed; this needs a restart", where, option->name);
}

static void release(struct target *target)
{
    struct source *source = target->source;
    target->source = NULL;
    if (!source || --source->users)
        return;
    config_free(source->config);
    free(source);
}

static const struct config_tunnel *find_tunnel(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->tunnel_count; i++)
        if (strcmp(config->tunnels[i].name, name) == 0)
            return &config->tunnels[i];
    return NULL;
}

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

static void take_services(struct target *target, const struct config_tunnel *now)
{
    struct tunnel *tunnel = target->tunnel;
    for (struct tunnel *part = tunnel; part; part = part->next_part)
        services_take(&part->services, now);
    for (unsigned i = 0; i < tunnel->base.worker_count; i++)
        worker_call(&tunnel->base.workers[i], on_worker, NULL);
    for (struct tunnel *part = tunnel; part; part = part->next_part)
        worker_call(part->base.home, on_home, part);
}

/* A tunnel that is not in the file any more, or has become something else, goes on as it is. */
static void take_tunnel(struct target *target, struct source *source, struct compare *compare)
{
    const struct config_tunnel *running = target->tunnel->config;
    const struct config_tunnel *now = find_tunnel(source->config, running->name);
    if (!now) {
        log_write(LOG_WARNING, LOG_ABOUT(.tunnel = running->name),
                  "reload: the tunnel is no longer in the file; ending it needs a restart");
        return;
    }
    compare_tunnels(compare, running, now);
    if (now->role != running->role)
        return;
    take_services(target, now);
    release(target);
    target->config = now;
    target->source = source;
    source->users++;
}

static void tell_new_tunnels(const struct config *running, const struct config *now)
{
    for (size_t i = 0; i < now->tunnel_count; i++)
        if (!find_tunnel(running, now->tunnels[i].name))
            log_write(LOG_WARNING, LOG_ABOUT(.tunnel = now->tunnels[i].name),
                      "reload: the tunnel is new in the file; starting it needs a restart");
}

static void take_config(struct reload *reload, struct config *config)
{
    struct compare compare = {.on_change = tell_restart};
    struct source *source = check_alloc(sizeof(*source));
    source->config = config;
    source->users = 1;
    log_set_level((enum log_level)config->log_level);
    compare_process(&compare, reload->process->config, config);
    tell_new_tunnels(reload->process->config, config);
    for (size_t i = 0; i < reload->count; i++)
        take_tunnel(&reload->targets[i], source, &compare);
    release(&(struct target){.source = source});
}

/* ---- from the process ---- */

struct reload *reload_new(struct process *process)
{
    struct reload *reload = check_alloc(sizeof(*reload));
    reload->process = process;
    reload->count = process->tunnel_count;
    reload->targets = check_alloc((reload->count + 1) * sizeof(*reload->targets));
    reload->watch.on_change = on_change;
    watch_init(&reload->watch, process->loop);
    for (size_t i = 0; i < reload->count; i++) {
        struct tunnel *tunnel = process->tunnels[i];
        reload->targets[i] = (struct target){
            .tunnel = tunnel,
            .config = tunnel->config,
            .credentials =
                tunnel->owner.credentials ? tls_credentials_ref(tunnel->owner.credentials) : NULL,
            .late.tunnel = tunnel,
        };
        reload->targets[i].stamp = stamp_of(&reload->targets[i]);
    }
    if (store_keys_of(reload))
        reload->store_stamp = watch_stamp(store_keys_of(reload));
    watch_all(reload);
    reload->expiry.on_expire = on_expiry;
    reload->again.on_expire = on_again;
    look_at_all_lists(reload);
    try_late(reload);
    return reload;
}

void reload_free(struct reload *reload)
{
    if (!reload)
        return;
    watch_fini(&reload->watch);
    loop_timer_cancel(reload->process->loop, &reload->expiry);
    loop_timer_cancel(reload->process->loop, &reload->again);
    for (size_t i = 0; i < reload->count; i++) {
        tls_credentials_unref(reload->targets[i].credentials);
        release(&reload->targets[i]);
    }
    free(reload->targets);
    free(reload);
}

const struct reload_record *reload_of_config(const struct reload *reload)
{
    return &reload->config;
}

const struct reload_record *reload_of_store_keys(const struct reload *reload)
{
    return &reload->store_keys;
}

const struct reload_record *reload_of_tunnel(const struct reload *reload,
                                             const struct tunnel *tunnel)
{
    const struct target *target = reload->targets;
    while (target->tunnel != tunnel)
        target++;
    return &target->record;
}

void reload_now(struct reload *reload)
{
    struct config *config = read_config(reload);
    if (!config) {
        log_write(LOG_ERROR, LOG_ABOUT_NOTHING,
                  "reload: %s cannot be used; everything stays unchanged",
                  reload->process->config->file);
        return;
    }
    take_config(reload, config);
    load_all(reload, true);
}
