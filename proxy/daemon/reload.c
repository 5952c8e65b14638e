/* A reload: files and the configuration are read again while the process runs. */
#include "proxy/daemon/reload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/log.h"
#include "config/compare.h"
#include "proxy/daemon/process.h"
#include "proxy/daemon/watch.h"
#include "proxy/tunnel/sessions.h"

/* A configuration file as it was read; freed with the last tunnel that uses it. */
struct reload_source {
    struct config *config;
    unsigned users;
};

struct reload {
    struct process *process;
    struct watch watch;
    struct reload_tunnel *tunnels;
    size_t count;
    uint64_t store_stamp; /* of the file with the keys of Redis */
    struct reload_record config, store_keys;
    struct loop_timer expiry; /* of revocation lists */
    struct loop_timer again;  /* for tunnels that have not begun */
};

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
        reload_tunnel_watch(&reload->tunnels[i], &reload->watch);
    if (store_keys_of(reload))
        watch_add(&reload->watch, store_keys_of(reload));
}

static void look_at_all_lists(struct reload *reload)
{
    int64_t soonest = INT64_MAX / 1000000;
    for (size_t i = 0; i < reload->count; i++) {
        int64_t next = reload_tunnel_check_lists(&reload->tunnels[i]);
        soonest = next < soonest ? next : soonest;
    }
    loop_timer_set(reload->process->loop, &reload->expiry,
                   loop_now(reload->process->loop) + (uint64_t)soonest * 1000000);
}

static void on_expiry(struct loop_timer *timer)
{
    look_at_all_lists(container_of(timer, struct reload, expiry));
}

/* ---- loading ---- */

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
    bool fine = tls_store_redis_reload(reload->process->sessions.redis, why, sizeof why) == ERR_OK;
    reload_tunnel_note(&reload->store_keys, fine ? NULL : why);
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
        struct late *late = &reload->tunnels[i].late;
        bool is_due = !late->begun && late->next_us <= now;
        if (is_due && reload->tunnels[i].credentials)
            late_begin(late, NULL, now);
        else if (is_due)
            reload_tunnel_load(&reload->tunnels[i], now);
        if (!late->begun && late->next_us < soonest)
            soonest = late->next_us;
    }
    if (soonest != UINT64_MAX && !reload->process->end.draining)
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
        begun += reload->tunnels[i].late.begun;
    return reload->count - begun;
}

/* all: also where no file has changed. */
static void load_all(struct reload *reload, bool all)
{
    watch_all(reload); /* first, so that what changes now is told again */
    load_store_keys(reload, all);
    for (size_t i = 0; i < reload->count; i++) {
        reload_tunnel_update(&reload->tunnels[i], all, loop_now(reload->process->loop));
        reload_tunnel_watch(&reload->tunnels[i], &reload->watch);
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
    reload_tunnel_note(&reload->config, config ? NULL : text);
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

static void release(struct reload_tunnel *target)
{
    struct reload_source *source = target->source;
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

/* A tunnel that is not in the file any more, or has become something else, goes on as it is. */
static void take_tunnel(struct reload_tunnel *target, struct reload_source *source,
                        struct compare *compare)
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
    reload_tunnel_take_services(target, now);
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
    struct reload_source *source = check_alloc(sizeof *source);
    source->config = config;
    source->users = 1;
    log_set_level((enum log_level)config->log_level);
    compare_process(&compare, reload->process->config, config);
    tell_new_tunnels(reload->process->config, config);
    for (size_t i = 0; i < reload->count; i++)
        take_tunnel(&reload->tunnels[i], source, &compare);
    release(&(struct reload_tunnel){.source = source});
}

/* ---- from the process ---- */

struct reload *reload_new(struct process *process)
{
    struct reload *reload = check_alloc(sizeof *reload);
    reload->process = process;
    reload->count = process->tunnel_count;
    reload->tunnels = check_alloc((reload->count + 1) * sizeof *reload->tunnels);
    reload->watch.on_change = on_change;
    watch_init(&reload->watch, process->loop);
    for (size_t i = 0; i < reload->count; i++)
        reload_tunnel_init(&reload->tunnels[i], process->tunnels[i]);
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
        reload_tunnel_fini(&reload->tunnels[i]);
        release(&reload->tunnels[i]);
    }
    free(reload->tunnels);
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
    const struct reload_tunnel *target = reload->tunnels;
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
