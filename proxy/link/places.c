/* The places of a server's associations: taken, awaited, and taken from ghosts. */
#include "proxy/link/places.h"

#include <stdlib.h>

#include "base/check.h"
#include "proxy/worker/worker.h"

/* Without an answer in this time it is a ghost: half a second where the transport sees no way to it
 * either, else what a bad line may take. A client gives a handshake 10 s. */
#define SILENT_US   500000
#define PATIENCE_US 3000000
/* A client that is no more than a ghost must not have others asked without end. */
#define WAITING_MAX 16

static void lock(struct places *places)
{
    must(pthread_mutex_lock(&places->lock) == 0);
}

static void unlock(struct places *places)
{
    must(pthread_mutex_unlock(&places->lock) == 0);
}

void places_init(struct places *places, const struct config_tunnel *config,
                 struct mux_budget *budget)
{
    *places = (struct places){.config = config, .budget = budget};
    must(pthread_mutex_init(&places->lock, NULL) == 0);
}

void places_fini(struct places *places)
{
    must(!places->list);
    quota_clear(&places->quotas);
    pthread_mutex_destroy(&places->lock);
}

/* ---- under the lock ---- */

/* One may be beside an older one that drains. */
static uint32_t leaving(const struct place *place)
{
    return place->quota->leaving ? 1 : 0;
}

static bool identity_is_full(const struct place *place)
{
    const struct quota *quota = place->quota;
    return quota->associations - leaving(place) >= quota->limits->max_associations;
}

static bool is_full(const struct place *place)
{
    return identity_is_full(place) ||
           place->places->taken - leaving(place) >= place->places->config->max_peers;
}

/* True: other's place would do. */
static bool would_do(const struct place *place, const struct place *other)
{
    return other->state == PLACE_TAKEN &&
           (!identity_is_full(place) || other->quota == place->quota);
}

static bool is_ghost(const struct place *place, uint64_t now_us)
{
    if (!place->asked_us || place->answers || now_us < place->asked_us)
        return false;
    uint64_t silent = now_us - place->asked_us;
    return silent >= PATIENCE_US ||
           (silent >= SILENT_US && !atomic_load_explicit(&place->has_way, memory_order_relaxed));
}

/* The oldest: the list has the newest first. */
static struct place *find_ghost(const struct place *place, uint64_t now_us)
{
    struct place *ghost = NULL;
    for (struct place *other = place->places->list; other; other = other->next)
        if (would_do(place, other) && is_ghost(other, now_us))
            ghost = other;
    return ghost;
}

static void post(struct place *place)
{
    if (place->is_posted)
        return;
    place->is_posted = true;
    place->references++;
    worker_post(place->worker, &place->mail);
}

static void give_back(struct place *place)
{
    if (place->state == PLACE_TAKEN) {
        place->quota->leaving -= place->is_leaving;
        place->quota->associations--;
        place->places->taken--;
        quota_give_streams(place->quota, place->streams);
    }
    place->streams = 0;
    place->state = PLACE_NONE;
}

static void evict(struct place *ghost)
{
    give_back(ghost);
    ghost->is_to_end = true;
    post(ghost);
}

static void take(struct place *place)
{
    place->state = PLACE_TAKEN;
    place->quota->associations++;
    place->places->taken++;
}

static unsigned count_waiting(const struct place *place)
{
    unsigned waiting = 0;
    for (const struct place *other = place->places->list; other; other = other->next)
        waiting += other->state == PLACE_AWAITED && other->quota == place->quota;
    return waiting;
}

static enum places_result begin_waiting(struct place *place, uint64_t now_us)
{
    if (count_waiting(place) >= WAITING_MAX)
        return PLACES_REFUSED;
    place->state = PLACE_AWAITED;
    place->since_us = now_us;
    for (struct place *other = place->places->list; other; other = other->next) {
        bool is_asked = other->asked_us && now_us - other->asked_us < PATIENCE_US;
        if (!would_do(place, other) || is_asked)
            continue;
        other->is_to_be_asked = true;
        post(other);
    }
    return PLACES_WAIT;
}

static enum places_result try_again(struct place *place, uint64_t now_us)
{
    struct place *ghost = is_full(place) ? find_ghost(place, now_us) : NULL;
    if (ghost)
        evict(ghost);
    if (!is_full(place)) {
        take(place);
        return ghost ? PLACES_REPLACED : PLACES_GRANTED;
    }
    if (place->state != PLACE_AWAITED)
        return begin_waiting(place, now_us);
    return now_us - place->since_us > PATIENCE_US + 2 * PLACES_LOOK_EVERY_US ? PLACES_REFUSED
                                                                             : PLACES_WAIT;
}

static void drop(struct place *place)
{
    if (--place->references)
        return;
    quota_unref(place->quota);
    free(place);
}

/* ---- */

struct place *places_enter(struct places *places, struct link *link, struct worker *worker,
                           const struct tls_identity *identity, void (*on_mail)(struct mail *))
{
    struct place *place = check_alloc(sizeof *place);
    place->places = places;
    place->link = link;
    place->worker = worker;
    place->mail.deliver = on_mail;
    place->references = 1;
    lock(places);
    place->quota = quota_find(&places->quotas, identity, &places->config->identity, places->budget);
    place->next = places->list;
    if (place->next)
        place->next->previous = place;
    places->list = place;
    unlock(places);
    return place;
}

enum places_result places_take(struct place *place, uint64_t now_us)
{
    lock(place->places);
    enum places_result result = try_again(place, now_us);
    unlock(place->places);
    return result;
}

void places_limit(struct place *place, uint64_t now_us, struct places_limit *limit)
{
    struct quota *quota = place->quota;
    lock(place->places);
    bool by_identity = identity_is_full(place);
    unlock(place->places);
    limit->name = by_identity ? "identity.max_associations" : "max_peers";
    limit->value = by_identity ? quota->limits->max_associations : place->places->config->max_peers;
    limit->may_log = log_minute_allows(
        by_identity ? &quota->associations_told : &place->places->told, now_us, &limit->left_out);
}

struct places_orders places_orders(struct mail *mail)
{
    struct place *place = container_of(mail, struct place, mail);
    struct places *places = place->places;
    lock(places);
    struct places_orders orders = {
        .link = place->link, .ask = place->is_to_be_asked, .end = place->is_to_end};
    place->is_to_be_asked = place->is_to_end = place->is_posted = false;
    drop(place);
    unlock(places);
    return orders;
}

void places_asked(struct place *place, uint64_t now_us)
{
    lock(place->places);
    place->asked_us = now_us;
    place->answers = false;
    unlock(place->places);
}

void places_answered(struct place *place, uint64_t asked_us)
{
    lock(place->places);
    if (place->asked_us == asked_us)
        place->answers = true;
    unlock(place->places);
}

void places_drains(struct place *place)
{
    lock(place->places);
    if (place->state == PLACE_TAKEN && !place->is_leaving) {
        place->quota->leaving++;
        place->is_leaving = true;
    }
    unlock(place->places);
}

uint32_t places_streams(struct place *place, uint32_t wanted)
{
    lock(place->places);
    if (place->state == PLACE_TAKEN) /* else it has just been lost to another */
        place->streams = quota_take_streams(place->quota, wanted);
    uint32_t streams = place->state == PLACE_TAKEN ? place->streams : wanted;
    unlock(place->places);
    return streams;
}

void places_give_back(struct place *place)
{
    lock(place->places);
    give_back(place);
    unlock(place->places);
}

void places_leave(struct place *place)
{
    if (!place)
        return;
    struct places *places = place->places;
    lock(places);
    give_back(place);
    *(place->previous ? &place->previous->next : &places->list) = place->next;
    if (place->next)
        place->next->previous = place->previous;
    place->link = NULL;
    drop(place);
    unlock(places);
}

void places_each_identity(struct places *places, void (*visit)(void *context, struct quota *quota),
                          void *context)
{
    lock(places);
    for (struct quota *quota = places->quotas; quota; quota = quota->next)
        if (atomic_load(&quota->references))
            visit(context, quota);
    unlock(places);
}
