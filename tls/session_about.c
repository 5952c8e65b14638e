/* What there is to say about a session: names, versions, who the peer is. */
#include <gnutls/gnutls.h>

#include "tls/session_private.h"
#include "tls/signer_private.h"

/* Without GnuTLS it is that of the master, as was checked. */
static gnutls_protocol_t version_of(const struct tls_session *session)
{
    return session->gnutls ? gnutls_protocol_get_version(session->gnutls)
                           : (gnutls_protocol_t)session->generation->version;
}

bool tls_session_is_resumed(const struct tls_session *session)
{
    return session->is_established && session->is_resumed;
}

const char *tls_session_detail(const struct tls_session *session)
{
    return !tls_signer_has(session) && session->detail ? session->detail : "";
}

const char *tls_session_version(const struct tls_session *session)
{
    const char *name = gnutls_protocol_get_name(version_of(session));
    return name ? name : "";
}

bool tls_session_is_13(const struct tls_session *session)
{
    return version_of(session) == GNUTLS_TLS1_3;
}

const char *tls_session_cipher(const struct tls_session *session)
{
    const char *name = gnutls_cipher_get_name(
        session->gnutls ? gnutls_cipher_get(session->gnutls)
                        : (gnutls_cipher_algorithm_t)session->generation->cipher);
    return name ? name : "";
}

enum tls_records tls_session_records(const struct tls_session *session)
{
    return session->gnutls ? TLS_RECORDS_GNUTLS : TLS_RECORDS_OWN;
}

bool tls_session_is_left_to_gnutls(const struct tls_session *session)
{
    return session->gnutls && !session->master &&
           session->credentials->records == TLS_RECORDS_OWN && version_of(session) == GNUTLS_TLS1_3;
}

const char *tls_session_peer(const struct tls_session *session)
{
    const struct tls_identity *identity = tls_session_identity(session);
    return identity ? identity->label : "";
}

const struct tls_identity *tls_session_identity(const struct tls_session *session)
{
    return session->master ? session->master->identity : session->generation->identity;
}
