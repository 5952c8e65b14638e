/* transport/udp/connect.h: an association of ours begins. Every pair of a socket of ours and an
 * address of the peer's of the same family is a path, at most TRANSPORT_ADDRESSES_MAX of them;
 * first those that share no end with another, because one failure seldom takes two of them. */
#pragma once

#include "transport/udp/udp.h"

/* association_connect. */
enum err udp_connect_begin(struct transport *transport, const struct address *remotes,
                           size_t remote_count, struct association_events *events,
                           struct association **association);
