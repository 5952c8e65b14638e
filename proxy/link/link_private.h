/* proxy/link/link_private.h: between the files of this room. A file calls those above it here, and
 * raises events to link.c, which alone calls all of them. */
#pragma once

#include "proxy/link/link.h"

/* Events of the parts; link.c has the one table. */
struct link_wiring {
    /* A part cannot go on: the link ends (see link_close). */
    void (*on_failed)(struct link *link, enum err why, const char *detail, bool graceful);
    /* send.c: a message of stream 0 left: control frames may have waited for that. */
    void (*on_room)(struct link *link);
    /* place.c: the server's link has its place; waited: it has not always been there. */
    void (*on_place)(struct link *link, bool waited);
    /* master.c: the peer is verified; this may end the link. */
    void (*on_verified)(struct link *link, struct link_master *master);
    /* master.c: its resumable state is there. Owns: generation's reference passes. */
    void (*on_generation)(struct link *link, struct link_master *master,
                          struct tls_generation *generation);
    /* master.c: it has read what there was. */
    void (*on_read)(struct link *link);
    /* master.c: the handshake, or the session, has ended. */
    void (*on_master_failed)(struct link *link, struct link_master *master, enum err why,
                             const char *detail);
};

static inline struct link *link_of(const struct channel *channel)
{
    return container_of(channel->group, struct link, group);
}

/* ---- streams.c ---- */

/* Room for this number of streams; the first one is kept. No pointer to one may be held. */
void link_streams_open(struct link *link, uint32_t count);
/* The peer's HELLO allows that many: sets max, and the limiter. */
void link_streams_agree(struct link *link, uint32_t peers);
/* Its identity has no more than these left. */
void link_streams_limit(struct link *link, uint32_t left);
/* A connection waits for one: a line says so when there can be no more, once a minute. */
void link_streams_waited_for(struct link *link);

/* ---- send.c ---- */

void link_send_init(struct link *link);
void link_send_now(struct link *link);
void link_send_clear(struct link *link);
/* Drops what the stream has. */
void link_send_forget(struct link *link, struct link_stream *stream);
/* Of a master. Owns: consumed. */
void link_send_enqueue(struct link *link, struct message *message);
/* Of channels: see struct channel_sink. */
void link_send_put(struct channel *channel, struct message *message);
void link_send_want(struct channel *channel);
void link_send_hold(struct channel *channel);
void link_send_step(struct channel *channel);

/* ---- paths.c ---- */

void link_paths_init(struct link *link);
void link_paths_up(struct link *link);
void link_paths_change(struct link *link, const struct path_status *path);
void link_paths_end(struct link *link);
/* Of the path in use, in microseconds, as measured just now; 0: not measured. */
uint32_t link_paths_rtt(const struct link *link);

/* ---- control.c: control.events are set before ---- */

void link_control_begin(struct link *link);
/* All frames are written at the end of this turn, or at once. */
void link_control_flush(struct link *link);
void link_control_now(struct link *link);
void link_control_end(struct link *link);

/* ---- auth.c: ERR_OK, or ERR_TRANSPORT_SOCKET: the key cannot be changed ---- */

/* A master is verified, the control channel is there: its key is taken. */
enum err link_auth_verified(struct link *link, const struct link_master *master);
/* The transport sends with nothing older; the peer takes it; the peer sends with nothing older. */
enum err link_auth_settled(struct link *link, uint16_t key);
enum err link_auth_peer_ready(struct link *link, uint16_t key);
enum err link_auth_peer_settled(struct link *link, uint16_t key);

/* ---- place.c: server, the peer is verified ---- */

/* Takes a place: on_place follows, now or later, or on_failed. */
void link_place_take(struct link *link);
/* Of a number of streams those that it gets. Once. */
uint32_t link_place_streams(struct link *link, uint32_t wanted);
/* The answer to a question of place.c. */
void link_place_answered(struct link *link, uint64_t token);
/* GOAWAY came. */
void link_place_drains(struct link *link);
/* Its paths have changed. */
void link_place_paths(struct link *link);
/* A message for the master came. False: it waits for its place, and too many came meanwhile. */
bool link_place_keeps(struct link *link);
/* The link ends: another may have its place. link_place_leave follows, at the latest before its
 * memory goes. */
void link_place_give_back(struct link *link);
void link_place_leave(struct link *link);

/* ---- master.c ---- */

/* resumes: from an earlier association. A renewal is a full handshake. */
void link_master_begin(struct link *link, struct link_master *master, uint16_t stream,
                       uint8_t epoch, bool resumes);
void link_master_advance(struct link_master *master);
/* False: the message is not for its session. Owns: consumed if true. */
bool link_master_feed(struct link_master *master, struct message *message);
void link_master_end(struct link_master *master);
/* Client: the server did not take the ticket that it was offered. */
void link_master_forget_tickets(const struct link_master *master);

/* ---- renewal.c ---- */

/* Children resume from this now. Owns: consumes generation. */
void link_renewal_adopt(struct link *link, struct tls_generation *generation,
                        struct tls_credentials *credentials);
/* The server's part of a renewal that the client begins. */
void link_renewal_asked(struct link *link, uint16_t stream, uint8_t epoch);
/* Owns: consumed. */
void link_renewal_receive(struct link *link, struct message *message);
void link_renewal_failed(struct link *link, enum err why, const char *detail);
/* Of all masters. */
void link_renewal_end(struct link *link);

/* ---- children.c: ERR_OK, or ERR_TOO_MANY_FAILURES ---- */

void link_children_begin(struct link *link);
void link_children_end(struct link *link);
/* As many as are needed now, if it is ready. */
void link_children_start(struct link *link);
void link_children_start_one(struct link *link, uint16_t id, uint8_t epoch);
/* One that has just begun, without a word to the peer, who does not know it. */
void link_children_abandon(struct link *link, uint16_t id);
enum err link_children_failed(struct link *link, uint16_t id, uint8_t epoch, enum err why,
                              const char *detail, bool told_by_peer);
void link_children_usable(struct link *link, uint16_t id);
void link_children_ready(struct link *link, uint16_t id, bool resumed);
/* Owns: consumed. */
enum err link_children_receive(struct link *link, struct message *message);

/* ---- leases.c ---- */

/* After link_children_begin. */
void link_leases_begin(struct link *link);
void link_leases_end(struct link *link);
void link_leases_by_peer(struct link *link, uint16_t id);
void link_leases_idle(struct link *link, uint16_t id);
/* The peer leased the stream first. connection NULL: it has ended meanwhile. Owns: consumed. */
void link_leases_returned(struct link *link, uint16_t id, struct connection *connection);

/* ---- life.c ---- */

void link_life_init(struct link *link);
/* The association is gone. */
void link_life_down(struct link *link, enum err reason, const char *detail);

/* ---- early.c ---- */

void link_early_begin(struct link *link);
/* Owns: consumed. */
void link_early_keep(struct link *link, struct message *message);
/* HELLO is there: gives up those that it does not allow. The messages in children.early follow. */
void link_early_settle(struct link *link);
