/* transport/kernel/socket.h: the kernel's SCTP sockets and their options. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/quote.h"
#include "transport/transport.h"

/* Longest text of an ABORT that is kept. */
#define KERNEL_DETAIL_MAX  200
#define KERNEL_DETAIL_ROOM QUOTE_ROOM(KERNEL_DETAIL_MAX)

/* A configured endpoint bound to all of locals, non-blocking; closing it aborts what is up. The
 * port taken is written into locals. Returns it, or -1 with errno and a sentence in why. Owns:
 * caller, close(). */
int kernel_socket_open(const struct transport_options *options, struct address *locals,
                       size_t count, char *why, size_t why_size);

/* Peers may begin associations, or are refused. Returns 0, or -1 with errno. */
int kernel_socket_listen(int fd, bool on);

/* An association of the endpoint gets a socket of its own. Returns it, or -1 with errno.
 * Owns: caller, close(). */
int kernel_socket_branch(int fd, int32_t association);

/* Begins to connect to a peer with these addresses. Returns the association's socket, or -1 with
 * errno, ECONNREFUSED when the peer has refused already. Owns: caller, close(). */
int kernel_socket_connect(int fd, const struct address *remotes, size_t count);

/* Sends an ABORT with the text as user-initiated cause (RFC 9260 section 3.3.10.12). association is
 * for endpoints, the socket of an association knows its own. */
void kernel_socket_abort(int fd, int32_t association, const char *detail);

/* Sends SHUTDOWN when all that was sent has arrived. */
void kernel_socket_shutdown(int fd);

/* The largest IP packet from now on, of a living association on all its paths, in bytes. Chunks
 * that are larger already are sent without DF. */
void kernel_socket_shrink(int fd, uint32_t mtu);

/* The kernel takes no smaller send buffer (SOCK_MIN_SNDBUF), so no lower mark, in bytes of data. */
#define KERNEL_SOCKET_MARK_MIN 2304

/* EPOLLOUT from now on means that less than this many bytes are queued (at least
 * KERNEL_SOCKET_MARK_MIN); 0: that there is room in the buffer of the options. */
void kernel_socket_set_mark(int fd, const struct transport_options *options, size_t bytes);

/* ---- kernel/state.c: an association as the kernel sees it ---- */

/* The state of an association as far as sending needs it. */
struct kernel_state {
    size_t queued; /* bytes of data, about: not yet sent, or not yet acknowledged */
    uint32_t congestion_window;
    uint32_t chunk;  /* bytes of a message that fit a packet */
    uint32_t rtt_us; /* smoothed, in steps of the kernel's clock; 1: less than one; 0: not yet */
};

/* Streams granted in each direction; 0: the association is gone. */
uint16_t kernel_state_streams(int fd);

struct kernel_state kernel_state_look(int fd);

/* A smoothed round trip (spinfo_srtt) in microseconds. */
uint32_t kernel_state_round_trip(uint32_t srtt);

/* All 0 when the association is gone. */
struct kernel_traffic {
    uint64_t packets, sacks; /* that came in so far */
    uint32_t unacknowledged; /* chunks of data that are on their way */
};
struct kernel_traffic kernel_state_traffic(int fd);

/* The peer's primary address; false when the association of this socket is gone. */
bool kernel_state_primary(int fd, struct address *address);
/* An address as the kernel packs it. */
struct address kernel_state_address(const void *packed);
