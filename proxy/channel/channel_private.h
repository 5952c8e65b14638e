/* proxy/channel/channel_private.h: between the files of this room, which call each other in this
 * order only: from_home.c, channel.c, carry.c, to_home.c. Thread: the channel's worker. */
#pragma once

#include "base/loop.h"
#include "proxy/channel/channel.h"
#include "proxy/worker/worker.h"

/* ---- to_home.c ---- */

/* detail is copied. */
void channel_report(struct channel *channel, enum channel_event event, enum err why,
                    const char *detail);
void channel_report_ready(struct channel *channel, bool resumed);
void channel_report_returned(struct channel *channel, enum err why, struct connection *connection);
/* Ciphertext for SCTP. Owns: consumed. */
void channel_put(struct channel *channel, struct message *message);
/* There is room on the way to SCTP. If not, the link or channel_sent comes back. */
bool channel_has_room(struct channel *channel);

/* ---- carry.c: during a lease the mux stream is joined to the connection ---- */

/* Sets the callbacks of mux stream and connection. */
void channel_carry_init(struct channel *channel);
/* See channel_carry. */
void channel_carry_begin(struct channel *channel, struct connection *connection);
/* After the records of a turn: nothing of them may wait in the local socket for more. */
void channel_carry_push(struct channel *channel);
/* After a pump: if the peer's FIN came and the lease goes on, the local end gets its FIN now. */
void channel_carry_settle(struct channel *channel);

/* ---- channel.c ---- */

/* See channel_begin, channel_stop, channel_feed. */
void channel_session_begin(struct channel *channel, uint8_t epoch,
                           const struct channel_roots *roots);
void channel_session_stop(struct channel *channel, enum err why, const char *detail);
void channel_session_feed(struct channel *channel, struct message *message);

static inline bool channel_is_at_home(const struct channel *channel)
{
    return channel->worker == channel->group->tunnel->home;
}

/* Sends what there is at the end of this turn: frames of many events share one record then. */
static inline void channel_pump(struct channel *channel)
{
    loop_task_queue(channel->worker->loop, &channel->pump);
}
