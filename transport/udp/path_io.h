/* transport/udp/path_io.h: the paths of an association at work: records of them, probes out and in,
 * the tags by which packets from new addresses are known. What is decided is decided by
 * transport/udp/paths.h. */
#pragma once

#include "transport/udp/udp.h"

void udp_path_io_init(struct udp_association *self, bool chooses);
/* Forgets all paths and the tag. */
void udp_path_io_fini(struct udp_association *self);
/* Of transport->addresses. */
struct path_key udp_path_io_key(const struct udp_local *local, const struct address *wire);
/* Adds a path; its address must not be known yet. NULL when there is no room now. */
struct udp_path *udp_path_io_add(struct udp_association *self, struct udp_local *local,
                                 const struct address *wire, const struct address *own,
                                 const struct path_key *key, bool confirmed);
/* Not the one in use. */
void udp_path_io_remove(struct udp_path *path);

/* Learns the association's tags from the engine, once it knows both: packets from new addresses and
 * cookies that come again are known by them. */
void udp_path_io_tags(struct udp_association *self);
/* Whose tag that is, between those ports; NULL: nobody's. */
struct udp_association *udp_path_io_by_tag(struct udp *transport, uint32_t tag,
                                           const struct path_key *key);
/* Whether a packet carries the tag that it should. */
bool udp_path_io_has_tag(const struct udp_association *self, const uint8_t *packet);

/* It is up: learns the tags, begins to probe. */
void udp_path_io_up(struct udp_association *self);

/* The path on which a packet from an unknown address came, when it belongs to an association that
 * a peer began: it has our tag and shows life. NULL otherwise; stray: no association has it, or
 * one that cannot follow. */
struct udp_path *udp_path_io_learn(struct udp_local *local, const struct address *wire,
                                   const struct address *own, const struct path_key *key,
                                   const uint8_t *packet, size_t length, bool *stray);

/* What is to be done with a packet of an association that is up. */
enum udp_take { UDP_TAKE_PASS, UDP_TAKE_DROP, UDP_TAKE_STRAY };
/* *packet may be replaced by one that came in pieces. */
enum udp_take udp_path_io_take(struct udp_path *path, uint8_t **packet, size_t *length);

/* The packet that came on this path is the peer's: it lives, uses the path, and moves data. */
void udp_path_io_believe(struct udp_path *path, const uint8_t *packet, size_t length);

/* Makes the packet of a question, of that size. */
void udp_path_io_question(const struct udp_path *path, uint8_t *packet, size_t size,
                          uint8_t nonce[PROBE_NONCE]);
/* Answers a probe, in place; at addresses that are not confirmed not too often. */
void udp_path_io_answer(struct udp_path *path, uint8_t *packet);

/* Tells the user what has changed. It may end the association. */
void udp_path_io_tell(struct udp_association *self);

/* Data moves: probes become denser. */
void udp_path_io_busy(struct udp_association *self);

/* The system has trouble with packets to this address. Only notes it. */
void udp_path_io_trouble(struct udp_path *path, bool too_large);

void udp_path_io_status(struct udp_association *self, unsigned number, struct path_status *status);
