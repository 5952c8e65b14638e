/* transport/kernel_listener.h: the endpoint's socket: takes the associations that peers begin. */
#pragma once

#include "transport/kernel.h"

/* Listens, if there is an acceptor. Owns: the transport, fd, also after an error;
 * kernel_listener_close. Returns 0, or -1 with errno. */
int kernel_listener_open(struct kernel *transport, int fd);
/* A no-op when it is closed. */
void kernel_listener_close(struct kernel *transport);

/* The number of associations has changed: listens, or does not. */
void kernel_listener_update(struct kernel *transport);
