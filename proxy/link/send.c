/* The fair queue in front of SCTP. */
#include "base/check.h"
#include "proxy/link/link_private.h"

static struct link_stream *of_entry(struct scheduler_entry *entry)
{
    return container_of(entry, struct link_stream, entry);
}

/* length bytes less wait for SCTP: sent, or dropped. */
static void count_out(struct link *link, size_t length)
{
    atomic_fetch_sub_explicit(&link->group.queued, length, memory_order_relaxed);
}

/* Tells the channel that a message of it is on its way, or was dropped. */
static void account(struct link_stream *stream, uint32_t length)
{
    if (stream->channel)
        channel_sent(stream->channel, length);
}

static void drop(struct link *link, struct message *message)
{
    count_out(link, message->length);
    /* Without an association the channels are ending: no wake may reach them any more. */
    if (link->transport.association)
        account(&link->streams.list[message->stream], message->length);
    message_free(message);
}

static void on_send(struct loop_task *task)
{
    link_send_now(container_of(task, struct link, sending.task));
}

/* RFC 8446 section 5.2: header, content type, tag. */
#define RECORD_OVERHEAD 22

/* On a slow line a whole record of one stream is a long time for all others. */
static void keep_pace(struct link *link)
{
    uint32_t pace = association_pace(link->transport.association);
    if (!pace)
        pace = SCHEDULER_QUANTUM;
    else if (pace > SCHEDULER_SMALL) /* slow enough to have a pace */
        pace = SCHEDULER_SMALL;
    if (link->sending.scheduler.quantum == pace)
        return;
    scheduler_set_quantum(&link->sending.scheduler, pace);
    uint32_t record = pace - (pace > RECORD_OVERHEAD ? RECORD_OVERHEAD : 0);
    atomic_store_explicit(&link->group.record_limit, record, memory_order_relaxed);
}

static size_t queued(const struct link *link)
{
    return atomic_load_explicit(&link->group.queued, memory_order_relaxed);
}

/* Half of the room is theirs who are woken now, with a record each. */
static void wake_held(struct link *link)
{
    size_t full = queued(link);
    for (struct channel *channel;
         full < CHANNEL_QUEUE_HELD / 2 && (channel = link->sending.held_first);
         full += MESSAGE_MAX) {
        link->sending.held_first = channel->flow.next_held;
        atomic_store(&channel->flow.held, false);
        channel_wake(channel);
    }
    if (!link->sending.held_first)
        link->sending.held_last = &link->sending.held_first;
}

void link_send_hold(struct channel *channel)
{
    struct link *link = link_of(channel);
    if (!link->transport.association)
        return; /* the channels are ending */
    channel->flow.next_held = NULL;
    *link->sending.held_last = channel;
    link->sending.held_last = &channel->flow.next_held;
    wake_held(link);
}

void link_send_want(struct channel *channel)
{
    struct link *link = link_of(channel);
    struct link_stream *stream = &link->streams.list[channel->stream];
    if (!link->transport.association)
        return;
    stream->wants = true;
    scheduler_add(&link->sending.scheduler, &stream->entry);
    loop_task_queue(link_loop(link), &link->sending.task);
}

/* A channel may wait for this turn to make its record. NULL: it has nothing any more. */
static struct message *take_message(struct link_stream *stream)
{
    if (stream->out.first)
        return message_queue_pop(&stream->out);
    return stream->wants ? channel_produce(stream->channel, &stream->wants) : NULL;
}

void link_send_now(struct link *link)
{
    struct scheduler_entry *entry;
    if (link->transport.association)
        keep_pace(link);
    while (link->transport.association && (entry = scheduler_next(&link->sending.scheduler))) {
        struct link_stream *stream = of_entry(entry);
        struct message *message = take_message(stream);
        if (!message) {
            scheduler_sent(&link->sending.scheduler, entry, 0, false);
            continue;
        }
        uint32_t length = message->length;
        enum err result = association_send(link->transport.association, message);
        if (result == ERR_AGAIN) {
            message_queue_push_front(&stream->out, message);
            wake_held(link);
            return; /* on_writable follows */
        }
        if (result != ERR_OK)
            message_free(message);
        count_out(link, length);
        account(stream, length);
        scheduler_sent(&link->sending.scheduler, entry, length, stream->out.first || stream->wants);
        if (stream == link->streams.list) /* control frames may have waited for room */
            link->wiring->on_room(link);
    }
    wake_held(link);
    if (link->transport.association && link->sending.shut_when_sent) {
        link->sending.shut_when_sent = false;
        association_close(link->transport.association, ASSOCIATION_SHUTDOWN, link->life.detail);
    }
}

void link_send_init(struct link *link)
{
    scheduler_init(&link->sending.scheduler);
    atomic_init(&link->group.record_limit, SCHEDULER_QUANTUM);
    link->sending.task.on_run = on_send;
    link->sending.held_last = &link->sending.held_first;
}

/* A step takes 0.1 to 0.3 ms. When many children begin together the peer goes to work on the first
 * ones while this side does the others; several share a packet. */
#define STEPS_TOGETHER 4

void link_send_step(struct channel *channel)
{
    struct link *link = link_of(channel);
    if (++link->sending.steps % STEPS_TOGETHER == 0)
        link_send_now(link);
}

void link_send_forget(struct link *link, struct link_stream *stream)
{
    count_out(link, stream->out.bytes);
    for (struct message *stale; (stale = message_queue_pop(&stream->out)); message_free(stale))
        account(stream, stale->length);
    stream->wants = false;
    scheduler_remove(&link->sending.scheduler, &stream->entry);
}

void link_send_clear(struct link *link)
{
    loop_task_cancel(link_loop(link), &link->sending.task);
    link->sending.held_first = NULL;
    link->sending.held_last = &link->sending.held_first;
    for (uint32_t i = 0; i < link->streams.count; i++) {
        scheduler_remove(&link->sending.scheduler, &link->streams.list[i].entry);
        count_out(link, link->streams.list[i].out.bytes);
        message_queue_clear(&link->streams.list[i].out);
        link->streams.list[i].wants = false;
    }
}

static void enqueue(struct link *link, struct message *message)
{
    struct link_stream *stream = &link->streams.list[message->stream];
    if (!link->transport.association || message->epoch != stream->epoch) {
        drop(link, message);
        return;
    }
    message_queue_push(&stream->out, message);
    scheduler_add(&link->sending.scheduler, &stream->entry);
    loop_task_queue(link_loop(link), &link->sending.task);
}

void link_send_enqueue(struct link *link, struct message *message)
{
    atomic_fetch_add_explicit(&link->group.queued, message->length, memory_order_relaxed);
    enqueue(link, message);
}

void link_send_put(struct channel *channel, struct message *message)
{
    enqueue(link_of(channel), message);
}
