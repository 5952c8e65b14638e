/* config/verify_paths.h: the addresses of a tunnel, which make its paths, and SCTP's clock. */
#pragma once

#include "config/loading.h"

/* Retransmission time-outs and limits: in order, within dead_after. */
void verify_paths_clock(struct loading *loading, struct config_tunnel *tunnel);

/* local and remote: what one association can have, with this transport. */
void verify_paths_addresses(struct loading *loading, const struct config_tunnel *tunnel);
