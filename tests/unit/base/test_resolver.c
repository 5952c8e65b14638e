/* The resolver: several names at once, slow ones, the cache, freeing with queries. */
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/resolver.h"
#include "tests/lib/tap.h"

static atomic_bool no_threads;

/* In front of the C library's. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *argument)
{
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    must(real);
    return no_threads ? EAGAIN : real(thread, attributes, run, argument);
}

static struct loop *loop;
static struct mailbox box;
static int answers;

static void on_answer(struct resolver_query *query)
{
    (void)query;
    answers++;
}

static struct resolver_query query_for(const char *host)
{
    return (struct resolver_query){
        .on_answer = on_answer, .reply_to = &box, .host = host, .port = 8080};
}

static void wait_for(int wanted)
{
    while (answers < wanted)
        loop_turn(loop, UINT64_MAX);
}

static void known_name(struct resolver *resolver)
{
    struct resolver_query query = query_for("localhost");
    char text[ADDRESS_TEXT_MAX];
    bool loopback = true;
    answers = 0;
    resolver_ask(resolver, &query);
    wait_for(1);
    ok(query.answer.count > 0, "localhost has %d addresses", query.answer.count);
    for (int i = 0; i < query.answer.count; i++) {
        address_format(&query.answer.addresses[i], text);
        loopback = loopback && (strncmp(text, "127.", 4) == 0 || strncmp(text, "[::1]", 5) == 0) &&
                   strstr(text, ":8080");
        for (int other = 0; other < i; other++)
            loopback = loopback &&
                       !address_equal(&query.answer.addresses[i], &query.answer.addresses[other]);
    }
    ok(loopback, "each is a loopback address with the port, and there once");
}

/* A label of 64 bytes is more than DNS allows: refused without asking a name server. */
static const char impossible[] =
    "x123456789012345678901234567890123456789012345678901234567890123.invalid";

static void unknown_name(struct resolver *resolver)
{
    struct resolver_query query = query_for(impossible);
    answers = 0;
    resolver_ask(resolver, &query);
    wait_for(1);
    ok(query.answer.count == 0 && query.answer.why[0], "an impossible name fails: %s",
       query.answer.why);
}

static void several(struct resolver *resolver)
{
    enum { SEVERAL = 20 };
    struct resolver_query queries[SEVERAL];
    bool right = true;
    answers = 0;
    for (int i = 0; i < SEVERAL; i++) {
        queries[i] = query_for(i % 2 ? "127.0.0.1" : impossible);
        resolver_ask(resolver, &queries[i]);
    }
    wait_for(SEVERAL);
    loop_turn(loop, 0);
    for (int i = 0; i < SEVERAL; i++)
        right = right && queries[i].answer.count == i % 2;
    ok(answers == SEVERAL && right, "%d queries are answered once each, each its own", SEVERAL);
}

/* The helper thread decides if a query is not begun, under way or done: all must end. */
static void freed_with_queries(void)
{
    enum { ROUNDS = 50, EACH = 4 };
    struct resolver_query queries[EACH];
    answers = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct resolver *resolver = resolver_new(NULL);
        must(resolver != NULL);
        for (int i = 0; i < EACH; i++) {
            queries[i] = query_for("127.0.0.1");
            resolver_ask(resolver, &queries[i]);
        }
        resolver_free(resolver);
        wait_for((round + 1) * EACH);
    }
    loop_turn(loop, 0);
    ok(answers == ROUNDS * EACH, "a resolver freed early has answered each query once");
}

/* ---- look-ups of the test's own ---- */

/* "held…" is answered when the test lets it; an address with "." gives itself; "families" gives
 * three of one and two of the other family; "fails N E" fails with code -N and errno E. Each
 * look-up lasts lasts_us by the test's clock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t change = PTHREAD_COND_INITIALIZER;
static bool hold;
static int under_way, look_ups, ended;
static _Atomic uint64_t clock_us, lasts_us;

static uint64_t test_now(void)
{
    return atomic_load(&clock_us);
}

static struct addrinfo *numeric(const char *text)
{
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    must(getaddrinfo(text, NULL, &hints, &found) == 0);
    return found;
}

static struct addrinfo *list(const char *const *texts)
{
    struct addrinfo *first = NULL, **last = &first;
    for (; *texts; texts++) {
        *last = numeric(*texts);
        last = &(*last)->ai_next;
    }
    return first;
}

static void wait_while_held(void)
{
    pthread_mutex_lock(&lock);
    under_way++;
    pthread_cond_broadcast(&change);
    while (hold)
        pthread_cond_wait(&change, &lock);
    under_way--;
    pthread_mutex_unlock(&lock);
}

static int test_look_up(const char *host, struct addrinfo **found)
{
    static const char *const both[] = {"::1", "::2", "::2", "::3", "127.0.0.1", "127.0.0.2", NULL};
    static const char *const many[] = {"::1", "::2",  "::3",  "::4",     "::5",     "::6", "::7",
                                       "::8", "::9",  "::a",  "::b",     "::c",     "::d", "::e",
                                       "::f", "::10", "::11", "1.1.1.1", "2.2.2.2", NULL};
    int code = 0, error = 0;
    pthread_mutex_lock(&lock);
    look_ups++;
    pthread_mutex_unlock(&lock);
    if (!strncmp(host, "held", 4))
        wait_while_held();
    atomic_fetch_add(&clock_us, atomic_load(&lasts_us));
    if (sscanf(host, "fails %d %d", &code, &error) != 2)
        *found = !strcmp(host, "families") ? list(both)
                 : !strcmp(host, "many")   ? list(many)
                                           : numeric(strchr(host, '.') ? host : "127.0.0.1");
    pthread_mutex_lock(&lock);
    ended++;
    pthread_cond_broadcast(&change);
    pthread_mutex_unlock(&lock);
    errno = error;
    return -code;
}

static struct resolver *new_tested(void)
{
    const struct resolver_options options = {.look_up = test_look_up, .now_us = test_now};
    answers = look_ups = ended = 0;
    atomic_store(&lasts_us, 0);
    atomic_fetch_add(&clock_us, 3600000000);
    return resolver_new(&options);
}

static void let(bool held)
{
    pthread_mutex_lock(&lock);
    hold = held;
    pthread_cond_broadcast(&change);
    pthread_mutex_unlock(&lock);
}

static void wait_under_way(int wanted)
{
    pthread_mutex_lock(&lock);
    while (under_way != wanted)
        pthread_cond_wait(&change, &lock);
    pthread_mutex_unlock(&lock);
}

static int look_ups_now(void)
{
    pthread_mutex_lock(&lock);
    int count = look_ups;
    pthread_mutex_unlock(&lock);
    return count;
}

static struct resolver_query ask_and_wait(struct resolver *resolver, const char *host, bool fresh)
{
    struct resolver_query query = query_for(host);
    int before = answers;
    query.fresh = fresh;
    resolver_ask(resolver, &query);
    wait_for(before + 1);
    return query;
}

static void one_name_holds_nobody_up(void)
{
    struct resolver *resolver = new_tested();
    struct resolver_query held = query_for("held");
    let(true);
    resolver_ask(resolver, &held);
    wait_under_way(1);
    struct resolver_query other = ask_and_wait(resolver, "127.0.0.7", false);
    ok(other.answer.count == 1 && answers == 1, "a name is looked up while another one is silent");
    let(false);
    wait_for(2);
    ok(held.answer.count == 1, "and that one has its answer later");
    resolver_free(resolver);
}

static void equal_questions(void)
{
    enum { EQUAL = 100 };
    struct resolver *resolver = new_tested();
    struct resolver_query queries[EQUAL];
    bool right = true;
    let(true);
    for (int i = 0; i < EQUAL; i++) {
        queries[i] = query_for("held");
        queries[i].port = (uint16_t)(1000 + i);
        resolver_ask(resolver, &queries[i]);
    }
    wait_under_way(1);
    ok(answers == 0, "nobody is answered before the answer");
    let(false);
    wait_for(EQUAL);
    for (int i = 0; i < EQUAL; i++)
        right = right && queries[i].answer.count == 1 && !queries[i].cached &&
                queries[i].answer.addresses[0].in.sin_port == htons((uint16_t)(1000 + i));
    ok(right && look_ups_now() == 1, "%d equal questions cost one look-up, each has its port",
       EQUAL);
    resolver_free(resolver);
}

static void cached(void)
{
    struct resolver *resolver = new_tested();
    struct resolver_query query = ask_and_wait(resolver, "127.0.0.1", false);
    ok(!query.cached, "the first answer is new");
    atomic_fetch_add(&clock_us, RESOLVER_CACHE_US - 1);
    query = ask_and_wait(resolver, "127.0.0.1", false);
    ok(query.cached && query.answer.count == 1 && look_ups_now() == 1, "it is cached");
    query = ask_and_wait(resolver, "127.0.0.1", true);
    ok(!query.cached && look_ups_now() == 2, "but not for who wants a fresh one");
    atomic_fetch_add(&clock_us, RESOLVER_CACHE_US);
    query = ask_and_wait(resolver, "127.0.0.1", false);
    ok(!query.cached && look_ups_now() == 3, "and not for long");

    ask_and_wait(resolver, "fails 2 0", false);
    atomic_fetch_add(&clock_us, RESOLVER_CACHE_FAILURE_US - 1);
    query = ask_and_wait(resolver, "fails 2 0", false);
    ok(query.answer.count == 0 && query.cached && look_ups_now() == 4, "a failure is cached");
    atomic_fetch_add(&clock_us, 1);
    ask_and_wait(resolver, "fails 2 0", false);
    ok(look_ups_now() == 5, "for a shorter time");
    resolver_free(resolver);
}

static void is_why(struct resolver *resolver, const char *host, bool temporary, const char *why)
{
    struct resolver_query query = ask_and_wait(resolver, host, false);
    ok(query.answer.count == 0 && query.answer.temporary == temporary &&
           !strcmp(query.answer.why, why),
       "%s: %s", host, query.answer.why);
}

static void why_not(void)
{
    struct resolver *resolver = new_tested();
    char text[64];
    is_why(resolver, "fails 2 0", false, "the name does not exist: Name or service not known");
    is_why(resolver, "fails 5 0", false, "No address associated with hostname");
    snprintf(text, sizeof text, "fails %d %d", -EAI_SYSTEM, EMFILE);
    is_why(resolver, text, true, "Too many open files");
    is_why(resolver, "fails 3 0", true,
           "no name server can be reached, or none can say: Temporary failure in name resolution");
    atomic_store(&lasts_us, 10000000);
    is_why(resolver, "fails 3 11", true,
           "the name servers were silent for 10.0 s (Temporary failure in name resolution)");
    resolver_free(resolver);
}

static void families_by_turns(void)
{
    static const char *const wanted[] = {"[::1]:8080", "127.0.0.1:8080", "[::2]:8080",
                                         "127.0.0.2:8080", "[::3]:8080"};
    struct resolver *resolver = new_tested();
    struct resolver_query query = ask_and_wait(resolver, "families", false);
    char text[ADDRESS_TEXT_MAX];
    bool right = query.answer.count == 5;
    for (int i = 0; right && i < 5; i++)
        right = !strcmp(address_format(&query.answer.addresses[i], text), wanted[i]);
    ok(right, "each address once, the families by turns");
    query = ask_and_wait(resolver, "many", false);
    ok(query.answer.count == RESOLVER_MAX_ADDRESSES &&
           !strcmp(address_format(&query.answer.addresses[3], text), "2.2.2.2:8080"),
       "a family that is last is not what is left out");
    resolver_free(resolver);
}

enum { CROWD = RESOLVER_MAX_THREADS + 36 };

static void ask_crowd(struct resolver *resolver, struct resolver_query queries[static CROWD],
                      char names[static CROWD][16])
{
    for (int i = 0; i < CROWD; i++) {
        snprintf(names[i], sizeof names[i], "held-%d", i);
        queries[i] = query_for(names[i]);
        resolver_ask(resolver, &queries[i]);
    }
}

static void slow_names(void)
{
    struct resolver *resolver = new_tested();
    static struct resolver_query queries[CROWD];
    static char names[CROWD][16];
    let(true);
    ask_crowd(resolver, queries, names);
    wait_under_way(RESOLVER_MAX_THREADS);
    ok(look_ups_now() == RESOLVER_MAX_THREADS, "%d silent names hold %d threads, no more", CROWD,
       RESOLVER_MAX_THREADS);
    atomic_store(&lasts_us, 2000000);
    let(false);
    wait_for(CROWD);
    atomic_store(&lasts_us, 0);
    atomic_fetch_add(&clock_us, 2 * RESOLVER_CACHE_US);
    let(true);
    ask_crowd(resolver, queries, names);
    wait_under_way(RESOLVER_MAX_THREADS / 2);
    struct resolver_query other = ask_and_wait(resolver, "127.0.0.7", false);
    ok(other.answer.count == 1 && answers == CROWD + 1,
       "names known to be slow leave room for those that are not");
    wait_under_way(RESOLVER_MAX_THREADS / 2);
    ok(resolver_cancel(resolver, &queries[CROWD - 1]), "one that waits can be taken back");
    ok(resolver_cancel(resolver, &queries[0]), "one that is under way, too");
    let(false);
    wait_for(2 * CROWD + 1 - 2);
    loop_turn(loop, 0);
    ok(answers == 2 * CROWD - 1, "all others are answered in the end");
    ok(look_ups_now() == 2 * CROWD, "nobody looks up what was taken back before it began");
    ok(!resolver_cancel(resolver, &queries[1]), "an answer cannot be taken back");
    resolver_free(resolver);
}

static void many_names(void)
{
    struct resolver *resolver = new_tested();
    char host[16];
    for (int i = 0; i < 2000; i++) {
        snprintf(host, sizeof host, "10.0.%d.%d", i / 250, i % 250);
        ask_and_wait(resolver, host, false);
    }
    ask_and_wait(resolver, host, false);
    ask_and_wait(resolver, "10.0.0.0", false);
    ok(look_ups_now() == 2000, "the last and the first of 2000 names are cached");
    resolver_free(resolver);
}

static void without_threads(void)
{
    struct resolver *resolver = new_tested();
    no_threads = true;
    struct resolver_query query = ask_and_wait(resolver, "127.0.0.1", false);
    no_threads = false;
    ok(query.answer.count == 0 && query.answer.temporary && strstr(query.answer.why, "no thread"),
       "no thread can be made: %s", query.answer.why);
    query = ask_and_wait(resolver, "127.0.0.1", false);
    ok(query.answer.count == 1, "and when one can, all is well at once");
    resolver_free(resolver);
}

static void freed_while_under_way(void)
{
    struct resolver *resolver = new_tested();
    struct resolver_query queries[] = {query_for("held"), query_for("held"), query_for("held-2")};
    let(true);
    for (int i = 0; i < 3; i++)
        resolver_ask(resolver, &queries[i]);
    wait_under_way(2);
    resolver_free(resolver);
    wait_for(3);
    ok(queries[2].answer.count == 0 && !strcmp(queries[2].answer.why, "shutting down"),
       "the end does not wait for a look-up that hangs, and answers who waits for it");
    let(false);
    pthread_mutex_lock(&lock);
    while (ended < 2)
        pthread_cond_wait(&change, &lock);
    pthread_mutex_unlock(&lock);
    loop_turn(loop, 0);
    ok(answers == 3, "what comes later is for nobody");
}

int main(void)
{
    loop = loop_new();
    must(loop && mailbox_init(&box, loop) == 0);
    struct resolver *resolver = resolver_new(NULL);
    must(resolver != NULL);
    known_name(resolver);
    unknown_name(resolver);
    several(resolver);
    resolver_free(resolver);
    resolver_free(NULL);
    freed_with_queries();
    one_name_holds_nobody_up();
    equal_questions();
    cached();
    why_not();
    families_by_turns();
    slow_names();
    many_names();
    without_threads();
    freed_while_under_way();
    mailbox_fini(&box);
    loop_free(loop);
    return tap_done();
}
