/* proxy/local/connection.h: one tunnelled connection at this end: its local socket, the bytes that
 * wait for it, and its line in the log when it ends.
 *
 * It knows nothing of streams: its user (proxy/channel/channel.c) joins it to one. Sockets are
 * watched edge-triggered, once for their whole life, so that the way of a byte has no epoll_ctl in
 * it. Thread: one at a time; it moves by mail, between connection_new / _connect and
 * connection_watch.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/address.h"
#include "base/error.h"
#include "base/loop.h"
#include "base/message.h"
#include "mux/pool.h"

struct connection_dial;
struct channel;
struct link;
struct quota;
struct service;
struct tls_identity;
struct worker;

/* Events for the user of a connection. Embedded in the user's struct. */
struct connection_events {
    /* connection_connect has come to its end: ERR_OK, or an error with words for the log of this
     * end alone (the connection is the user's to free). */
    void (*on_connected)(struct connection_events *self, enum err result, const char *why);
    /* connection_fill may have bytes, the end, or an error. */
    void (*on_readable)(struct connection_events *self);
    /* length bytes given to connection_deliver have left for the socket. */
    void (*on_written)(struct connection_events *self, size_t length);
    /* The local end reset the connection, and connection_fill has given all that it sent before;
     * or nothing took that for WORKER_RESET_TIMEOUT_US. */
    void (*on_reset)(struct connection_events *self);
};

/* For its line in the log. */
struct connection_about {
    char *client;     /* address of the TCP client; if it is not opened_here, a claim */
    bool opened_here; /* accepted by our listener, as against opened by the peer */
    bool refused_by_peer;
    struct tls_identity *peer; /* of its association; NULL: none */
    uint64_t association;      /* the same one's */
};

struct connection_counts {
    uint64_t begun_us;            /* loop_now */
    uint64_t written_us;          /* when bytes_in was last counted; loop_now */
    uint64_t bytes_in, bytes_out; /* from the tunnel to the socket; from the socket to the tunnel */
};

/* While it waits for an association or a stream; its user's. */
struct connection_wait {
    uint64_t since_us;               /* 0: it never did */
    bool parked;                     /* in its tunnel's list */
    TAILQ_ENTRY(connection) others;  /* there */
    struct pool_waiter waiter;       /* in a link's pool */
    struct connection_events events; /* proxy/tunnel/waiting.c */
};

/* The state of reading from and writing to its socket. */
struct connection_io {
    bool empty;        /* the last read took all there was */
    bool read_to_end;  /* a short read may not be the last: FIN, RST or urgent data (a read
                        * stops at its mark) was signalled */
    bool fin_received; /* read gave 0 */
    bool fin_wanted;   /* FIN follows the backlog */
    bool fin_sent;     /* shutdown(SHUT_WR) done */
    bool write_failed; /* EPOLLERR came, or a write failed: bytes delivered are dropped. Those that
                        * the local end sent before can still be read */
    bool reset;        /* write_failed, and the local end sends nothing more */
    bool error_taken;  /* by a write: to a read RST looks like FIN now */
    int error;         /* errno of the read or write that failed last; 0: none */
    struct loop_timer reset_timer; /* while it is reset */
};

struct connection {
    struct service *service;
    uint64_t id;     /* on the wire */
    uint16_t stream; /* 0: none yet */
    struct connection_about about;
    struct connection_counts counts;
    struct connection_wait wait;
    struct link *link;       /* that has the pool it waits in, or its stream */
    struct channel *channel; /* the mail goes to this one */
    struct mail mail;        /* for its ways between workers */

    struct quota *quota; /* of its client, at a server; NULL: nobody's yet */
    uint64_t held;       /* bytes that it has of the budget while no lease has them */

    struct connection_events *events; /* NULL while nobody watches */
    struct worker *worker;            /* that watches it */
    struct loop_fd socket;            /* fd -1: none */
    struct connection_io io;
    struct connection_dial *dial; /* NULL: nothing is being connected */
    struct message_queue backlog; /* delivered, not yet written; bounded by credit */
    struct message *readahead;    /* read from the socket beyond the last record's room */
};

/* For an accepted socket, or (fd -1) before connection_connect. Copies client; counts it.
 * Owns: caller, connection_end. fd passes to the connection. */
struct connection *connection_new(struct service *service, int fd, uint64_t id, const char *client,
                                  uint64_t now_us);

/* Its association from now on, for the log; identity NULL: none. It may outlive the association. */
void connection_set_peer(struct connection *connection, const struct tls_identity *identity,
                         uint64_t association);

/* It counts for these limits from now on (quota_connection_begin was called); NULL: nobody's. It
 * may outlive the association. Gives back what it holds. */
void connection_set_quota(struct connection *connection, struct quota *quota);
/* Takes bytes of the budget for it until it ends, gets a lease (connection_set_quota) or drops
 * them: while it waits for a stream, and for the backlog that is left when the lease is over. */
void connection_hold(struct connection *connection, uint64_t bytes);
void connection_drop(struct connection *connection);

/* Connects to the service's endpoint; on_connected follows, never inside this call. */
void connection_connect(struct connection *connection, struct worker *worker,
                        struct connection_events *events);

/* Watches the socket: on_readable follows. Returns ERR_OK or ERR_NO_DESCRIPTORS. */
enum err connection_watch(struct connection *connection, struct worker *worker,
                          struct connection_events *events);
/* Stops watching, for a move to another thread. */
void connection_unwatch(struct connection *connection);

/* Reads at most room bytes. Less than room: empty for now; *end: the local end sent FIN.
 * Calls on_reset (once) where what it returns is followed by a reset; also behind *end, when the
 * local end takes nothing any more. */
size_t connection_fill(struct connection *connection, uint8_t *to, size_t room, bool *end);

/* Writes, or keeps what the socket does not take. Returns how many bytes are gone at once, of this
 * call and of those before; on_written tells of the others. stays: so do the bytes (fewer than
 * GATHER_SMALL are copied), until connection_push, which follows in this turn. Then all leave in
 * one call: a bulk transfer's reader is woken, and takes the processor from us, once for ten
 * records instead of every fourth. */
size_t connection_deliver(struct connection *connection, const uint8_t *data, size_t length,
                          bool stays);
size_t connection_push(struct connection *connection);

/* True: the local end has reset the connection and nothing is left to be read. */
bool connection_is_over(const struct connection *connection);

/* After on_connected: writes what was delivered before there was a socket. False: it takes nothing
 * (on_readable was called, for what it may have sent). */
bool connection_flush(struct connection *connection);

/* FIN to the local end after all that was delivered (and pushed). (When the connection ends with
 * ERR_CLOSED anyway, closing does that by itself.) */
void connection_finish(struct connection *connection);

/* True: all that was delivered has left for the socket. */
bool connection_is_written(const struct connection *connection);
/* Bytes that were delivered and that the peer's host has not acknowledged (the FIN is one of them).
 * A reset would take them away. 0 where it takes nothing any more. */
size_t connection_untaken(const struct connection *connection);

/* The end, from any state: writes the log line, counts, closes the socket and frees.
 * why ERR_CLOSED closes well; every other reason resets the local socket (RST), so that
 * truncation never looks like the end. detail: more words for the log, NULL: none. */
void connection_end(struct connection *connection, enum err why, const char *detail);
