#include <string.h>

#include "base/check.h"
#include "base/resolver.h"
#include "tests/lib/tap.h"

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
    ok(query.count > 0, "localhost has %d addresses", query.count);
    for (int i = 0; i < query.count; i++) {
        address_format(&query.addresses[i], text);
        loopback = loopback && (strncmp(text, "127.", 4) == 0 || strncmp(text, "[::1]", 5) == 0) &&
                   strstr(text, ":8080");
        for (int other = 0; other < i; other++)
            loopback = loopback && !address_equal(&query.addresses[i], &query.addresses[other]);
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
    ok(query.count == 0 && query.why && query.why[0], "an impossible name fails: %s", query.why);
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
        right = right && queries[i].count == i % 2;
    ok(answers == SEVERAL && right, "%d queries are answered once each, each its own", SEVERAL);
}

enum { MANY = 200 };

/* Asks, and takes every other one back from the end, where they wait; how many could be. */
static int take_back(struct resolver *resolver, struct resolver_query queries[static MANY])
{
    int taken = 0;
    answers = 0;
    for (int i = 0; i < MANY; i++) {
        queries[i] = query_for("127.0.0.1");
        resolver_ask(resolver, &queries[i]);
    }
    for (int i = MANY - 1; i >= 0; i -= 2)
        taken += resolver_cancel(resolver, &queries[i]);
    wait_for(MANY - taken);
    loop_turn(loop, 0);
    return taken;
}

/* The helper thread may be so quick that nothing waits any more: then once more. */
static void taken_back(struct resolver *resolver)
{
    struct resolver_query queries[MANY];
    int taken = 0;
    for (int rounds = 1000; rounds && !taken; rounds--)
        taken = take_back(resolver, queries);
    ok(taken > 0 && answers == MANY - taken, "%d taken back, the other %d answered", taken,
       answers);
    bool done = true;
    for (int i = 0; i < MANY; i++)
        done = done && !resolver_cancel(resolver, &queries[i]);
    ok(done, "what is answered or taken back cannot be taken back");
}

/* Whether a query is not begun, under way or done is up to the helper thread: all must end. */
static void freed_with_queries(void)
{
    enum { ROUNDS = 50, EACH = 4 };
    struct resolver_query queries[EACH];
    answers = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct resolver *resolver = resolver_new();
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

int main(void)
{
    loop = loop_new();
    must(loop && mailbox_init(&box, loop) == 0);
    struct resolver *resolver = resolver_new();
    must(resolver != NULL);
    known_name(resolver);
    unknown_name(resolver);
    several(resolver);
    taken_back(resolver);
    resolver_free(resolver);
    resolver_free(NULL);
    freed_with_queries();
    mailbox_fini(&box);
    loop_free(loop);
    return tap_done();
}
