/* SCTP's authentication (RFC 4895) gets its keys from the masters: docs/PROTOCOL.md section 8. */
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/link/link_private.h"

#define KEY_LABEL "EXPORTER-hawser-sctp-auth"

/* The place of a key in the list; count: it is not there. */
static size_t place_of(const struct link_auth *auth, uint16_t key)
{
    size_t at = 0;
    while (at < auth->count && auth->keys[at] != key)
        at++;
    return at;
}

/* Keys that either end still sends with are kept. */
static enum err drop_old(struct link *link)
{
    struct link_auth *auth = &link->auth;
    size_t own = place_of(auth, auth->settled), peer = place_of(auth, auth->peer_settled),
           old = own < peer ? own : peer;
    if (old == auth->count)
        return ERR_OK;
    for (size_t i = 0; i < old; i++) {
        if (association_auth_drop(link->transport.association, auth->keys[i]) != ERR_OK)
            return ERR_TRANSPORT_SOCKET;
        if (!auth->keys[i])
            log_write(LOG_INFO, LINK_ABOUT(link), "SCTP is authenticated");
    }
    auth->count -= old;
    memmove(auth->keys, auth->keys + old, auth->count * sizeof *auth->keys);
    return ERR_OK;
}

/* The newest key that both have. */
static enum err use_newest(struct link *link)
{
    struct link_auth *auth = &link->auth;
    size_t newest = place_of(auth, auth->peer_ready);
    if (newest == auth->count || newest <= place_of(auth, auth->used))
        return ERR_OK;
    auth->used = auth->peer_ready;
    return association_auth_use(link->transport.association, auth->used) == ERR_OK
               ? ERR_OK
               : ERR_TRANSPORT_SOCKET;
}

enum err link_auth_settled(struct link *link, uint16_t key)
{
    link->auth.settled = key;
    mux_control_auth_settled(link->control.mux, key);
    link_control_flush(link);
    return drop_old(link);
}

static bool is_on(const struct link *link)
{
    return link->auth.on && link->transport.association;
}

enum err link_auth_peer_ready(struct link *link, uint16_t key)
{
    if (!is_on(link))
        return ERR_OK;
    link->auth.peer_ready = key;
    return use_newest(link);
}

enum err link_auth_peer_settled(struct link *link, uint16_t key)
{
    if (!is_on(link))
        return ERR_OK;
    link->auth.peer_settled = key;
    return drop_old(link);
}

/* Both ends count alike, whatever fails: the first master's is 1, a renewal's its epoch and 1. */
static uint16_t number_of(const struct link_master *master)
{
    return (uint16_t)(master->epoch + 1);
}

enum err link_auth_verified(struct link *link, const struct link_master *master)
{
    struct link_auth *auth = &link->auth;
    if (!auth->count)
        *auth = (struct link_auth){.on = link->tunnel->config->sctp.auth, .count = 1};
    uint16_t number = number_of(master);
    uint8_t key[TRANSPORT_AUTH_KEY];
    /* No room: masters that only this end takes for verified. The key in use stays. */
    if (!auth->on || link->state == LINK_CLOSING || !link->transport.association ||
        auth->count == LINK_AUTH_KEYS || place_of(auth, number) < auth->count)
        return ERR_OK;
    bool added = tls_session_export(master->session, KEY_LABEL, key, sizeof key) == ERR_OK &&
                 association_auth_add(link->transport.association, number, key) == ERR_OK;
    explicit_bzero(key, sizeof key);
    if (!added)
        return ERR_TRANSPORT_SOCKET;
    auth->keys[auth->count++] = number;
    mux_control_auth_ready(link->control.mux, number);
    link_control_flush(link);
    return use_newest(link);
}

const char *link_auth_state(const struct link *link)
{
    if (!link->tunnel->config->sctp.auth)
        return "off";
    return link->auth.count && link->auth.keys[0] ? "on" : "pending";
}
