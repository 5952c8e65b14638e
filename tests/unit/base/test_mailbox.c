/* Mailboxes: order, many threads, leftovers. */
#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/mailbox.h"
#include "base/thread.h"
#include "tests/lib/tap.h"

enum { POSTERS = 4, EACH = 20000 };

struct letter {
    struct mail mail;
    int poster, number;
};

static struct loop *loop;
static struct mailbox box;
static int received, out_of_order, expected[POSTERS];

static void deliver(struct mail *mail)
{
    struct letter *letter = container_of(mail, struct letter, mail);
    out_of_order += letter->number != expected[letter->poster];
    expected[letter->poster] = letter->number + 1;
    received++;
    free(letter);
}

static struct mail *new_letter(int poster, int number)
{
    struct letter *letter = check_alloc(sizeof *letter);
    *letter = (struct letter){.mail.deliver = deliver, .poster = poster, .number = number};
    return &letter->mail;
}

static void post(int poster, int number)
{
    mailbox_post(&box, new_letter(poster, number));
}

static void *post_many(void *argument)
{
    int poster = *(int *)argument;
    for (int i = 0; i < EACH; i++)
        post(poster, i);
    return NULL;
}

static void reset(void)
{
    received = out_of_order = 0;
    for (int i = 0; i < POSTERS; i++)
        expected[i] = 0;
}

static void one_thread(void)
{
    reset();
    loop_turn(loop, 0);
    ok(received == 0, "an empty box delivers nothing");
    for (int i = 0; i < 3; i++)
        post(0, i);
    loop_turn(loop, UINT64_MAX);
    ok(received == 3 && out_of_order == 0, "a burst arrives in one turn, in order");
    post(0, 3);
    loop_turn(loop, UINT64_MAX);
    ok(received == 4, "the reader is woken again after it emptied the box");
    for (int i = 4; i < 7; i++)
        mailbox_post_own(&box, new_letter(0, i));
    ok(received == 4, "mail to oneself does not arrive inside of the call");
    loop_turn(loop, UINT64_MAX);
    ok(received == 7 && out_of_order == 0, "but in this turn, in order");
    post(0, 7);
    mailbox_post_own(&box, new_letter(0, 8));
    post(0, 9);
    loop_turn(loop, UINT64_MAX);
    ok(received == 10 && out_of_order == 0, "also among mail that wakes the reader");
    loop_turn(loop, 0);
    post(0, 10);
    loop_turn(loop, UINT64_MAX);
    ok(received == 11, "which still does so afterwards");
}

static void many_threads(void)
{
    pthread_t threads[POSTERS];
    int names[POSTERS], turns = 0;
    reset();
    for (int i = 0; i < POSTERS; i++) {
        names[i] = i;
        must(thread_start(&threads[i], "poster", post_many, &names[i]) == 0);
    }
    /* A lost wake-up would leave this waiting for ever. */
    for (; received < POSTERS * EACH; turns++)
        loop_turn(loop, UINT64_MAX);
    for (int i = 0; i < POSTERS; i++)
        thread_join(threads[i]);
    ok(received == POSTERS * EACH, "all %d mails of %d threads arrive", received, POSTERS);
    ok(out_of_order == 0, "those of one thread in the order in which it posted them");
    tap_note("%d turns", turns);
}

/* Two loops on two threads and one mail that goes to and fro: each post is a first one and must
 * wake a sleeping reader. */
struct player {
    struct loop *loop;
    struct mailbox box;
    struct player *partner;
    int hits;
};

struct ball {
    struct mail mail;
    struct player *at;
};

enum { RALLY = 5000 };

static void hit(struct mail *mail)
{
    struct ball *ball = container_of(mail, struct ball, mail);
    struct player *me = ball->at;
    ball->at = me->partner;
    if (++me->hits >= RALLY)
        loop_stop(me->loop);
    if (me->hits < RALLY || me->partner->hits < RALLY)
        mailbox_post(&ball->at->box, mail);
}

static void *play(void *argument)
{
    struct player *me = argument;
    loop_run(me->loop);
    return NULL;
}

static void to_and_fro(void)
{
    struct player players[2] = {{.partner = &players[1]}, {.partner = &players[0]}};
    struct ball ball = {.mail.deliver = hit, .at = &players[0]};
    for (int i = 0; i < 2; i++) {
        players[i].loop = loop_new();
        must(players[i].loop && mailbox_init(&players[i].box, players[i].loop) == 0);
    }
    pthread_t thread;
    must(thread_start(&thread, "player", play, &players[1]) == 0);
    mailbox_post(&players[0].box, &ball.mail);
    loop_run(players[0].loop);
    thread_join(thread);
    ok(players[0].hits == RALLY && players[1].hits == RALLY, "a mail goes to and fro %d times",
       RALLY);
    for (int i = 0; i < 2; i++) {
        mailbox_fini(&players[i].box);
        loop_free(players[i].loop);
    }
}

static void deliver_and_answer(struct mail *mail)
{
    free(mail);
    post(0, 0);
}

static void leftovers(void)
{
    reset();
    struct mail *asking = check_alloc(sizeof *asking);
    asking->deliver = deliver_and_answer;
    mailbox_post(&box, asking);
    mailbox_fini(&box);
    ok(received == 1, "closing delivers what is left, and what that posts");
}

int main(void)
{
    loop = loop_new();
    must(loop != NULL);
    ok(mailbox_init(&box, loop) == 0, "a box opens");
    one_thread();
    many_threads();
    to_and_fro();
    leftovers();
    loop_free(loop);
    return tap_done();
}
