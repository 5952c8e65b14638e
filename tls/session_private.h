/* tls/session_private.h: private to tls/: what is inside of a session. */
#pragma once

#include "tls/credentials_private.h"
#include "tls/generation_private.h"
#include "tls/session.h"

struct gnutls_session_int;
struct mbuffer_st;
struct tls_established;
struct tls_resume_wait;
struct tls_away;

/* Messages of a master that are kept while its handshake waits for a store or a token. The peer has
 * not shown who it is yet; a whole flight of 128 KB, which is what GnuTLS takes, has 8. */
#define TLS_WAITING_MAX 32

/* The part that only a master needs; children, of which there are thousands, go without. */
struct tls_master {
    int64_t started;               /* wall clock, seconds: before anything was sent */
    int64_t expires_at;            /* of the ticket that was used, else INT64_MAX */
    uint32_t ticket_lifetime_s;    /* of the ticket that is being read */
    struct tls_identity *identity; /* of the peer, once it is verified */
    char psk_name[TLS_NAME_MAX];   /* server: that the client has shown, true or not */
    struct tls_generation *made;
    struct tls_ticket *ticket;  /* client: before the handshake the one to be used, then the one
                                 * for the next association */
    struct tls_ticket *offered; /* client: the one that was used, during the handshake */
    struct tls_ticket_key *key; /* server, once the ClientHello has come */
    uint8_t *stored;            /* server, TLS 1.2: what its children are resumed from by id */
    size_t stored_size;
    struct tls_resume_wait *wait; /* server: for an answer of the store; NULL: for none */
    struct tls_away *away;        /* on the signer's thread (tls/signer.h); NULL: it is not */
};

struct tls_session {
    struct gnutls_session_int *gnutls;   /* NULL: established goes on without */
    struct tls_established *established; /* child of TLS 1.3, else NULL */
    struct tls_output *output;
    struct message_queue input;
    uint64_t pulled;           /* bytes that GnuTLS has taken from input, ever */
    struct mbuffer_st *packet; /* the record that the caller looks at */
    struct tls_credentials *credentials;
    struct tls_master *master;         /* NULL: a child */
    struct tls_generation *generation; /* child: after the handshake, the one it belongs to */
    struct tls_generation *previous;   /* child of a server */
    char *detail;
    enum err failure; /* the reason of its end; ERR_OK: it lives */
    int alert;        /* for the peer, of the failure; 0: none */
    bool is_server;
    bool has_ticket_key; /* server */
    bool is_verified;    /* the peer's certificate was checked in this very session */
    bool has_started;
    bool is_established;
    bool is_resumed; /* with is_established */
    bool is_closed;  /* the peer has said close_notify */
    bool is_drained; /* GnuTLS has seen all that was fed and has nothing for us */
    bool has_read;   /* a record of data has come */
    bool
        owes_update; /* established: the peer asked for a KeyUpdate of ours, before the next data */
    uint8_t unheard; /* KeyUpdates of ours since data came */
    uint64_t unkeyed;   /* bytes written since the last KeyUpdate of ours */
    int64_t rekeyed_at; /* ms, monotonic: when that was; 0: never */
};

/* True if its handshake is on the signer's thread. */
static inline bool tls_session_is_away(const struct tls_session *session)
{
    return session->master && session->master->away;
}
