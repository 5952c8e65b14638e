/* proxy/channel/channel.h: one stream with all that lives on it: the child TLS session, the mux
 * stream, and, during a lease, the connection that it carries.
 *
 *   socket <-> connection <-> mux stream <-> TLS session <-> messages <-> link (home worker)
 *
 * A channel is made once for a stream of a link and lasts as long as the link; its sessions come
 * and go (epoch counts them). It belongs to one worker. Its link, on the home worker, calls it from
 * there (from_home.c) and hears of it there (struct channel_sink, to_home.c): at once where the
 * channel is at home, else by mail. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "base/mailbox.h"
#include "mux/stream.h"
#include "proxy/channel/group.h"
#include "proxy/local/connection.h"
#include "proxy/worker/turn.h"
#include "tls/session.h"

struct worker;

/* Bytes of ciphertext that a channel may have on their way to SCTP: eight full records keep the
 * pipe of one bulk connection full, and 1024 such connections below 128 MB. */
#define CHANNEL_UNSENT_MAX (8 * MESSAGE_MAX)

/* Ciphertext that came and is not handled yet. */
struct channel_input {
    bool fed;     /* messages wait in the session for the pump */
    bool hurries; /* the channel ends: what is there is handled in this turn */
    size_t bytes; /* at most that many */
    struct turn_taker taker;
};

/* Its way to SCTP. Home writes it too. */
struct channel_flow {
    _Atomic int32_t unsent; /* bytes handed to the link, not yet taken by SCTP */
    atomic_bool starved;    /* waits for unsent to fall */
    atomic_bool wake_posted;
    struct mail wake;
    atomic_bool held; /* waits in the link's list, or is on its way there */
    struct mail hold;
    struct channel *next_held; /* home's */
};

struct channel {
    struct channel_group *group;
    struct worker *worker;
    uint16_t stream;
    uint8_t epoch;

    struct tls_session *session; /* NULL: none, or it failed */
    struct tls_output output;
    struct mux_stream *mux;
    struct mux_stream_events mux_events;
    bool handshaken;
    struct loop_timer timer; /* handshake and BIND */

    struct connection *connection; /* NULL: none */
    struct connection_events connection_events;
    bool peer_finished; /* the peer's FIN came in this turn */
    bool rekeys;        /* the lease has begun, and wants new keys */

    struct loop_task pump;
    struct channel_input input;
    struct channel_flow flow;
    struct message **produced; /* for the record of channel_produce; NULL: it does not run */
};

/* The credentials are those of the generation's master, so that its children live under the rules
 * that it was made under, whatever was loaded since. */
struct channel_roots {
    struct tls_credentials *credentials;
    struct tls_generation *generation, *previous; /* previous: NULL: none */
};

/* The functions below: Thread: home. */

/* Owns: the link, channel_free after channel_finish. */
struct channel *channel_new(struct channel_group *group, struct worker *worker, uint16_t stream);
void channel_free(struct channel *channel);

/* Begins session epoch (ends the one before, if any). Owns: the references in roots are consumed.
 */
void channel_begin(struct channel *channel, uint8_t epoch, const struct channel_roots *roots);
/* Ends session and connection, without a report to the link. */
void channel_stop(struct channel *channel, enum err why);
/* A message of the present epoch; handled at the end of the worker's turn, together with others.
 * Owns: consumed. */
void channel_feed(struct channel *channel, struct message *message);
/* The pool leased the stream to the connection. Owns: consumed; comes back with CHANNEL_RETURNED
 * when the peer was first. */
void channel_carry(struct channel *channel, struct connection *connection);

/* The channel may have room, or its turn. */
void channel_wake(struct channel *channel);
/* length bytes went to SCTP (or were dropped). */
void channel_sent(struct channel *channel, uint32_t length);
/* The next record of a channel at home whose turn it waits for (want). more: it has another one.
 * Returns NULL when it has none. Owns: caller. */
struct message *channel_produce(struct channel *channel, bool *more);

/* Handles what has come, then ends session and connection for good: the link ends. Thread: the
 * channel's worker. */
void channel_finish(struct channel *channel, enum err why, const char *detail);
