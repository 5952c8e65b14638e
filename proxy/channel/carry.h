/* proxy/channel/carry.h: a channel during a lease: the mux stream joined to the connection.
 * Private to channel.c and channel/carry.c. Thread: the channel's worker. */
#pragma once

struct channel;

/* Sets the callbacks of mux stream and connection. */
void channel_carry_init(struct channel *channel);

/* After the records of a turn: nothing of them may wait in the local socket for more. */
void channel_carry_push(struct channel *channel);

/* After a pump: if the peer's FIN came and the lease goes on, the local end gets its FIN now. */
void channel_carry_settle(struct channel *channel);

/* Sends what there is at the end of this turn: frames of many events share one record then. */
void channel_pump(struct channel *channel);
