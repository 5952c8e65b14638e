/* config/verify_tls.h: which options of tls go together: one way to know the peer, versions that
 * have what is asked of them, and something to remember where that is asked for. */
#pragma once

#include <stdbool.h>

#include "config/loading.h"

/* tls of a tunnel; a default min_version gives way to a lower max_version. */
void verify_tls(struct loading *loading, struct config_tunnel *tunnel);

/* Whether the configuration lets more than one client in, whatever is in the files that it names: a
 * file of keys (known, psk) may hold one or several, which only tls/ can see. At a client: false.
 */
bool verify_tls_admits_several(const struct config_tunnel *tunnel);

/* sessions, once all tunnels are read. */
void verify_tls_sessions(struct loading *loading);
