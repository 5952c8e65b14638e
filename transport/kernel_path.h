/* transport/kernel_path.h: the paths of an association of the kernel transport. */
#pragma once

#include "transport/kernel.h"

/* Something may have changed: tells the user of each path that has. */
void kernel_path_look(struct kernel_association *self);

/* The peer's primary address; false when the association of this socket is gone. */
bool kernel_path_primary(int fd, struct address *address);

/* association_status. */
void kernel_path_status(struct association *association, struct association_status *status);
