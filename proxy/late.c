#include "proxy/late.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "proxy/tunnel.h"
#include "proxy/worker.h"
#include "tls/files.h"
#include "tls/token.h"

#define PAUSE_US 500000

struct errand {
    struct tunnel *tunnel;
    struct tls_credentials *credentials;
    const char *why; /* not NULL: it cannot begin */
    bool begun;
};

static void on_home(void *argument)
{
    struct errand *errand = argument;
    struct tunnel *tunnel = errand->tunnel;
    char why[sizeof(tunnel->waits_for)] = "";
    if (errand->credentials) {
        tls_credentials_unref(tunnel->credentials);
        tunnel->credentials = tls_credentials_ref(errand->credentials);
    }
    if (errand->why)
        snprintf(why, sizeof(why), "%s", errand->why);
    else if (!atomic_load(&tunnel->draining))
        errand->begun = tunnel_start(tunnel, why, sizeof(why)) == 0;
    memcpy(tunnel->waits_for, why, sizeof(why));
}

/* A token that is there locks itself after a few wrong PINs: it is asked again only when somebody
 * says so. */
static bool may_lock(const struct tunnel *tunnel)
{
    const char *key = tunnel->config->tls.key;
    return !tunnel->credentials && key && tls_files_is_uri(key) && tls_token_is_there(key);
}

static void wait(struct late *self, uint64_t now_us)
{
    struct tunnel *tunnel = self->tunnel;
    bool asked = may_lock(tunnel);
    self->next_us = asked ? UINT64_MAX : now_us + PAUSE_US;
    if (!*tunnel->waits_for || strcmp(self->told, tunnel->waits_for) == 0)
        return;
    snprintf(self->told, sizeof(self->told), "%s", tunnel->waits_for);
    log_write(LOG_ERROR, LOG_ABOUT(.tunnel = tunnel->config->name), "waits, and tries again %s: %s",
              asked ? "when a file of it changes or SIGHUP comes" : "and again", self->told);
}

bool late_begin(struct late *self, struct tls_credentials *credentials, uint64_t now_us)
{
    if (self->begun)
        return true;
    struct errand errand = {.tunnel = self->tunnel, .credentials = credentials};
    worker_call(self->tunnel->home, on_home, &errand);
    self->begun = errand.begun;
    if (!self->begun)
        wait(self, now_us);
    else if (*self->told)
        log_write(LOG_INFO, LOG_ABOUT(.tunnel = self->tunnel->config->name),
                  "has what it waited for, and begins");
    return self->begun;
}

void late_tell(struct late *self, const char *why, uint64_t now_us)
{
    struct errand errand = {.tunnel = self->tunnel, .why = why};
    worker_call(self->tunnel->home, on_home, &errand);
    wait(self, now_us);
}
