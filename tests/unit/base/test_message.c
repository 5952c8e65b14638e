/* Messages, their queues, and the caches between threads. */
#include <pthread.h>
#include <string.h>

#include "base/check.h"
#include "base/message.h"
#include "base/thread.h"
#include "tests/lib/tap.h"

static void fresh_messages(void)
{
    struct message *small = message_new(10), *large = message_new(MESSAGE_MAX);
    ok(small->capacity >= 10 && large->capacity >= MESSAGE_MAX, "there is room as asked for");
    ok(small->length == 0 && small->offset == 0 && !small->owner && !small->next && !small->epoch,
       "a new message is empty");
    memset(small->data, 0xff, small->capacity);
    memset(large->data, 0xff, large->capacity);
    small->length = small->offset = 10;
    small->stream = 7;
    small->epoch = 3;
    small->owner = small;
    message_free(small);
    small = message_new(10);
    ok(small->length == 0 && small->offset == 0 && small->stream == 0 && small->epoch == 0 &&
           !small->owner,
       "also when its memory was used before");
    message_free(small);
    message_free(large);
    message_free(NULL);

    struct message *huge = message_new(4 * MESSAGE_MAX);
    ok(huge->capacity >= 4 * MESSAGE_MAX, "larger than a record is possible");
    memset(huge->data, 0xff, huge->capacity);
    message_free(huge);
    for (int i = 0; i < 200; i++) {
        struct message *exact = message_new_exact(100);
        must(exact->capacity == 100 && !exact->length && !exact->next);
        message_free(exact);
    }
    struct message *after = message_new(100);
    ok(after->capacity >= MESSAGE_SMALL, "an exact one does not come back from the cache");
    message_free(after);
    struct message *none = message_new(0);
    ok(none != NULL, "and so is nothing");
    message_free(none);
}

static void many_come_and_go(void)
{
    struct message_queue queue = {0};
    bool distinct = true;
    for (int round = 0; round < 3; round++) {
        for (uint16_t i = 0; i < 300; i++) {
            struct message *message = message_new(i % 2 ? 100 : 5000);
            message->stream = i;
            memset(message->data, i & 0xff, message->capacity);
            message_queue_push(&queue, message);
        }
        for (uint16_t i = 0; i < 300; i++) {
            struct message *message = message_queue_pop(&queue);
            uint32_t last = message->capacity - 1;
            distinct = distinct && message->stream == i && message->data[0] == (i & 0xff) &&
                       message->data[last] == (i & 0xff);
            message_free(message);
        }
    }
    ok(distinct, "more than the cache holds: each message has memory of its own");
    message_cache_clear();
}

static void queue_counts(void)
{
    struct message_queue queue = {0};
    struct message *first = message_new(10), *second = message_new(10);
    ok(!message_queue_pop(&queue), "an empty queue gives nothing");
    first->length = 3;
    second->length = 4;
    message_queue_push(&queue, first);
    message_queue_push(&queue, second);
    ok(queue.count == 2 && queue.bytes == 7, "a queue counts messages and bytes");
    ok(message_queue_pop(&queue) == first && queue.count == 1 && queue.bytes == 4, "first in, out");
    message_queue_push(&queue, first);
    ok(message_queue_pop(&queue) == second && message_queue_pop(&queue) == first &&
           !message_queue_pop(&queue) && queue.bytes == 0,
       "also when it was refilled");
    message_queue_push_front(&queue, second);
    message_queue_push_front(&queue, first);
    struct message *third = message_new(10);
    message_queue_push(&queue, third);
    ok(queue.count == 3 && queue.bytes == 7 && message_queue_pop(&queue) == first &&
           message_queue_pop(&queue) == second && message_queue_pop(&queue) == third,
       "what is given back comes first");
    message_free(third);
    message_queue_push(&queue, first);
    message_queue_push(&queue, second);
    message_queue_clear(&queue);
    ok(queue.count == 0 && queue.bytes == 0 && !message_queue_pop(&queue), "clearing empties it");
}

/* More than the caches and the depot between them hold goes through, in both directions. */
enum { BURST = 1500 };

static void *swap_queue(void *argument)
{
    struct message_queue *queue = argument;
    message_queue_clear(queue);
    for (int i = 0; i < BURST; i++) {
        struct message *message = message_new(i % 2 ? 100 : MESSAGE_MAX);
        message->stream = (uint16_t)i;
        memset(message->data, i & 0xff, message->capacity);
        message_queue_push(queue, message);
    }
    return NULL;
}

static void bursts_between_threads(void)
{
    struct message_queue queue = {0};
    bool whole = true;
    for (int round = 0; round < 3; round++) {
        pthread_t thread;
        swap_queue(&queue);
        must(thread_start(&thread, "test", swap_queue, &queue) == 0);
        thread_join(thread);
        for (uint16_t i = 0; i < BURST; i++) {
            struct message *message = message_queue_pop(&queue);
            whole = whole && message->stream == i && message->data[0] == (i & 0xff) &&
                    message->data[message->capacity - 1] == (i & 0xff);
            message_free(message);
        }
    }
    ok(whole && queue.count == 0, "bursts pass between threads, each message whole");
}

static void *free_and_allocate(void *argument)
{
    message_free(argument);
    return message_new(MESSAGE_MAX);
}

static void threads_exchange(void)
{
    pthread_t thread;
    struct message *message = message_new(MESSAGE_MAX);
    if (!ok(thread_start(&thread, "test", free_and_allocate, message) == 0, "a thread starts"))
        return;
    void *result = NULL;
    pthread_join(thread, &result);
    ok(result != NULL, "a message may be freed by another thread than its maker");
    message_free(result);
}

static void fits(void)
{
    struct message *message = message_new(100);
    message->length = 100;
    message->stream = 7;
    message->epoch = 9;
    memset(message->data, 'x', 100);
    message = message_fit(message);
    ok(message->capacity == 100 && message->length == 100 && message->stream == 7 &&
           message->epoch == 9 && message->data[0] == 'x' && message->data[99] == 'x',
       "a small message is put into room of its size");
    ok(message_fit(message) == message, "once");
    message_free(message);
    message = message_new(MESSAGE_MAX);
    message->length = 10000;
    ok(message_fit(message) == message, "a large one stays where it is");
    message_free(message);
}

int main(void)
{
    fits();
    fresh_messages();
    many_come_and_go();
    queue_counts();
    threads_exchange();
    bursts_between_threads();
    message_cache_clear();
    return tap_done();
}
