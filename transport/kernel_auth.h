/* transport/kernel_auth.h: authenticated chunks of the kernel transport (sctp/auth_chunks.h).
 *
 * Needs net.sctp.auth_enable = 1: SCTP_AUTH_SUPPORTED (Linux 5.4) would switch it on for one
 * socket, but not for those that are branched off from it. */
#pragma once

#include <stddef.h>

#include "transport/kernel.h"

/* Of an endpoint, before it connects or listens. Returns 0, or -1 with a sentence in why. */
int kernel_auth_prepare(int fd, char *why, size_t why_size);

/* Of an association that came up: whether the peer authenticates what we do. */
bool kernel_auth_agreed(int fd);

/* association_auth_add and the others. */
enum err kernel_auth_change(struct association *association, enum association_auth what,
                            uint16_t number, const uint8_t *key);

/* What MSG_MORE held back has been pushed out: waits until all has arrived. */
void kernel_auth_wait(struct kernel_association *self);
/* A notification: all has arrived. */
void kernel_auth_dry(struct kernel_association *self);
