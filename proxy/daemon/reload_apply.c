#include "proxy/daemon/reload_apply.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "proxy/link/link.h"
#include "proxy/tunnel/tunnel.h"
#include "proxy/worker/worker.h"
#include "tls/client_cache.h"

/* One association's peer. A link may go while it is judged, and another take its memory; an
 * identity stays as long as we hold it. */
struct suspect {
    struct tls_identity *identity;
    enum err why; /* ERR_OK: still accepted */
    char detail[512];
};

struct errand {
    struct tunnel *tunnel;
    struct tls_credentials *now, *before;
    struct suspect *suspects;
    size_t count, ended;
};

static bool is_renewal_due(const struct errand *errand)
{
    struct tls_client_cache_key now = tls_client_cache_key(errand->now, ""),
                                before = tls_client_cache_key(errand->before, "");
    return errand->tunnel->config->role == CONFIG_CLIENT && memcmp(&now, &before, sizeof(now)) != 0;
}

/* Masters that are under way are judged when they are verified (proxy/link/master.c). */
static void on_home_take(void *argument)
{
    struct errand *errand = argument;
    struct tunnel *tunnel = errand->tunnel;
    size_t links = 0;
    errand->before = tunnel->owner.credentials;
    tls_credentials_inherit(errand->now, errand->before);
    tunnel->owner.credentials = tls_credentials_ref(errand->now);
    tunnel_services_changed(tunnel);
    bool renew = is_renewal_due(errand);
    for (struct link *link = tunnel->owner.links; link; link = link->next)
        links++;
    errand->suspects = check_alloc((links + 1) * sizeof(*errand->suspects));
    for (struct link *link = tunnel->owner.links; link; link = link->next) {
        if (link->state == LINK_CLOSING || !link->peer.identity)
            continue;
        errand->suspects[errand->count++].identity = tls_identity_ref(link->peer.identity);
        if (renew)
            link_renew_now(link);
    }
}

static const struct suspect *find(const struct errand *errand, const struct link *link)
{
    for (size_t i = 0; i < errand->count; i++)
        if (errand->suspects[i].identity == link->peer.identity &&
            errand->suspects[i].why != ERR_OK)
            return &errand->suspects[i];
    return NULL;
}

static void on_home_end(void *argument)
{
    struct errand *errand = argument;
    for (struct link *link = errand->tunnel->owner.links; link; link = link->next) {
        const struct suspect *suspect = link->peer.identity ? find(errand, link) : NULL;
        if (!suspect || link->state == LINK_CLOSING)
            continue;
        link_close(link, suspect->why, suspect->detail, false);
        errand->ended++;
    }
}

static bool judge(struct errand *errand)
{
    bool all = true;
    for (size_t i = 0; i < errand->count; i++) {
        struct suspect *suspect = &errand->suspects[i];
        suspect->why = tls_credentials_recheck(errand->now, suspect->identity, suspect->detail,
                                               sizeof(suspect->detail));
        all = all && suspect->why == ERR_OK;
    }
    return all;
}

static void apply(struct tunnel *part, struct tls_credentials *credentials,
                  struct reload_result *result)
{
    struct errand errand = {.tunnel = part, .now = credentials};
    worker_call(part->base.home, on_home_take, &errand);
    if (!judge(&errand))
        worker_call(part->base.home, on_home_end, &errand);
    result->checked += errand.count;
    result->ended += errand.ended;
    for (size_t i = 0; i < errand.count; i++)
        tls_identity_unref(errand.suspects[i].identity);
    free(errand.suspects);
    tls_credentials_unref(errand.before);
}

void reload_apply(struct tunnel *tunnel, struct tls_credentials *credentials,
                  struct reload_result *result)
{
    *result = (struct reload_result){0};
    for (struct tunnel *part = tunnel; part; part = part->next_part)
        apply(part, credentials, result);
}
