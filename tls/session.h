/* tls/session.h: one TLS session as a byte pump without sockets: ciphertext messages go in with
 * feed and come out through the output callback; plaintext goes the other way with read and write.
 *
 * Thread: one session is touched by exactly one thread for its whole life (GnuTLS breaks at the
 * automatic rekey otherwise), but for a handshake that waits for a token (tls/helper.h). Different
 * sessions may be in different threads, also those of one generation. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/message.h"
#include "tls/credentials.h"
#include "tls/generation.h"

struct tls_session;

/* The sink for ciphertext. Embedded in the owner's struct. */
struct tls_output {
    /* Owns: the callee, which sets stream and epoch. At most MESSAGE_MAX bytes each. Called inside
     * tls_session_handshake, _read and _write: the callee must not call into this session (but for
     * tls_session_feed of the other end). */
    void (*on_output)(struct tls_output *self, struct message *message);
    /* Optional, with reply_to, the mailbox of the session's thread: lets a master of a server ask
     * the store of other servers (tls/store_redis.h), and any master wait for a key in a token
     * (tls/helper.h). tls_session_handshake says ERR_AGAIN meanwhile; then this is called on that
     * thread: call tls_session_handshake again. Never called inside of another function of the
     * session, nor after tls_session_free; the mailbox may close right after that, but must then
     * deliver what it holds (mailbox_fini does). Without it only the local store is asked, and a
     * token holds up the thread. */
    void (*on_ready)(struct tls_output *self);
    struct mailbox *reply_to;
};

/* A master session: full handshake, or resumed from ticket (client; may be NULL; consumed, and not
 * used if it has expired or was earned with other credentials). The peer is verified against the
 * credentials in both cases. NULL only when GnuTLS refuses the priority string or has no memory.
 * Owns: caller, tls_session_free. */
struct tls_session *tls_session_new_master(struct tls_credentials *credentials,
                                           struct tls_ticket *ticket, struct tls_output *output);

/* A child of the generation. A server may accept children of two generations while one follows the
 * other: it passes the newest, and the one before as previous (may be NULL). If their ticket keys
 * differ, the ClientHello decides, if its beginning comes in one message (our clients' does); else
 * the newest is taken and the client has to retry. NULL as above, or when the credentials do not
 * allow the generation's version (any more). Owns: references of its own to all it is given. */
struct tls_session *tls_session_new_child(struct tls_credentials *credentials,
                                          struct tls_generation *generation,
                                          struct tls_generation *previous,
                                          struct tls_output *output);

/* Wiped; sends nothing. NULL is fine. */
void tls_session_free(struct tls_session *session);

/* Queues ciphertext that came in; call tls_session_handshake or _read afterwards until they say
 * ERR_AGAIN. Bounded by the caller's credit; a master that waits (on_ready) keeps 32 messages and
 * drops more, with which its handshake fails. Owns: the message is consumed. */
void tls_session_feed(struct tls_session *session, struct message *message);

/* True if whole messages are queued that no read or handshake has begun with: more is likely to
 * follow the record that was read last. */
bool tls_session_has_input(const struct tls_session *session);

/* Goes on with the handshake. ERR_AGAIN: needs more bytes. ERR_OK: finished, and every check holds
 * (peer verified and named; a child: resumed, from this generation, same version and cipher; or
 * accepted by TLS_RESUME_PREFER). Else ERR_TLS_HANDSHAKE, ERR_TLS_NOT_RESUMED,
 * ERR_TLS_OTHER_MASTER, ERR_TLS_PEER_UNVERIFIED, ERR_TLS_PEER_NAME or ERR_TLS_NO_CERTIFICATE;
 * tls_session_detail has words, the alert for the peer has been put out, and the session is only
 * good for tls_session_detail and tls_session_free. A client child whose generation has expired
 * fails without putting anything out (TLS_RESUME_REQUIRE). */
enum err tls_session_handshake(struct tls_session *session);

/* All below only after ERR_OK of the handshake. */

/* The next decrypted record, not copied: *data is valid until the next call with this session.
 * ERR_AGAIN: nothing complete is there (KeyUpdates and tickets are dealt with inside).
 * ERR_TLS_CLOSED: the peer's close_notify; writing is still allowed, later input is dropped.
 * ERR_TLS_RECORD: the session is dead. A client of TLS 1.3 is through before the server has judged
 * it, so before the first record a refusal comes here: ERR_TLS_HANDSHAKE (detail names the alert)
 * or ERR_TLS_NOT_RESUMED. */
enum err tls_session_read(struct tls_session *session, const uint8_t **data, size_t *length);

/* Keeps the record that was read last where it is until tls_session_release, through further reads.
 * False: it does not stay. */
bool tls_session_hold(struct tls_session *session);
void tls_session_release(struct tls_session *session);

/* Encrypts at most 16384 bytes as one record and puts it out at once; 0 bytes are nothing. ERR_OK,
 * or ERR_TLS_RECORD: the session has ended. */
enum err tls_session_write(struct tls_session *session, const void *data, size_t length);
/* Bytes in front of the plaintext: a record's header. */
#define TLS_SESSION_HEADROOM 5
/* The same for data in a message from TLS_SESSION_HEADROOM on, which has room for a whole record
 * (MESSAGE_MAX): where that saves a copy it is encrypted in place and goes out itself, and *plain
 * is another message then. Owns: caller, *plain before and after. */
enum err tls_session_write_message(struct tls_session *session, struct message **plain,
                                   size_t length);

/* New keys for what is written from now on (KeyUpdate, RFC 8446 section 4.6.3), put out at once: a
 * thief of the new keys cannot read what was written before. Happens by itself after rekey_bytes of
 * the credentials, at most twice while nothing is read. ERR_OK (in TLS 1.2 nothing happens);
 * ERR_AGAIN: nothing happened, the last one is less than 250 ms ago; or as tls_session_write. */
enum err tls_session_rekey(struct tls_session *session);

bool tls_session_is_resumed(const struct tls_session *session);

/* Words for the log about the last failure: GnuTLS's, the alert, the names that were compared. ""
 * if none. Valid while the session lives. Any time. */
const char *tls_session_detail(const struct tls_session *session);

/* "TLS1.3", "AES-128-GCM"; static text. */
const char *tls_session_version(const struct tls_session *session);
const char *tls_session_cipher(const struct tls_session *session);
bool tls_session_is_13(const struct tls_session *session);

/* The code that protects this session's records. */
enum tls_records tls_session_records(const struct tls_session *session);
/* True for a child of TLS 1.3 with which GnuTLS has to go on, though by the credentials its records
 * should be ours: in FIPS mode, for a peer that wants short records (RFC 8449), or because keys and
 * secrets do not fit. */
bool tls_session_is_left_to_gnutls(const struct tls_session *session);

/* The peer's identity, for the `allow` of a service (tls_identity_matches) and to be judged again
 * after a reload (tls_credentials_recheck). A child has its master's. NULL: not known yet. Valid as
 * long as the session; take a reference to keep it. */
const struct tls_identity *tls_session_identity(const struct tls_session *session);

/* The peer's name for people: the first DNS name of its certificate, else the CN, the name of its
 * key or of its PSK, its pin. */
const char *tls_session_peer(const struct tls_session *session);

/* Master only: size bytes that only the two ends of this session know (RFC 8446 section 7.5; RFC
 * 5705). ERR_OK, or ERR_INTERNAL for a size that no hash allows. */
enum err tls_session_export(struct tls_session *session, const char *label, uint8_t *out,
                            size_t size);

/* Master only: the state from which children are resumed. The server has it when the handshake is
 * done; the client of TLS 1.3 when the server's ticket has come (keep calling tls_session_read), of
 * TLS 1.2 at once. NULL: not yet, or failed. Owns: caller has a reference of its own. */
struct tls_generation *tls_session_generation(struct tls_session *session);

/* Master of a client only, at any time: the ticket for the next association, for
 * tls_client_cache_put. Before the handshake has begun the one that was given: it was not used.
 * NULL: none (left), or TLS_CHILDREN_PSK. Owns: caller. */
struct tls_ticket *tls_session_take_ticket(struct tls_session *session);
