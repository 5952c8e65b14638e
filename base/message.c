#include "base/message.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#if defined(__SANITIZE_ADDRESS__)
#define CACHED 0 /* so that a use after free is seen */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CACHED 0
#endif
#endif
#ifndef CACHED
#define CACHED 64 /* of each class: 1.1 MB a thread at most */
#endif

/* Frames without data fit the small class; everything else is about one full TLS record. */
static const uint32_t class_capacity[] = {1024, MESSAGE_MAX};
#define CLASSES ((int)(sizeof class_capacity / sizeof class_capacity[0]))

/* Thread-local, so the hot path takes no lock. */
static _Thread_local struct {
    struct message *first;
    int count;
} cache[CLASSES];

static int class_for(size_t capacity)
{
    int c = 0;
    while (c < CLASSES && class_capacity[c] < capacity)
        c++;
    return c;
}

struct message *message_new(size_t capacity)
{
    int c = class_for(capacity);
    struct message *message = c < CLASSES ? cache[c].first : NULL;
    if (c < CLASSES)
        capacity = class_capacity[c];
    if (message) {
        cache[c].first = message->next;
        cache[c].count--;
    } else {
        must(capacity <= UINT32_MAX);
        message = check_resize(NULL, sizeof *message + capacity);
    }
    memset(message, 0, sizeof *message);
    message->capacity = (uint32_t)capacity;
    return message;
}

void message_free(struct message *message)
{
    if (!message)
        return;
    int c = class_for(message->capacity);
    if (c == CLASSES || cache[c].count >= CACHED) {
        free(message);
        return;
    }
    message->next = cache[c].first;
    cache[c].first = message;
    cache[c].count++;
}

void message_cache_clear(void)
{
    for (int c = 0; c < CLASSES; c++) {
        while (cache[c].first) {
            struct message *message = cache[c].first;
            cache[c].first = message->next;
            free(message);
        }
        cache[c].count = 0;
    }
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
