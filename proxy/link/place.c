/* A server's link takes a place when its peer is verified (proxy/link/places.h). While it waits for
 * one its HELLO waits, too. */
#include <stdio.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/link/link_private.h"
#include "proxy/link/places.h"

/* Messages of a client that waits for its place: it sends one, HELLO, and then waits, too. */
#define KEPT_MAX 32

static void on_mail(struct mail *mail)
{
    struct places_orders orders = places_orders(mail);
    struct link *link = orders.link;
    if (!link)
        return;
    if (orders.end) {
        link->wiring->on_failed(link, ERR_REPLACED, NULL, false);
    } else if (orders.ask && link->state == LINK_READY) {
        uint64_t token = link_now(link);
        places_asked(link->place.place, token);
        mux_control_ping(link->control.mux, token);
        link_control_flush(link);
    }
}

void link_place_answered(struct link *link, uint64_t token)
{
    if (link->place.place)
        places_answered(link->place.place, token);
}

static void refuse(struct link *link)
{
    struct places_limit limit;
    char detail[128];
    places_limit(link->place.place, link_now(link), &limit);
    counter_add(&link->tunnel->counters->limit_associations, 1);
    link->life.is_quiet = true;
    if (limit.may_log)
        log_write(LOG_WARNING, LINK_ABOUT(link),
                  "no place for another association, from %s: %s = %u have theirs, and all of them "
                  "answer; raise it if that is meant to be (%llu more were refused before)",
                  link->peer.text, limit.name, limit.value, (unsigned long long)limit.left_out);
    snprintf(detail, sizeof detail, "%s of the server is reached", limit.name);
    link->wiring->on_failed(link, ERR_TOO_MANY_ASSOCIATIONS, detail, false);
}

static void look(struct link *link)
{
    enum places_result result = places_take(link->place.place, link_now(link));
    bool waited = link->place.awaited;
    if (result == PLACES_REFUSED) {
        refuse(link);
    } else if (result == PLACES_WAIT) {
        link->place.awaited = true;
        loop_timer_set(link_loop(link), &link->place.timer, link_now(link) + PLACES_LOOK_EVERY_US);
    } else {
        if (result == PLACES_REPLACED)
            counter_add(&link->tunnel->counters->associations_replaced, 1);
        loop_timer_cancel(link_loop(link), &link->place.timer);
        link->place.awaited = false;
        link->wiring->on_place(link, waited);
    }
}

static void on_look(struct loop_timer *timer)
{
    look(container_of(timer, struct link, place.timer));
}

void link_place_paths(struct link *link)
{
    if (!link->place.place)
        return;
    bool has_way = !link->paths.count;
    for (size_t i = 0; i < link->paths.count; i++)
        has_way = has_way || link->paths.known[i].now.state == PATH_ACTIVE;
    atomic_store_explicit(&link->place.place->has_way, has_way, memory_order_relaxed);
}

void link_place_take(struct link *link)
{
    link->place.place =
        places_enter(link->owner->places, link, link->tunnel->home, link->peer.identity, on_mail);
    link->group.quota = quota_ref(link->place.place->quota);
    link->group.budget = &link->group.quota->budget;
    link->place.timer.on_expire = on_look;
    link_place_paths(link);
    look(link);
}

bool link_place_keeps(struct link *link)
{
    return !link->place.awaited || ++link->place.kept <= KEPT_MAX;
}

uint32_t link_place_streams(struct link *link, uint32_t wanted)
{
    uint64_t left_out;
    if (!link->place.place)
        return wanted;
    uint32_t streams = places_streams(link->place.place, wanted);
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
    if (link->place.place)
        places_drains(link->place.place);
}

void link_place_give_back(struct link *link)
{
    loop_timer_cancel(link_loop(link), &link->place.timer);
    link->place.awaited = false;
    if (link->place.place)
        places_give_back(link->place.place);
}

void link_place_leave(struct link *link)
{
    places_leave(link->place.place);
    link->place.place = NULL;
}
