/* A server's link takes a place when its peer is verified (proxy/link/places.h). While it waits for
 * one its HELLO waits, too. */
#include <stdio.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/link/link.h"
#include "proxy/link/owner.h"
#include "proxy/link/places.h"
#include "proxy/worker/worker.h"

static void on_mail(struct mail *mail)
{
    struct places_orders orders = places_orders(mail);
    struct link *link = orders.link;
    if (!link)
        return;
    if (orders.end) {
        link_close(link, ERR_REPLACED, NULL, false);
    } else if (orders.ask && link->state == LINK_READY) {
        uint64_t token = link_now(link);
        places_asked(link->place, token);
        mux_control_ping(link->control, token);
        link_control_flush(link);
    }
}

void link_place_answered(struct link *link, uint64_t token)
{
    if (link->place)
        places_answered(link->place, token);
}

static void begin(struct link *link)
{
    loop_timer_cancel(link->tunnel->home->loop, &link->place_timer);
    link->place_awaited = false;
    link_control_begin(link);
}

static void refuse(struct link *link)
{
    struct places_limit limit;
    char detail[128];
    places_limit(link->place, link_now(link), &limit);
    counter_add(&link->tunnel->counters->limit_associations, 1);
    link->is_quiet = true;
    if (limit.may_log)
        log_write(LOG_WARNING, LINK_ABOUT(link),
                  "no place for another association, from %s: %s = %u have theirs, and all of them "
                  "answer; raise it if that is meant to be (%llu more were refused before)",
                  link->peer_text, limit.name, limit.value, (unsigned long long)limit.left_out);
    snprintf(detail, sizeof(detail), "%s of the server is reached", limit.name);
    link_close(link, ERR_TOO_MANY_ASSOCIATIONS, detail, false);
}

static void look(struct link *link)
{
    enum places_result result = places_take(link->place, link_now(link));
    bool waited = link->place_awaited;
    if (result == PLACES_REFUSED) {
        refuse(link);
    } else if (result == PLACES_WAIT) {
        link->place_awaited = true;
        loop_timer_set(link->tunnel->home->loop, &link->place_timer,
                       link_now(link) + PLACES_LOOK_EVERY_US);
    } else {
        if (result == PLACES_REPLACED)
            counter_add(&link->tunnel->counters->associations_replaced, 1);
        begin(link);
        if (!waited)
            return;
        link_auth_verified(link, &link->master);
        link_master_advance(link, &link->master);
    }
}

static void on_look(struct loop_timer *timer)
{
    look(container_of(timer, struct link, place_timer));
}

void link_place_paths(struct link *link)
{
    if (!link->place)
        return;
    bool has_way = !link->paths.count;
    for (size_t i = 0; i < link->paths.count; i++)
        has_way = has_way || link->paths.known[i].now.state == PATH_ACTIVE;
    atomic_store_explicit(&link->place->has_way, has_way, memory_order_relaxed);
}

void link_place_take(struct link *link)
{
    struct tunnel_base *tunnel = link->tunnel;
    link->group.budget = tunnel->budget;
    if (tunnel->config->role == CONFIG_CLIENT) {
        link_control_begin(link);
        return;
    }
    link->place = places_enter(link->owner->places, link, tunnel->home, link->identity, on_mail);
    link->group.quota = quota_ref(link->place->quota);
    link->group.budget = &link->group.quota->budget;
    link->place_timer.on_expire = on_look;
    link_place_paths(link);
    look(link);
}

uint32_t link_place_streams(struct link *link, uint32_t wanted)
{
    uint64_t left_out;
    if (!link->place)
        return wanted;
    uint32_t streams = places_streams(link->place, wanted);
    if (streams < wanted) {
        counter_add(&link->tunnel->counters->limit_streams, 1);
        if (log_minute_allows(&link->group.quota->streams_told, link_now(link), &left_out))
            log_write(LOG_WARNING, LINK_ABOUT(link),
                      "identity.max_streams = %u is nearly used up: an association gets %u streams "
                      "instead of %u (%llu more got fewer before)",
                      link->group.quota->limits->max_streams, streams, wanted,
                      (unsigned long long)left_out);
    }
    return streams;
}

void link_place_drains(struct link *link)
{
    if (link->place)
        places_drains(link->place);
    link->peer_leaving = true;
}

void link_place_give_back(struct link *link)
{
    loop_timer_cancel(link->tunnel->home->loop, &link->place_timer);
    link->place_awaited = false;
    if (link->place)
        places_give_back(link->place);
}

void link_place_leave(struct link *link)
{
    places_leave(link->place);
    link->place = NULL;
}
