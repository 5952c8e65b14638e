/* SCTP's authentication (RFC 4895) gets its keys from the masters: docs/PROTOCOL.md section 8. */
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/link/link.h"
#include "proxy/link/owner.h"

#define KEY_LABEL "EXPORTER-hawser-sctp-auth"

static struct link *of_events(struct mux_control_events *events)
{
    return container_of(events, struct link, control_events);
}

/* The place of a key in the list; count: it is not there. */
static size_t place_of(const struct link_auth *auth, uint16_t key)
{
    size_t at = 0;
    while (at < auth->count && auth->keys[at] != key)
        at++;
    return at;
}

static void fail(struct link *link)
{
    link_close(link, ERR_TRANSPORT_SOCKET, "SCTP's key cannot be changed", false);
}

/* What either end still sends with is kept. */
static void drop_old(struct link *link)
{
    struct link_auth *auth = &link->auth;
    size_t own = place_of(auth, auth->settled), peer = place_of(auth, auth->peer_settled),
           old = own < peer ? own : peer;
    if (old == auth->count)
        return;
    for (size_t i = 0; i < old; i++) {
        if (association_auth_drop(link->association, auth->keys[i]) != ERR_OK) {
            fail(link);
            return;
        }
        if (!auth->keys[i])
            log_write(LOG_INFO, LINK_ABOUT(link), "SCTP is authenticated");
    }
    auth->count -= old;
    memmove(auth->keys, auth->keys + old, auth->count * sizeof(*auth->keys));
}

/* The newest key that both have. */
static void use_newest(struct link *link)
{
    struct link_auth *auth = &link->auth;
    size_t newest = place_of(auth, auth->peer_ready);
    if (newest == auth->count || newest <= place_of(auth, auth->used))
        return;
    auth->used = auth->peer_ready;
    if (association_auth_use(link->association, auth->used) != ERR_OK)
        fail(link);
}

static void on_settled(struct association_events *events, uint16_t key)
{
    struct link *link = container_of(events, struct link, events);
    if (link->state == LINK_CLOSING)
        return;
    link->auth.settled = key;
    mux_control_auth_settled(link->control, key);
    link_control_flush(link);
    drop_old(link);
}

static void on_peer_ready(struct mux_control_events *events, uint16_t key)
{
    struct link *link = of_events(events);
    if (!link->auth.on || !link->association)
        return;
    link->auth.peer_ready = key;
    use_newest(link);
}

static void on_peer_settled(struct mux_control_events *events, uint16_t key)
{
    struct link *link = of_events(events);
    if (!link->auth.on || !link->association)
        return;
    link->auth.peer_settled = key;
    drop_old(link);
}

static void begin(struct link *link)
{
    link->control_events.on_auth_ready = on_peer_ready;
    link->control_events.on_auth_settled = on_peer_settled;
    link->events.on_auth_settled = on_settled;
    link->auth = (struct link_auth){.on = link->tunnel->config->sctp.auth, .count = 1};
}

/* Both ends count alike, whatever fails: the first master's is 1, a renewal's its epoch and 1. */
static uint16_t number_of(const struct link_master *master)
{
    return (uint16_t)(master->epoch + 1);
}

void link_auth_verified(struct link *link, const struct link_master *master)
{
    struct link_auth *auth = &link->auth;
    if (!auth->count)
        begin(link);
    uint16_t number = number_of(master);
    uint8_t key[TRANSPORT_AUTH_KEY];
    /* No room: masters that only this end takes for verified. The key in use stays. */
    if (!auth->on || link->state == LINK_CLOSING || !link->association ||
        auth->count == LINK_AUTH_KEYS || place_of(auth, number) < auth->count)
        return;
    bool added = tls_session_export(master->session, KEY_LABEL, key, sizeof(key)) == ERR_OK &&
                 association_auth_add(link->association, number, key) == ERR_OK;
    explicit_bzero(key, sizeof(key));
    if (!added) {
        fail(link);
        return;
    }
    auth->keys[auth->count++] = number;
    mux_control_auth_ready(link->control, number);
    link_control_flush(link);
    use_newest(link);
}

const char *link_auth_state(const struct link *link)
{
    if (!link->tunnel->config->sctp.auth)
        return "off";
    return link->auth.count && link->auth.keys[0] ? "on" : "pending";
}
