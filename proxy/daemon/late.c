/* Tunnels that cannot begin yet. */
#include "proxy/daemon/late.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "proxy/tunnel/tunnel.h"
#include "proxy/worker/worker.h"
#include "tls/credentials.h"

#define PAUSE_US 500000

#define WHY_SIZE sizeof(((struct tunnel *)0)->waits_for)

struct trial {
    struct tunnel *part;
    struct tls_credentials *credentials;
    bool begun;
    char why[WHY_SIZE];
};

static void on_home_start(void *argument)
{
    struct trial *trial = argument;
    struct tunnel *part = trial->part;
    if (trial->credentials) {
        tls_credentials_unref(part->owner.credentials);
        part->owner.credentials = tls_credentials_ref(trial->credentials);
    }
    *trial->why = '\0';
    if (!atomic_load(&part->base.draining))
        trial->begun = tunnel_start(part, trial->why, sizeof trial->why) == 0;
}

static void on_home_unstart(void *argument)
{
    tunnel_unstart(((struct trial *)argument)->part);
}

/* All parts, or none. */
static bool start(struct tunnel *tunnel, struct trial *trial)
{
    bool begun = true;
    for (struct tunnel *part = tunnel; part && begun; part = part->next_part) {
        trial->part = part;
        trial->begun = false;
        worker_call(part->base.home, on_home_start, trial);
        begun = trial->begun;
    }
    for (struct tunnel *part = tunnel; !begun && part != trial->part; part = part->next_part)
        worker_call(part->base.home, on_home_unstart, &(struct trial){.part = part});
    return begun;
}

static void on_home_note(void *argument)
{
    struct trial *trial = argument;
    memcpy(trial->part->waits_for, trial->why, sizeof trial->why);
}

/* "": it waits for nothing more. */
static void note(struct tunnel *tunnel, struct trial *trial)
{
    trial->part = tunnel;
    worker_call(tunnel->base.home, on_home_note, trial);
}

/* A token that is there locks itself after a few wrong PINs: it is asked again only when somebody
 * says so. */
static bool may_lock(const struct tunnel *tunnel)
{
    const char *key = tunnel->config->tls.key;
    return !tunnel->owner.credentials && key && tls_credentials_has_token(key);
}

static void wait(struct late *self, uint64_t now_us)
{
    struct tunnel *tunnel = self->tunnel;
    bool asked = may_lock(tunnel);
    self->next_us = asked ? UINT64_MAX : now_us + PAUSE_US;
    if (!*tunnel->waits_for || strcmp(self->told, tunnel->waits_for) == 0)
        return;
    snprintf(self->told, sizeof self->told, "%s", tunnel->waits_for);
    log_write(LOG_ERROR, LOG_ABOUT(.tunnel = tunnel->config->name), "waits, and retries%s: %s",
              asked ? " when one of its files changes or on SIGHUP" : "", self->told);
}

void late_begin(struct late *self, struct tls_credentials *credentials, uint64_t now_us)
{
    if (self->begun)
        return;
    struct trial trial = {.credentials = credentials};
    self->begun = start(self->tunnel, &trial);
    note(self->tunnel, &trial);
    if (!self->begun)
        wait(self, now_us);
    else if (*self->told)
        log_write(LOG_INFO, LOG_ABOUT(.tunnel = self->tunnel->config->name),
                  "starts: what it waited for is there");
}

void late_tell(struct late *self, const char *why, uint64_t now_us)
{
    struct trial trial = {0};
    snprintf(trial.why, sizeof trial.why, "%s", why);
    note(self->tunnel, &trial);
    wait(self, now_us);
}
