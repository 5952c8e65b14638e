/* transport/kernel_mtu.h: paths that lose their large packets without a word.
 *
 * The kernel learns a path's MTU by ICMP alone. Where that is filtered and the path takes less than
 * before, large packets vanish and are sent again for ever, and heartbeats, which are small, keep
 * the association alive. The kernel's own search (RFC 8899, SCTP_PLPMTUD_PROBE_INTERVAL) is no help
 * for what waits: a chunk that was cut is not cut again, and goes with DF. */
#pragma once

#include "transport/kernel.h"
#include "transport/kernel_socket.h"

/* Once for each look at an association that is up. Twice in a row nothing of what is on its way was
 * acknowledged, and yet the peer was heard: packets are smaller from now on, and what is too large
 * may be cut up by routers (those of IPv4). If that does not help either, it is ended, and those
 * that come later begin with packets that pass everywhere. */
void kernel_mtu_look(struct kernel_association *self, const struct kernel_socket_traffic *now);
