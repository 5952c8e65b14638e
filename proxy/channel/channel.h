/* proxy/channel/channel.h: one stream with all that lives on it: the child TLS session, the mux
 * stream, and, during a lease, the connection that it carries.
 *
 *   socket <-> connection <-> mux stream <-> TLS session <-> messages <-> link (home worker)
 *
 * A channel is made once for a stream of a link and lasts as long as the link; its sessions come
 * and go (epoch counts them). It belongs to one worker; the home worker of the link only hands it
 * messages and tells it what has been sent. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "base/mailbox.h"
#include "mux/stream.h"
#include "proxy/local/connection.h"
#include "proxy/worker/turn.h"
#include "tls/session.h"

struct link;
struct worker;

/* Bytes of ciphertext that a channel may have on their way to SCTP: eight full records keep the
 * pipe of one bulk connection full, and 1024 such connections below 128 MB. */
#define CHANNEL_UNSENT_MAX (8 * MESSAGE_MAX)

struct channel {
    struct link *link;
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
    bool peer_finished;            /* the peer's FIN came in this turn */
    struct connection_events connection_events;

    struct loop_task pump;
    bool rekeys;  /* the lease has begun, and wants new keys */
    bool fed;     /* messages wait in the session for the pump */
    bool hurries; /* it ends: what is there is handled in this turn */
    size_t input; /* bytes of ciphertext that wait there, at most */
    struct turn_taker taker;
    _Atomic int32_t unsent; /* bytes handed to the link, not yet taken by SCTP */
    atomic_bool starved;    /* waits for unsent to fall */
    atomic_bool wake_posted;
    struct mail wake;
    atomic_bool held; /* waits in the link's list, or is on its way there */
    struct mail hold;
    struct channel *held_next;
};

/* A session is made from these. The credentials are those of the generation's master, so that its
 * children live under the rules that it was made under, whatever was loaded since. */
struct channel_roots {
    struct tls_credentials *credentials;
    struct tls_generation *generation, *previous; /* previous: NULL: none */
};

/* The beginning of a session, on its way to the channel's worker. */
struct channel_start {
    struct mail mail;
    struct channel *channel;
    uint8_t epoch;
    struct channel_roots roots;
};

/* Thread: home. Owns: the link, channel_free after channel_stop. */
struct channel *channel_new(struct link *link, struct worker *worker, uint16_t stream);
void channel_free(struct channel *channel);

/* The functions below: on the channel's worker. */

/* Begins session epoch (ends the one before, if any). Owns: the references in roots are consumed.
 */
void channel_begin(struct channel *channel, uint8_t epoch, const struct channel_roots *roots);
/* A message of the present epoch; handled at the end of this turn, together with others. Owns:
 * consumed. */
void channel_feed(struct channel *channel, struct message *message);
/* Handles at once what was fed in this turn. */
void channel_catch_up(struct channel *channel);
/* The pool leased the stream to the connection. Owns: consumed; comes back to the link by notice
 * when the peer was first. */
void channel_carry(struct channel *channel, struct connection *connection);
/* One record for the link, whose turn this channel was told to wait for (link_want). Returns
 * whether it has more. Thread: home, and so the channel's. */
bool channel_produce(struct channel *channel);
/* Ends session and connection, without a notice to the link. */
void channel_stop(struct channel *channel, enum err why, const char *detail);

/* Thread: home. It may have room, or its turn. */
void channel_wake(struct channel *channel);
/* Thread: home. length bytes went to SCTP (or were dropped). */
void channel_sent(struct channel *channel, uint32_t length);
