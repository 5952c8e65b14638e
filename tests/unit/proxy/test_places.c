/* Places of identities: limits, waiting, threads. */
#include "proxy/link/places.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "proxy/worker/worker.h"
#include "tests/lib/tap.h"

/* The links of two parts, on two workers that the test turns; who the identity is, is a name. */
struct bed {
    struct config_tunnel config;
    struct mux_budget budget;
    struct places places;
    struct worker workers[2];
};

/* Stands for a link: places.c never looks into one. */
struct end {
    struct place *place;
    unsigned asked, ended;
};

static uint64_t now_us;

static void on_mail(struct mail *mail)
{
    struct places_orders orders = places_orders(mail);
    struct end *end = (struct end *)(void *)orders.link;
    if (!end)
        return;
    end->ended += orders.end;
    if (orders.ask) {
        end->asked++;
        places_asked(end->place, now_us);
    }
}

static void begin(struct bed *bed, uint32_t max_peers, uint32_t of_identity)
{
    *bed = (struct bed){.config = {.max_peers = max_peers}};
    bed->config.identity = (struct config_identity){
        .max_associations = of_identity, .max_streams = 100, .max_connections = 10};
    places_init(&bed->places, &bed->config, &bed->budget);
    for (unsigned i = 0; i < 2; i++)
        must(worker_init(&bed->workers[i], i, NULL) == 0);
    now_us = 1000000000;
}

static void finish(struct bed *bed)
{
    places_fini(&bed->places);
    for (unsigned i = 0; i < 2; i++)
        worker_fini(&bed->workers[i]);
}

static void deliver(struct bed *bed)
{
    for (unsigned i = 0; i < 2; i++)
        loop_turn(bed->workers[i].loop, 0);
}

static void enter(struct bed *bed, struct end *end, unsigned worker, const char *name)
{
    struct tls_identity *identity = tls_identity_new(TLS_IDENTITY_CERTIFICATE);
    tls_identity_add_name(identity, TLS_NAME_DNS, name, strlen(name));
    *end = (struct end){0};
    end->place = places_enter(&bed->places, (struct link *)(void *)end, &bed->workers[worker],
                              identity, on_mail);
    tls_identity_unref(identity);
}

static void leave(struct end *end)
{
    places_leave(end->place);
    end->place = NULL;
}

static void test_limits(void)
{
    struct bed bed;
    struct end a, b, c;
    struct places_limit limit;
    begin(&bed, 2, 1);
    enter(&bed, &a, 0, "a.example");
    enter(&bed, &b, 1, "b.example");
    enter(&bed, &c, 0, "c.example");
    ok(places_take(a.place, now_us) == PLACES_GRANTED &&
           places_take(b.place, now_us) == PLACES_GRANTED && bed.places.taken == 2,
       "two of two places, at two workers");
    ok(places_take(c.place, now_us) == PLACES_WAIT, "a third waits");
    deliver(&bed);
    ok(a.asked == 1 && b.asked == 1 && !c.asked, "and both are asked, each at its own worker");
    places_answered(a.place, now_us);
    places_answered(b.place, now_us - 1);
    atomic_store(&a.place->has_way, true);
    atomic_store(&b.place->has_way, true);
    now_us += 2900000;
    ok(places_take(c.place, now_us) == PLACES_WAIT, "there is time for an answer");
    now_us += 200000;
    ok(places_take(c.place, now_us) == PLACES_REPLACED && bed.places.taken == 2,
       "the one that has not answered loses its place: an answer to another question is none");
    deliver(&bed);
    ok(!a.ended && b.ended == 1, "and is told at its worker");
    places_give_back(b.place);
    leave(&b);
    ok(bed.places.taken == 2, "what it had is not given back twice");
    enter(&bed, &b, 1, "a.example");
    ok(places_take(b.place, now_us) == PLACES_WAIT, "a second one of an identity waits, too");
    places_limit(b.place, now_us, &limit);
    ok(limit.value == 1 && limit.may_log, "for its own limit: %s", limit.name);
    deliver(&bed);
    ok(a.asked == 2 && !c.asked, "for a place of its own identity");
    places_drains(a.place);
    ok(places_take(b.place, now_us) == PLACES_GRANTED, "one that drains is not counted");
    leave(&a);
    ok(bed.places.taken == 2, "two are left");
    leave(&b);
    leave(&c);
    ok(!bed.places.taken && !bed.places.list, "none is left");
    finish(&bed);
}

static void test_end(void)
{
    struct bed bed;
    struct end a, b;
    begin(&bed, 1, 1);
    enter(&bed, &a, 0, "a.example");
    enter(&bed, &b, 1, "b.example");
    must(places_take(a.place, now_us) == PLACES_GRANTED);
    must(places_take(b.place, now_us) == PLACES_WAIT);
    leave(&a); /* the mail that asks is still under way */
    deliver(&bed);
    ok(!a.asked, "a link that has gone meanwhile is not asked");
    ok(places_take(b.place, now_us) == PLACES_GRANTED, "and its place is free");
    enter(&bed, &a, 0, "a.example");
    must(places_take(a.place, now_us) == PLACES_WAIT);
    deliver(&bed);
    places_answered(b.place, now_us);
    now_us += 3300000;
    ok(places_take(a.place, now_us) == PLACES_REFUSED, "who answers keeps its place");
    leave(&a);
    leave(&b);
    leave(&(struct end){0});
    finish(&bed);
}

static void test_many_wait(void)
{
    struct bed bed;
    struct end first, waiting[17];
    begin(&bed, 1, 100);
    enter(&bed, &first, 0, "a.example");
    must(places_take(first.place, now_us) == PLACES_GRANTED);
    for (unsigned i = 0; i < 17; i++) {
        enter(&bed, &waiting[i], i % 2, "b.example");
        enum places_result result = places_take(waiting[i].place, now_us);
        ok(result == (i < 16 ? PLACES_WAIT : PLACES_REFUSED), "of one identity %u: %s", i,
           result == PLACES_WAIT ? "waits" : "is refused");
    }
    deliver(&bed);
    ok(first.asked == 1, "the other one is asked once");
    ok(places_streams(first.place, 60) == 50 && first.place->quota->streams == 50,
       "streams are half of what is left");
    leave(&first);
    for (unsigned i = 0; i < 17; i++)
        leave(&waiting[i]);
    finish(&bed);
}

static void *compete(void *argument)
{
    struct end *end = argument;
    for (int i = 0; i < 20000; i++)
        if (places_take(end->place, now_us) == PLACES_GRANTED) {
            places_streams(end->place, 10);
            places_give_back(end->place);
        }
    return NULL;
}

static void test_threads(void)
{
    struct bed bed;
    struct end ends[2];
    pthread_t threads[2];
    begin(&bed, 1, 1);
    for (unsigned i = 0; i < 2; i++)
        enter(&bed, &ends[i], i, "a.example");
    for (unsigned i = 0; i < 2; i++)
        must(pthread_create(&threads[i], NULL, compete, &ends[i]) == 0);
    for (unsigned i = 0; i < 2; i++)
        must(pthread_join(threads[i], NULL) == 0);
    struct quota *quota = ends[0].place->quota;
    ok(!bed.places.taken && !quota->associations && !quota->streams,
       "two threads that take and give back leave nothing");
    deliver(&bed);
    for (unsigned i = 0; i < 2; i++)
        leave(&ends[i]);
    finish(&bed);
}

int main(void)
{
    test_limits();
    test_end();
    test_many_wait();
    test_threads();
    return tap_done();
}
