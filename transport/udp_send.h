/* transport/udp_send.h: the way out of a udp association. */
#pragma once

#include "transport/udp.h"

/* association_send. */
enum err udp_send_message(struct association *association, struct message *message);

/* Gives usrsctp what waits, as far as it takes it; shuts down after the last when the user has
 * asked for that. */
void udp_send_pending(struct udp_association *self);

/* After packets came in: goes on with what waits, tells the user when there is room again. */
void udp_send_continue(struct udp_association *self);

/* Looks at usrsctp's window, queue and round trip, and sets what follows from them. */
void udp_send_look(struct udp_association *self);

/* Prepares a new association, forgets what an ended one has not sent. */
void udp_send_init(struct udp_association *self);
void udp_send_fini(struct udp_association *self);
