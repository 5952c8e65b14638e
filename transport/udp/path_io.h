/* transport/udp/path_io.h: the paths of an association at work: probes out and in, and the news
 * that packets bring about their path. transport/udp/paths.h decides. */
#pragma once

#include "transport/udp/udp.h"

/* Probes in a second by which all associations of a server are asked over which nothing goes
 * (docs/decisions/041-idle-associations.md, docs/PROTOCOL.md P14). One and its answer take 10 to 15
 * µs, so this is a hundredth of a core. */
#define UDP_PATH_IO_IDLE_PROBES 1000

void udp_path_io_init(struct udp_association *self, bool chooses);

/* It is up: learns the tags, begins to probe. */
void udp_path_io_up(struct udp_association *self);
/* The timer of the paths, of an association that is up. */
void udp_path_io_timeout(struct udp_association *self);

/* The path on which a packet from an unknown address came, when it belongs to an association that
 * a peer began: it has our tag and shows life. NULL otherwise; ootb: no association has it, or
 * one that cannot follow. */
struct udp_path *udp_path_io_learn(struct udp_local *local, const struct address *wire,
                                   const struct address *own, const struct path_key *key,
                                   const struct packet_view *packet, bool *ootb);

/* The engine is to see a packet, nobody is, or it is out of the blue. */
enum udp_take { UDP_TAKE_PASS, UDP_TAKE_DROP, UDP_TAKE_OOTB };
/* One of an association that is up; it may be replaced by one that came in fragments. */
enum udp_take udp_path_io_take(struct udp_path *path, struct packet_view *packet);

/* The packet that came on this path is the peer's: it lives, uses the path, and moves data. */
void udp_path_io_believe(struct udp_path *path, const struct packet_view *packet);

/* Replies to a probe, in place; at addresses that are not confirmed not too often. */
void udp_path_io_reply(struct udp_path *path, uint8_t *packet);

/* A packet that anybody can make (INIT, an ABORT with the tag reflected) says that the peer does
 * not know this association any more. The peer is asked at once. */
void udp_path_io_doubt(struct udp_association *self);
/* After time-outs of those probes: the peer does not know it. */
bool udp_path_io_is_refuted(const struct udp_association *self);

/* Tells the user what has changed. It may end the association. */
void udp_path_io_tell(struct udp_association *self);

/* Data moves: probes become denser. */
void udp_path_io_busy(struct udp_association *self);

/* The system has trouble with packets to this address. Only notes it. */
void udp_path_io_trouble(struct udp_path *path, bool too_large);
