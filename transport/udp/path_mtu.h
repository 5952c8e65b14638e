/* transport/udp/path_mtu.h: the sizes of packets on an association's paths at work: sized probes
 * out, their replies in; the engine is told the size of the path in use, and packets that are too
 * large for it are divided. transport/udp/mtu.h decides the size. */
#pragma once

#include "transport/udp/udp.h"

void udp_path_mtu_init(struct udp_association *self);

/* It is up: begins to search. */
void udp_path_mtu_up(struct udp_association *self);
/* After anything that may have changed which paths are in use, work, or what the peer is. */
void udp_path_mtu_go_on(struct udp_association *self);

/* Packets were lost on the path in use: its size is probed soon. */
void udp_path_mtu_lost(struct udp_association *self);
/* The system says that packets are too large for this path. */
void udp_path_mtu_narrowed(struct udp_path *path);

/* An answer came on its path. False: to no probe of a size. */
bool udp_path_mtu_answered(struct udp_path *path, const struct probe *probe);

/* Sends a sealed packet by the path, in several ones where it is too large for it. */
void udp_path_mtu_divide(struct udp_path *path, const uint8_t *packet, size_t length);

/* A packet with the right tag on a confirmed path, which is replaced by the one of which it is the
 * last fragment. False: it is a fragment like others, or a bad one. */
bool udp_path_mtu_join(struct udp_association *self, struct packet_view *packet);
