/* tls/established.h: private to tls/: a child of TLS 1.3 after its handshake: data, alerts and
 * KeyUpdates, without GnuTLS's session, which takes 11 KB at each end to do that
 * (docs/decisions/017). The functions are those of tls/session.h, for such a session. */
#pragma once

#include "base/message.h"
#include "tls/record.h"

struct tls_session;

struct tls_established {
    struct tls_record record;
    struct message *read;  /* the caller looks into it; NULL: none */
    struct message *held;  /* and into these, until it says that it does not any more */
    int64_t updates_until; /* ms, monotonic: each KeyUpdate of the peer moves it on, data back */
};

/* Before the handshake of a child. Does nothing where GnuTLS is to go on with it: by the
 * credentials, or in FIPS mode, which is for GnuTLS's own code. */
void tls_established_prepare(struct tls_session *session);
/* After it, when all checks hold: ends the session's GnuTLS part, or itself, when GnuTLS has to go
 * on (tls_record_take). */
void tls_established_begin(struct tls_session *session);
/* NULL is fine. */
void tls_established_free(struct tls_established *established);

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
