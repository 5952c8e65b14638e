/* A server's associations have places: so many of each identity, and so many in all. One that comes
 * when none is free may have that of an older one which is only a ghost: its client went without a
 * word and is back before that was noticed. So those that have places are asked, by PING, while the
 * newcomer waits with its HELLO. Who answers keeps its place. */
#include <stdio.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/link.h"
#include "proxy/quota.h"
#include "proxy/tunnel.h"
#include "proxy/worker.h"

/* Without an answer for so long it is a ghost: half a second where the transport sees no way to it
 * either, else what a bad line may take. A client gives a handshake 10 s. */
#define SILENT_US     500000
#define PATIENCE_US   3000000
#define LOOK_EVERY_US 100000
/* A client that is no more than a ghost must not have others asked without end. */
#define WAITING_MAX 16

static uint64_t now(const struct link *link)
{
    return loop_now(link->tunnel->home->loop);
}

/* One may be beside an older one that drains. */
static uint32_t own_places(const struct link *link)
{
    return link->quota->associations - (link->quota->leaving ? 1 : 0);
}

static bool identity_is_full(const struct link *link)
{
    return own_places(link) >= link->quota->limits->max_associations;
}

static bool is_full(const struct link *link)
{
    uint32_t leaving = link->quota->leaving ? 1 : 0;
    return identity_is_full(link) ||
           link->tunnel->places - leaving >= link->tunnel->config->max_peers;
}

/* Whether other's place would do for link. */
static bool would_do(const struct link *link, const struct link *other)
{
    return other->place == PLACE_TAKEN && (!identity_is_full(link) || other->quota == link->quota);
}

static bool has_a_way(const struct link *link)
{
    for (size_t i = 0; i < link->paths.count; i++)
        if (link->paths.known[i].now.state == PATH_ACTIVE)
            return true;
    return !link->paths.count;
}

static bool is_ghost(const struct link *link)
{
    if (!link->asked_us || link->answers)
        return false;
    uint64_t silent = now(link) - link->asked_us;
    return silent >= PATIENCE_US || (silent >= SILENT_US && !has_a_way(link));
}

static void ask(struct link *link)
{
    bool is_asked = link->asked_us && now(link) - link->asked_us < PATIENCE_US;
    if (is_asked || link->state != LINK_READY)
        return;
    link->asked_us = now(link);
    link->answers = false;
    mux_control_ping(link->control, link->asked_us);
    link_control_flush(link);
}

void link_place_answered(struct link *link, uint64_t token)
{
    if (token == link->asked_us)
        link->answers = true;
}

static void begin(struct link *link)
{
    link->place = PLACE_TAKEN;
    link->quota->associations++;
    link->tunnel->places++;
    loop_timer_cancel(link->tunnel->home->loop, &link->place_timer);
    link_control_begin(link);
}

static void tell_refusal(struct link *link)
{
    const struct config_tunnel *config = link->tunnel->config;
    bool identity = identity_is_full(link);
    uint64_t left_out;
    counter_add(&link->tunnel->counters.limit_associations, 1);
    link->is_quiet = true;
    if (!log_minute_allows(identity ? &link->quota->associations_told : &link->tunnel->places_told,
                           now(link), &left_out))
        return;
    log_write(LOG_WARNING, LINK_ABOUT(link),
              "no place for another association, from %s: %s = %u have theirs, and all of them "
              "answer; raise it if that is meant to be (%llu more were refused before)",
              link->peer_text, identity ? "identity.max_associations" : "max_peers",
              identity ? link->quota->limits->max_associations : config->max_peers,
              (unsigned long long)left_out);
}

static void refuse(struct link *link)
{
    const char *limit = identity_is_full(link) ? "identity.max_associations" : "max_peers";
    char detail[128];
    snprintf(detail, sizeof(detail), "%s of the server is reached", limit);
    tell_refusal(link);
    link_close(link, ERR_TOO_MANY_ASSOCIATIONS, detail, false);
}

/* The oldest: the list has the newest first. */
static struct link *find_ghost(const struct link *link)
{
    struct link *ghost = NULL;
    for (struct link *other = link->tunnel->links; other; other = other->next)
        if (would_do(link, other) && is_ghost(other))
            ghost = other;
    return ghost;
}

static void look(struct link *link)
{
    struct link *ghost = is_full(link) ? find_ghost(link) : NULL;
    if (ghost) {
        counter_add(&link->tunnel->counters.associations_replaced, 1);
        link_close(ghost, ERR_REPLACED, NULL, false);
    }
    if (!is_full(link)) {
        begin(link);
        link_auth_verified(link, &link->master);
        link_master_advance(link, &link->master);
    } else if (now(link) - link->place_since_us > PATIENCE_US + 2 * LOOK_EVERY_US) {
        refuse(link);
    } else {
        loop_timer_set(link->tunnel->home->loop, &link->place_timer, now(link) + LOOK_EVERY_US);
    }
}

static void on_look(struct loop_timer *timer)
{
    look(container_of(timer, struct link, place_timer));
}

static unsigned count_waiting(const struct link *link)
{
    unsigned waiting = 0;
    for (const struct link *other = link->tunnel->links; other; other = other->next)
        waiting += other->place == PLACE_AWAITED && other->quota == link->quota;
    return waiting;
}

static void wait(struct link *link)
{
    if (count_waiting(link) >= WAITING_MAX) {
        refuse(link);
        return;
    }
    link->place = PLACE_AWAITED;
    link->place_since_us = now(link);
    link->place_timer.on_expire = on_look;
    for (struct link *other = link->tunnel->links; other; other = other->next)
        if (would_do(link, other))
            ask(other);
    loop_timer_set(link->tunnel->home->loop, &link->place_timer, now(link) + LOOK_EVERY_US);
}

void link_place_take(struct link *link)
{
    struct tunnel *tunnel = link->tunnel;
    link->budget = tunnel->budget;
    if (tunnel->config->role == CONFIG_CLIENT) {
        link_control_begin(link);
        return;
    }
    link->quota =
        quota_find(&tunnel->quotas, link->identity, &tunnel->config->identity, tunnel->budget);
    link->budget = &link->quota->budget;
    if (is_full(link))
        wait(link);
    else
        begin(link);
}

uint32_t link_place_streams(struct link *link, uint32_t wanted)
{
    uint64_t left_out;
    if (!link->quota)
        return wanted;
    link->streams_taken = quota_take_streams(link->quota, wanted);
    if (link->streams_taken < wanted) {
        counter_add(&link->tunnel->counters.limit_streams, 1);
        if (log_minute_allows(&link->quota->streams_told, now(link), &left_out))
            log_write(LOG_WARNING, LINK_ABOUT(link),
                      "identity.max_streams = %u is nearly used up: an association gets %u streams "
                      "instead of %u (%llu more got fewer before)",
                      link->quota->limits->max_streams, link->streams_taken, wanted,
                      (unsigned long long)left_out);
    }
    return link->streams_taken;
}

void link_place_drains(struct link *link)
{
    if (link->place == PLACE_TAKEN && !link->peer_leaving)
        link->quota->leaving++;
    link->peer_leaving = true;
}

void link_place_leave(struct link *link)
{
    loop_timer_cancel(link->tunnel->home->loop, &link->place_timer);
    if (link->place == PLACE_TAKEN) {
        link->quota->leaving -= link->peer_leaving;
        link->quota->associations--;
        link->tunnel->places--;
        quota_give_streams(link->quota, link->streams_taken);
    }
    link->place = PLACE_NONE;
}
