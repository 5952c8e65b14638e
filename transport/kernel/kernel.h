/* transport/kernel/kernel.h: Linux SCTP. Shared by its room; users need only transport.h and
 * kernel_ops.
 *
 * A transport is a one-to-many socket, the endpoint (RFC 6458 section 3). Each association is
 * branched off into a socket of its own (section 9.2) as soon as it begins or is heard of.
 *
 * One that has ended has no socket. The files, the lowest first; each calls only those before it:
 * state, socket, life, path, mtu, auth, send, receive, association, listener, kernel.
 *
 * Not one-to-one sockets: on those Linux refuses an ABORT with a text, they cannot connect from a
 * port that listens, and without a free descriptor a peer could not be refused
 * (docs/decisions/009-kernel-sctp.md). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/log_limit.h"
#include "transport/association.h"
#include "transport/kernel/send_limit.h"
#include "transport/kernel/socket.h"

/* See kernel/auth.c below. WANTED: one message more is given; WAITING: none. */
enum kernel_key { KERNEL_KEY_USED, KERNEL_KEY_WANTED, KERNEL_KEY_WAITING };

struct kernel_life {
    struct loop_timer timer; /* until up: the time limit; then: looks for silence */
    uint64_t begun_us;       /* connect was called then */
    uint64_t heard_us;       /* packets had come in, seen then */
    struct kernel_traffic traffic;
    unsigned stuck_looks, smaller; /* see kernel/mtu.c below */
};

struct kernel_sending {
    struct message_queue pending; /* accepted from the user, not yet by the kernel */
    struct loop_task task;
    size_t outstanding; /* bytes in the kernel, an upper bound between two looks */
    struct send_limit limit;
    struct loop_timer pace_timer;
    bool want_writable;
    size_t mark; /* to which the send buffer is lowered, to tell when there is room; 0: it is not */
};

struct kernel_association {
    struct association base;
    struct kernel *transport;
    bool peer_closing;
    bool counted; /* in transport->established */
    uint16_t streams;
    struct loop_fd fd;
    uint32_t interest;         /* EPOLLIN | EPOLLOUT: epoll watches for these */
    uint32_t handshake_rtt_us; /* of INIT and COOKIE ECHO; 0: a peer began it */
    struct message *inbox;     /* to be received into; its length: the pieces that have come */
    struct kernel_life life;
    struct kernel_sending out;
    struct {
        enum kernel_key state;
        uint16_t next; /* while it is not KERNEL_KEY_USED */
    } key;
    struct {
        struct path_status list[TRANSPORT_ADDRESSES_MAX]; /* as the user was told */
        size_t count;
    } paths;
};

struct kernel {
    struct transport base;
    struct transport_options options;
    struct transport_acceptor *acceptor;
    bool refuses;                                   /* transport_refuse */
    struct address locals[TRANSPORT_ADDRESSES_MAX]; /* with the port taken */
    size_t local_count;
    struct loop_fd endpoint;
    bool is_listening; /* not without acceptor, nor when max_associations are up */
    size_t established;
    uint64_t bad_messages; /* with an identifier that is not ours */
    struct log_limit turned_away;
    struct log_limit lines; /* about peers that no user has seen */
};

extern const struct transport_ops kernel_ops;

/* ---- kernel/life.c: the end, and what depends on how many there are ---- */

/* Ends it from any state: closes and gives back everything but itself. A no-op when it has ended.
 */
void kernel_life_end(struct kernel_association *self, enum err reason, const char *detail);

/* It counts among those that are up, or does not. */
void kernel_life_count(struct kernel_association *self, bool counted);
/* The number of associations has changed: the endpoint listens, or does not. */
void kernel_life_listen(struct kernel *transport);

/* epoll watches for EPOLLIN | EPOLLOUT from now on. */
void kernel_life_watch(struct kernel_association *self, uint32_t interest);

/* ---- kernel/send.c: the way out ---- */

/* association_send. */
enum err kernel_send_message(struct association *association, struct message *message);

/* Gives the kernel what waits, as far as it takes it; shuts down after the last when the user has
 * asked for that. */
void kernel_send_pending(struct kernel_association *self);

/* Lets epoll tell when there is room, if anybody waits for it. */
void kernel_send_wait(struct kernel_association *self);

/* There is room: goes on with what waits, tells the user. */
void kernel_send_continue(struct kernel_association *self);

/* Prepares a new association. */
void kernel_send_init(struct kernel_association *self);

/* ---- kernel/receive.c: the way in ---- */

/* Why a peer that answers with an ABORT without a cause has refused. */
#define KERNEL_NOBODY "nobody listens at that port"

enum kernel_heard {
    KERNEL_HEARD_NOTHING,   /* more than what was handed on; it may have ended */
    KERNEL_HEARD_UP,        /* our association is up, and more may have come */
    KERNEL_HEARD_RESTARTED, /* the peer lost its state and began anew with the same addresses */
};

/* Hands on what has come, messages and notifications, up to a limit for one turn. */
enum kernel_heard kernel_receive_all(struct kernel_association *self);

/* ---- kernel/path.c: the paths ---- */

/* Something may have changed: tells the user of each path that has. */
void kernel_path_look(struct kernel_association *self);

/* association_status. */
void kernel_path_status(struct association *association, struct association_status *status);

/* ---- kernel/mtu.c: paths that lose their large packets without a word ---- */

/* The kernel learns a path's MTU by ICMP alone. If that is filtered and the path takes less than
 * before, large packets vanish and are sent again for ever, and heartbeats, which are small, keep
 * the association alive. The kernel's own search (RFC 8899, SCTP_PLPMTUD_PROBE_INTERVAL) is no help
 * for what waits: a chunk that was cut is not cut again, and goes with DF. */

/* Once for each look at an association that is up. Twice in a row nothing of what is on its way was
 * acknowledged, and yet the peer was heard: packets are smaller from now on, and what is too large
 * may be cut up by routers (those of IPv4). If that does not help either, it is ended, and those
 * that come later begin with packets that pass everywhere. */
void kernel_mtu_look(struct kernel_association *self, const struct kernel_traffic *now);

/* ---- kernel/auth.c: authenticated chunks (sctp/auth_chunks.h) ---- */

/* Of an association that came up: whether the peer authenticates what we do. */
bool kernel_auth_agreed(int fd);

/* association_auth_add and the others. */
enum err kernel_auth_change(struct association *association, enum association_auth what,
                            uint16_t number, const uint8_t *key);

/* MSG_MORE holds nothing back any more: waits until all has arrived. */
void kernel_auth_wait(struct kernel_association *self);
/* A notification: all has arrived. True: the key has changed, and what waits may go on. */
bool kernel_auth_dry(struct kernel_association *self);

/* ---- kernel/association.c: life of an association ---- */

/* association_connect, association_close. */
enum err kernel_association_connect(struct transport *transport, const struct address *remotes,
                                    size_t remote_count, struct association_events *events,
                                    struct association **association);
void kernel_association_close(struct association *association, enum association_close how,
                              const char *detail);

/* A peer's, which is up. Owns: the association, fd. */
void kernel_association_accept(struct kernel *transport, int fd);

/* ---- kernel/listener.c: the endpoint's socket: takes the associations that peers begin ---- */

/* Listens, if there is an acceptor. Owns: the transport, fd, also after an error;
 * kernel_listener_close. Returns 0, or -1 with errno. */
int kernel_listener_open(struct kernel *transport, int fd);
/* A no-op when it is closed. */
void kernel_listener_close(struct kernel *transport);
