/* transport/kernel_send.h: the way out of an association of the kernel transport. */
#pragma once

#include "transport/kernel.h"

/* association_send. */
enum err kernel_send_message(struct association *association, struct message *message);

/* Gives the kernel what waits, as far as it takes it; shuts down after the last when the user has
 * asked for that. */
void kernel_send_pending(struct kernel_association *self);

/* Lets epoll tell when there is room, if anybody waits for it. */
void kernel_send_wait(struct kernel_association *self);

/* There is room: goes on with what waits, tells the user. */
void kernel_send_continue(struct kernel_association *self);

/* Prepares a new association, forgets what an ended one has not sent. */
void kernel_send_init(struct kernel_association *self);
void kernel_send_fini(struct kernel_association *self);
