/* Messages, their cache for each thread, and queues of them. */
#include "base/message.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#if defined(__SANITIZE_ADDRESS__)
#define CACHED 0 /* none, so that a use after free is seen */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CACHED 0
#endif
#endif
#ifndef CACHED
#define CACHED 64 /* of each class: 1.1 MB a thread at most */
#endif

#define BATCH        32
#define MOST_BATCHES 16 /* of each class in the depot: 9 MB in all */

/* Frames without data and a child's ClientHello with its ticket (1.5 KB) fit the small class;
 * everything else is about one full TLS record. jemalloc gives 20 KB for that: data that wait for a
 * socket fill the rest, too. */
enum { SMALL, LARGE, CLASSES };
static const uint32_t class_capacity[CLASSES] = {
    [SMALL] = MESSAGE_SMALL, [LARGE] = 20480 - sizeof(struct message)};

struct list {
    struct message *first;
    int count;
};

/* Thread-local, so that the hot path takes no lock. */
static _Thread_local struct list cache[CLASSES];

/* One thread reads messages that others free, so caches overflow here and run dry there: batches
 * pass through this, one lock for 32 messages. Without it malloc's arenas take 2 us for each
 * message of 16 KB that changes threads. */
static struct {
    pthread_mutex_t lock;
    struct list batches[CLASSES][MOST_BATCHES];
    int count[CLASSES];
} depot = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int class_for(size_t capacity)
{
    int c = SMALL;
    while (c < CLASSES && class_capacity[c] < capacity)
        c++;
    return c;
}

static void list_push(struct list *list, struct message *message)
{
    message->next = list->first;
    list->first = message;
    list->count++;
}

static struct message *list_pop(struct list *list)
{
    struct message *message = list->first;
    if (message) {
        list->first = message->next;
        list->count--;
    }
    return message;
}

static void list_free(struct list *list)
{
    struct message *message;
    while ((message = list_pop(list)))
        free(message);
}

static void refill(int c)
{
    pthread_mutex_lock(&depot.lock);
    if (depot.count[c] > 0)
        cache[c] = depot.batches[c][--depot.count[c]];
    pthread_mutex_unlock(&depot.lock);
}

static void spill(int c)
{
    struct list batch = {.first = NULL};
    while (batch.count < BATCH)
        list_push(&batch, list_pop(&cache[c]));
    pthread_mutex_lock(&depot.lock);
    if (depot.count[c] < MOST_BATCHES) {
        depot.batches[c][depot.count[c]++] = batch;
        batch = (struct list){.first = NULL};
    }
    pthread_mutex_unlock(&depot.lock);
    list_free(&batch);
}

static struct message *take_cached(int c)
{
    if (!cache[c].first)
        refill(c);
    return list_pop(&cache[c]);
}

static struct message *clear(struct message *message, size_t capacity)
{
    memset(message, 0, sizeof *message);
    message->capacity = (uint32_t)capacity;
    return message;
}

struct message *message_new_exact(size_t capacity)
{
    must(capacity <= UINT32_MAX);
    return clear(check_resize(NULL, sizeof(struct message) + capacity), capacity);
}

struct message *message_new(size_t capacity)
{
    int c = class_for(capacity);
    struct message *message = c < CLASSES ? take_cached(c) : NULL;
    if (c < CLASSES)
        capacity = class_capacity[c];
    return message ? clear(message, capacity) : message_new_exact(capacity);
}

struct message *message_exact(struct message *message)
{
    struct message *exact = message_new_exact(message->length);
    exact->length = message->length;
    exact->stream = message->stream;
    exact->epoch = message->epoch;
    memcpy(exact->data, message->data, message->length);
    message_free(message);
    return exact;
}

struct message *message_fit(struct message *message)
{
    bool small = message->length <= MESSAGE_SMALL / 2;
    return small && message->capacity >= 2 * message->length ? message_exact(message) : message;
}

void message_free(struct message *message)
{
    if (!message)
        return;
    int c = class_for(message->capacity);
    if (c == CLASSES || message->capacity != class_capacity[c] || CACHED == 0) {
        free(message);
        return;
    }
    list_push(&cache[c], message);
    if (cache[c].count >= CACHED)
        spill(c);
}

void message_cache_clear(void)
{
    for (int c = SMALL; c < CLASSES; c++)
        list_free(&cache[c]);
}

void message_queue_push(struct message_queue *queue, struct message *message)
{
    message->next = NULL;
    if (queue->first)
        *queue->last = message;
    else
        queue->first = message;
    queue->last = &message->next;
    queue->bytes += message->length;
    queue->count++;
}

void message_queue_push_front(struct message_queue *queue, struct message *message)
{
    message->next = queue->first;
    if (!queue->first)
        queue->last = &message->next;
    queue->first = message;
    queue->bytes += message->length;
    queue->count++;
}

struct message *message_queue_pop(struct message_queue *queue)
{
    struct message *message = queue->first;
    if (!message)
        return NULL;
    queue->first = message->next;
    message->next = NULL;
    queue->bytes -= message->length;
    queue->count--;
    return message;
}

void message_queue_clear(struct message_queue *queue)
{
    struct message *message;
    while ((message = message_queue_pop(queue)))
        message_free(message);
}
