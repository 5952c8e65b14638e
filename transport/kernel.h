/* transport/kernel.h: Linux SCTP. The structures that the kernel_*.c share; users need only
 * transport.h and kernel_ops.
 *
 * A transport is a one-to-many socket, the endpoint (RFC 6458 section 3). Each association is
 * branched off into a socket of its own (section 9.2) as soon as it begins or is heard of:
 *
 *   CONNECTING -> UP -> SHUTTING -> ENDED    ours
 *                 UP -> SHUTTING -> ENDED    a peer's: its cookie has returned
 *
 * ENDED has no socket; on_down follows in a task of the loop.
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
#include "base/quote.h"
#include "transport/backlog.h"
#include "transport/kernel_socket.h"
#include "transport/transport.h"

/* Longest text of an ABORT that is kept. */
#define KERNEL_DETAIL_MAX  200
#define KERNEL_DETAIL_ROOM QUOTE_ROOM(KERNEL_DETAIL_MAX)

enum kernel_state { KERNEL_CONNECTING, KERNEL_UP, KERNEL_SHUTTING, KERNEL_ENDED };

/* See kernel_auth.h. WANTED: one message more is given; WAITING: none. */
enum kernel_key { KERNEL_KEY_USED, KERNEL_KEY_WANTED, KERNEL_KEY_WAITING };

struct kernel_association {
    struct association base;
    struct kernel *transport;
    TAILQ_ENTRY(kernel_association) link; /* of transport->all */
    struct association_events *events;    /* NULL until the acceptor gave them */
    enum kernel_state state;
    bool peer_closing;
    bool counted; /* in transport->established */
    uint16_t streams;

    struct loop_fd fd;
    uint32_t interest; /* what epoll watches for */

    struct loop_timer timer; /* until up: the time limit; then: looks for silence */
    uint64_t begun_us;       /* connect was called then */
    uint64_t heard_us;       /* packets had come in, seen then */
    struct kernel_socket_traffic traffic;
    unsigned stuck_looks, smaller; /* see kernel_mtu.h */
    uint32_t handshake_rtt_us;     /* of INIT and COOKIE ECHO; 0: a peer began it */

    struct message *inbox; /* to be received into; its length: the pieces that have come */

    struct message_queue pending; /* accepted from the user, not yet by the kernel */
    struct loop_task send_task;
    size_t outstanding; /* bytes in the kernel, an upper bound between two looks */
    struct backlog backlog;
    struct loop_timer pace_timer;
    bool want_writable;
    size_t mark; /* to which the send buffer is lowered, to tell when there is room; 0: it is not */

    enum kernel_key key_state;
    uint16_t next_key;                                 /* while it is not KERNEL_KEY_USED */
    struct path_status paths[TRANSPORT_ADDRESSES_MAX]; /* as the user was told */
    size_t path_count;

    struct loop_task end_task;
    enum err reason;
    char detail[KERNEL_DETAIL_ROOM];
};

TAILQ_HEAD(kernel_association_list, kernel_association);

struct kernel {
    struct transport base;
    struct loop *loop;
    struct transport_options options;
    struct transport_acceptor *acceptor;
    bool refuses;                                   /* transport_refuse */
    struct address locals[TRANSPORT_ADDRESSES_MAX]; /* with the port taken */
    size_t local_count;
    struct loop_fd endpoint;
    bool is_listening; /* not without acceptor, nor when max_associations are up */
    struct kernel_association_list all;
    size_t established;
    uint64_t bad_messages; /* with an identifier that is not ours */
    struct log_limit turned_away;
    struct log_limit lines; /* about peers that no user has seen */
};

extern const struct transport_ops kernel_ops;
