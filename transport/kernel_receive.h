/* transport/kernel_receive.h: the way in of an association of the kernel transport. */
#pragma once

#include "transport/kernel.h"

/* Hands on what has come, messages and notifications, up to a limit for one turn. */
void kernel_receive_all(struct kernel_association *self);
