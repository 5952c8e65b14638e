/* proxy/strand/strand.h: one stream with all that lives on it: the child TLS session, the mux
 * stream, and, during a lease, the connection that it carries.
 *
 *   socket <-> connection <-> mux stream <-> TLS session <-> messages <-> link (home worker)
 *
 * A strand is made once for a stream of a link and lasts as long as the link; its sessions come and
 * go (epoch counts them). It belongs to one worker; the home worker of the link only hands it
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

/* Bytes of ciphertext that a strand may have on their way to SCTP: eight full records keep the
 * pipe of one bulk connection full, and 1024 such connections below 128 MB. */
#define STRAND_UNSENT_MAX (8 * MESSAGE_MAX)

struct strand {
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
    struct strand *held_next;
};

/* What a session is made from. The credentials are those of the generation's master, so that its
 * children live under the rules that it was made under, whatever was loaded since. */
struct strand_roots {
    struct tls_credentials *credentials;
    struct tls_generation *generation, *previous; /* previous: NULL: none */
};

/* What a session begins with, on its way to the strand's worker. */
struct strand_start {
    struct mail mail;
    struct strand *strand;
    uint8_t epoch;
    struct strand_roots roots;
};

/* Thread: home. Owns: the link, strand_free after strand_stop. */
struct strand *strand_new(struct link *link, struct worker *worker, uint16_t stream);
void strand_free(struct strand *strand);

/* The functions below: on the strand's worker. */

/* Begins session epoch (ends the one before, if any). Owns: the references in roots are consumed.
 */
void strand_begin(struct strand *strand, uint8_t epoch, const struct strand_roots *roots);
/* A message of the present epoch; handled at the end of this turn, together with others. Owns:
 * consumed. */
void strand_feed(struct strand *strand, struct message *message);
/* Handles at once what was fed in this turn. */
void strand_catch_up(struct strand *strand);
/* The pool leased the stream to the connection. Owns: consumed; comes back to the link by notice
 * when the peer was first. */
void strand_carry(struct strand *strand, struct connection *connection);
/* One record for the link, whose turn this strand was told to wait for (link_want). Returns whether
 * it has more. Thread: home, and so the strand's. */
bool strand_produce(struct strand *strand);
/* Ends session and connection, without a notice to the link. */
void strand_stop(struct strand *strand, enum err why, const char *detail);

/* Thread: home. It may have room, or its turn. */
void strand_wake(struct strand *strand);
/* Thread: home. length bytes went to SCTP (or were dropped). */
void strand_sent(struct strand *strand, uint32_t length);
