/* tls/session_private.h: private to tls/: what is inside of a session, and what the files that
 * share it call of each other. */
#pragma once

#include "tls/credentials_private.h"
#include "tls/generation_private.h"
#include "tls/record.h"
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
    struct tls_away *away;        /* on the signer's thread (tls/helper.h); NULL: it is not */
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
    bool is_resumed;    /* with is_established */
    bool is_closed;     /* the peer has said close_notify */
    bool is_drained;    /* GnuTLS has seen all that was fed and has nothing for us */
    bool has_read;      /* a record of data has come */
    bool owes_update;   /* established: the peer asked for a KeyUpdate of ours */
    uint8_t unheard;    /* KeyUpdates of ours since data came */
    uint64_t unkeyed;   /* bytes written since the last KeyUpdate of ours */
    int64_t rekeyed_at; /* ms, monotonic: when that was; 0: never */
};

/* True if its handshake is on the signer's thread. */
static inline bool tls_session_is_away(const struct tls_session *session)
{
    return session->master && session->master->away;
}

/* ---- failure.c: the end of a session, and the meaning of GnuTLS's codes and the peer's alerts
 * ----
 */

/* Remembers the first failure; alert is GnuTLS's number for tls_failure_tell. Returns err. */
enum err tls_failure_set(struct tls_session *session, enum err err, int alert, const char *format,
                         ...) __attribute__((format(printf, 4, 5)));
/* The same for GnuTLS's code rc, unless a check of ours has set the reason already. Sends the
 * alert. fallback: the failure when nothing better is known. */
enum err tls_failure_from_gnutls(struct tls_session *session, int rc, enum err fallback);
/* The same for the peer's alert. */
enum err tls_failure_from_alert(struct tls_session *session, int alert, enum err fallback);
/* Sends the alert that was set. Returns the failure. */
enum err tls_failure_tell(struct tls_session *session);

/* ---- handshake.c: the checks without which no session is accepted (RFC 8446 section 2.2, RFC 3436
 * section 5) ---- */

/* Hooks of a new session, after its role is set. */
void tls_handshake_prepare(struct tls_session *session);
/* Lets GnuTLS go on as far as the input that is there leads; returns its code. Thread: the
 * session's, or the signer's while the session is away (tls/helper.h). */
int tls_handshake_step(struct tls_session *session);
/* When GnuTLS is through: every check, then the session is established. ERR_OK, or the failure,
 * which the peer has been told. */
enum err tls_handshake_finish(struct tls_session *session);

/* ---- client_hello.c: the offer of a ClientHello to resume, read before GnuTLS gets it (RFC 8446
 * section 4.1.2, RFC 5077 section 3.2) ---- */

struct tls_client_hello {
    const uint8_t *session_id; /* inside of the bytes that were looked at */
    size_t session_id_size;    /* 0 to 32 */
    bool has_ticket;           /* of TLS 1.2, or a pre-shared key of TLS 1.3 */
};

/* True if bytes begin with a whole ClientHello in one record. Nothing of it is trusted, nor checked
 * more than is needed to find the two. */
bool tls_client_hello_read(const uint8_t *bytes, size_t length, struct tls_client_hello *out);

/* ---- resume.c: a server resumes by the ticket key, the store, and for children the generation
 * ----
 */

/* GnuTLS's flags for a session of a server. */
unsigned tls_resume_flags(const struct tls_session *session);
/* Hooks of a new session of a server. */
void tls_resume_prepare(struct tls_session *session);
/* Before GnuTLS sees the first message: chooses the ticket key, and asks other servers' store where
 * that may help. ERR_OK, or ERR_AGAIN while the answer is awaited. */
enum err tls_resume_begin(struct tls_session *session);
/* Puts a master that has passed every check into the store. */
void tls_resume_keep(struct tls_session *session, const struct tls_generation *generation);
/* Nobody waits for an answer any more. */
void tls_resume_abandon(struct tls_session *session);

/* ---- established.c: a child of TLS 1.3 after its handshake ----
 *
 * Data, alerts and KeyUpdates without GnuTLS's session, which takes 11 KB at each end to do that
 * (docs/decisions/017). The functions are those of tls/session.h, for such a session. */

struct tls_established {
    struct tls_record record;
    struct message *read;  /* the caller looks into it; NULL: none */
    struct message *held;  /* and into these, until tls_session_release */
    int64_t updates_until; /* ms, monotonic: each KeyUpdate of the peer moves it on, data back */
};

/* Before the handshake of a child. Does nothing if GnuTLS is to go on with it: by the credentials,
 * or in FIPS mode, which is for GnuTLS's own code. */
void tls_established_prepare(struct tls_session *session);
/* After it, when all checks hold: ends the session's GnuTLS part, or itself, when GnuTLS has to go
 * on (tls_record_take). */
void tls_established_begin(struct tls_session *session);
void tls_established_free(struct tls_established *established); /* NULL is fine */
enum err tls_established_read(struct tls_session *session, const uint8_t **data, size_t *length);
bool tls_established_hold(struct tls_established *established);
void tls_established_release(struct tls_established *established);
/* ERR_OK, or ERR_TLS_RECORD: new keys were due and could not be made; the session has ended. */
enum err tls_established_write(struct tls_session *session, const void *data, size_t length);
/* The same for data that lie in message behind the place of a record's header. Owns: the session.
 */
enum err tls_established_write_message(struct tls_session *session, struct message *message,
                                       size_t length);
enum err tls_established_rekey(struct tls_session *session);
