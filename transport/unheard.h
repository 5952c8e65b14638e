/* transport/unheard.h: log lines of all transports about peers that no user has heard of.
 */
#pragma once

#include "base/address.h"
#include "base/error.h"
#include "base/log_limit.h"

/* Why there is no association with this peer, as the limit allows. */
void transport_unheard_tell(const struct address *peer, enum err reason, const char *detail,
                            struct log_limit *limit, uint64_t now_us);
