/* transport/udp_socket.h: usrsctp's sockets and their options. */
#pragma once

#include <stdint.h>

#include "transport/transport.h"

struct socket;

/* What of an association's state is looked at. */
struct udp_socket_state {
    size_t queued; /* bytes sent and not yet acknowledged, or not yet sent */
    uint32_t congestion_window;
    uint32_t rtt_us; /* smoothed, in steps of 1000 */
};

/* A configured socket bound to (address, port) of AF_CONN; NULL with errno. Closing it aborts
 * what is still up. Owns: caller, udp_socket_close. */
struct socket *udp_socket_open(const struct transport_options *options, uint32_t payload,
                               void *address, uint16_t port);
void udp_socket_close(struct socket *socket);

/* To be called before usrsctp makes an association with packets of this size. */
void udp_socket_prepare(uint32_t payload);

/* Begins to connect to the listening port of address. Returns 0, or -1 with errno. */
int udp_socket_connect(struct socket *socket, void *address);
/* Returns 0, or -1 with errno. */
int udp_socket_listen(struct socket *socket);
/* The association that came up on a listening socket, NULL if none did. */
struct socket *udp_socket_accept(struct socket *listener);

/* Tags of the association that is up: what its packets to us carry, and ours to the peer. */
bool udp_socket_tags(struct socket *socket, uint32_t *own, uint32_t *peer);

/* Messages are cut for packets of this size from now on; never larger than at the start. What is
 * cut already stays, and small chunks still share packets of the size of the start. */
void udp_socket_cut(struct socket *socket, uint32_t payload);

/* The congestion window is so many bytes from now on, a multiple of what usrsctp counts in (unit),
 * or as it is; and no more than limit (0: anything). */
void udp_socket_window(struct socket *socket, uint32_t bytes, uint32_t unit);
void udp_socket_window_limit(struct socket *socket, uint32_t limit);

/* Bytes of each of the two socket buffers. */
uint32_t udp_socket_buffer(const struct transport_options *options);

/* A chunk is sent again no sooner than after so many ms without an acknowledgement, by these
 * options or from now on. */
uint32_t udp_socket_rto_min(const struct transport_options *options);
void udp_socket_set_rto_min(struct socket *socket, uint32_t ms);

/* Whether small messages wait for each other while others are in flight (RFC 9260 section
 * 6.1, rule on bundling). */
void udp_socket_cork(struct socket *socket, bool corked);

/* ABORT with the text as user-initiated cause (section 3.3.10.12). */
void udp_socket_abort(struct socket *socket, const char *detail);

struct udp_socket_state udp_socket_look(struct socket *socket);
