/* Calls of a link, on the home worker, become those of the channel's worker. */
#include <stdlib.h>

#include "base/check.h"
#include "proxy/channel/channel_private.h"

/* At once where both are one, so that each call comes after those before it. */
static void hand_over(struct channel *channel, struct mail *mail)
{
    worker_assert(channel->group->tunnel->home);
    if (channel_is_at_home(channel))
        mail->deliver(mail);
    else
        worker_post(channel->worker, mail);
}

struct begin_order {
    struct mail mail;
    struct channel *channel;
    uint8_t epoch;
    struct channel_roots roots;
};

static void deliver_begin(struct mail *mail)
{
    struct begin_order *order = container_of(mail, struct begin_order, mail);
    channel_session_begin(order->channel, order->epoch, &order->roots);
    free(order);
}

void channel_begin(struct channel *channel, uint8_t epoch, const struct channel_roots *roots)
{
    struct begin_order *order = check_alloc(sizeof *order);
    *order = (struct begin_order){
        .mail.deliver = deliver_begin, .channel = channel, .epoch = epoch, .roots = *roots};
    hand_over(channel, &order->mail);
}

struct stop_order {
    struct mail mail;
    struct channel *channel;
    enum err why;
};

static void deliver_stop(struct mail *mail)
{
    struct stop_order *order = container_of(mail, struct stop_order, mail);
    channel_session_stop(order->channel, order->why, "");
    free(order);
}

void channel_stop(struct channel *channel, enum err why)
{
    struct stop_order *order = check_alloc(sizeof *order);
    *order = (struct stop_order){.mail.deliver = deliver_stop, .channel = channel, .why = why};
    hand_over(channel, &order->mail);
}

static void deliver_feed(struct mail *mail)
{
    struct message *message = container_of(mail, struct message, mail);
    channel_session_feed(message->owner, message);
}

void channel_feed(struct channel *channel, struct message *message)
{
    message->owner = channel;
    message->mail.deliver = deliver_feed;
    hand_over(channel, &message->mail);
}

static void deliver_carry(struct mail *mail)
{
    struct connection *connection = container_of(mail, struct connection, mail);
    channel_carry_begin(connection->channel, connection);
}

void channel_carry(struct channel *channel, struct connection *connection)
{
    connection->channel = channel;
    connection->mail.deliver = deliver_carry;
    hand_over(channel, &connection->mail);
}
