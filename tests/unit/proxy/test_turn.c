/* Shares of one turn, and the order in which the others go on. */
#include "proxy/worker/turn.h"

#include <string.h>

#include "base/check.h"
#include "base/loop.h"
#include "tests/lib/tap.h"

#define TAKERS 30

/* One that has work, by pieces. */
struct worker_bee {
    struct turn_taker taker;
    struct turn_share *share;
    char name;
    unsigned left;
    size_t piece;
};

static struct turn turn;
static char order[400]; /* a letter for each piece, '|' for each turn */

static void note(char letter)
{
    size_t length = strlen(order);
    must(length + 1 < sizeof order);
    order[length] = letter;
}

static void work(struct worker_bee *bee)
{
    bool goes_on = turn_may_begin(&turn, bee->share, &bee->taker);
    while (goes_on && bee->left) {
        bee->left--;
        note(bee->name);
        goes_on = turn_spend(&turn, bee->share, &bee->taker, bee->piece);
    }
}

static void on_turn(struct turn_taker *taker)
{
    work(container_of(taker, struct worker_bee, taker));
}

static struct worker_bee bee(struct turn_share *share, char name, unsigned pieces, size_t piece)
{
    return (struct worker_bee){
        .taker.on_turn = on_turn, .share = share, .name = name, .left = pieces, .piece = piece};
}

static void next_turn(struct loop *loop)
{
    note('|');
    uint64_t before = loop_now(loop);
    do
        loop_turn(loop, 1000);
    while (loop_now(loop) == before);
}

static void begin(struct loop **loop)
{
    *loop = loop_new();
    must(*loop);
    turn_init(&turn, *loop);
    memset(order, 0, sizeof order);
}

static void one_stream(void)
{
    struct loop *loop;
    struct turn_share share = {0};
    begin(&loop);
    struct worker_bee a = bee(&share, 'a', 5, TURN_TAKER_MAX / 2);
    work(&a);
    for (int i = 0; i < 3; i++)
        next_turn(loop);
    ok(strcmp(order, "aa|aa|a|") == 0, "a stream has its part of each turn (%s)", order);
    struct worker_bee free = bee(&share, 'b', 50, 0);
    memset(order, 0, sizeof order);
    work(&free);
    ok(!free.left, "what costs nothing is not counted");
    next_turn(loop);
    loop_free(loop);
}

/* Four streams use up the association's part; the others of it go on by turns, and another
 * association is not held up by all that. */
static void many_streams(void)
{
    struct loop *loop;
    struct turn_share share = {0}, other = {0};
    struct worker_bee bees[6];
    begin(&loop);
    for (int i = 0; i < 6; i++) {
        bees[i] = bee(&share, (char)('a' + i), 2, TURN_TAKER_MAX);
        work(&bees[i]);
    }
    struct worker_bee o = bee(&other, 'O', 1, TURN_TAKER_MAX);
    work(&o);
    for (int i = 0; i < 3; i++)
        next_turn(loop);
    ok(strncmp(order, "abcdO|", 6) == 0, "the association's part, and the other one's at once");
    ok(strcmp(order, "abcdO|abcd|ef|ef") == 0,
       "then the others in the order in which they began to wait (%s)", order);
    next_turn(loop);
    loop_free(loop);
}

/* However much one association has to do, one of another that comes then waits for no more than
 * its part of one turn. */
static void fair_between_associations(void)
{
    struct loop *loop;
    struct turn_share shares[3] = {0};
    struct worker_bee bees[3][TAKERS / 3];
    begin(&loop);
    for (int s = 0; s < 3; s++)
        for (int i = 0; i < TAKERS / 3; i++) {
            bees[s][i] = bee(&shares[s], (char)('a' + s), 4, TURN_TAKER_MAX);
            work(&bees[s][i]);
        }
    next_turn(loop);
    char *second = strchr(order, '|') + 1;
    ok(strcmp(second, "aaaabbbbcccc") == 0, "each association has its part of a turn (%s)", second);
    for (int i = 0; i < 20; i++)
        next_turn(loop);
    unsigned left = 0;
    for (int s = 0; s < 3; s++)
        for (int i = 0; i < TAKERS / 3; i++)
            left += bees[s][i].left;
    ok(!left, "until all is done");
    next_turn(loop);
    loop_free(loop);
}

static void leaves(void)
{
    struct loop *loop;
    struct turn_share share = {0}, other = {0};
    begin(&loop);
    struct worker_bee a = bee(&share, 'a', 9, TURN_TAKER_MAX), b = a, c = a;
    struct worker_bee d = bee(&other, 'd', 2, TURN_TAKER_MAX);
    b.name = 'b', c.name = 'c';
    work(&a), work(&b), work(&c), work(&d);
    turn_leave(&turn, &share, &b.taker);
    turn_leave(&turn, &share, &b.taker);
    next_turn(loop);
    ok(strcmp(order, "abcd|acd") == 0, "one that ends does not go on (%s)", order);
    turn_leave(&turn, &share, &c.taker);
    turn_leave(&turn, &share, &a.taker);
    ok(!share.queued && TAILQ_EMPTY(&share.takers), "nor does an association without any");
    turn_leave(&turn, &other, &d.taker);
    ok(!loop_timer_is_set(&turn.timer), "and nothing is left to wait for");
    next_turn(loop);
    loop_free(loop);
}

int main(void)
{
    one_stream();
    many_streams();
    fair_between_associations();
    leaves();
    return tap_done();
}
