/* transport/udp/status.h: status of an association. */
#pragma once

#include "transport/udp/udp.h"

/* association_status. */
void udp_status(struct association *association, struct association_status *status);
/* Of one path that there is, without what the engine knows. */
void udp_status_path(const struct udp_association *self, unsigned number,
                     struct path_status *status);
