/* tls/failure.c: remembers and tells the end of a session. */
#include "tls/session_private.h"

#include <gnutls/gnutls.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "base/quote.h"

#define DETAIL_MAX 1024

enum err tls_failure_set(struct tls_session *session, enum err err, int alert, const char *format,
                         ...)
{
    if (session->failure != ERR_OK)
        return session->failure;
    char text[DETAIL_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    session->failure = err;
    session->alert = alert;
    session->detail = check_strdup(text);
    message_queue_clear(&session->input);
    return err;
}

enum err tls_failure_tell(struct tls_session *session)
{
    const uint8_t alert[] = {GNUTLS_AL_FATAL, (uint8_t)session->alert};
    if (session->alert && session->gnutls)
        gnutls_alert_send(session->gnutls, GNUTLS_AL_FATAL,
                          (gnutls_alert_description_t)session->alert);
    else if (session->alert)
        session->output->on_output(session->output,
                                   tls_record_message(&session->established->record,
                                                      TLS_RECORD_ALERT, alert, sizeof alert));
    return session->failure;
}

/* The meaning of a peer's alert (RFC 8446 section 6.2), for somebody who has only our log. */
static const struct {
    gnutls_alert_description_t alert;
    const char *meaning;
} meanings[] = {
    {GNUTLS_A_HANDSHAKE_FAILURE,
     "the two ends have no cipher, group or kind of key in common (priority)"},
    {GNUTLS_A_PROTOCOL_VERSION,
     "the two ends have no TLS version in common (min_version, max_version)"},
    {GNUTLS_A_UNKNOWN_CA, "it does not trust the CA that signed our certificate"},
    {GNUTLS_A_CERTIFICATE_REVOKED, "it says that our certificate is revoked"},
    {GNUTLS_A_CERTIFICATE_EXPIRED, "by its clock our certificate has expired, or is not valid yet"},
    {GNUTLS_A_CERTIFICATE_REQUIRED, "it wants to see a certificate or key, and got none from us"},
    {GNUTLS_A_UNSUPPORTED_CERTIFICATE,
     "our certificate is not meant for this role (extended key usage), or of a kind that it does "
     "not take"},
    {GNUTLS_A_ACCESS_DENIED,
     "it knows who we are, but its \"allow\" does not include us; its log has the name it saw"},
    {GNUTLS_A_BAD_CERTIFICATE,
     "it did not accept our certificate: another name than it expected, or no good OCSP response; "
     "its log says which"},
    {GNUTLS_A_CERTIFICATE_UNKNOWN,
     "it did not accept our certificate or key: not one that it has pinned or knows, or its "
     "revocation list is too old; its log says which"},
};

static const char *meaning_of(int alert)
{
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++)
        if ((int)meanings[i].alert == alert)
            return meanings[i].meaning;
    return NULL;
}

enum err tls_failure_from_alert(struct tls_session *session, int alert, enum err fallback)
{
    const char *name = gnutls_alert_get_name((gnutls_alert_description_t)alert);
    if (alert == GNUTLS_A_UNKNOWN_PSK_IDENTITY)
        return tls_failure_set(session, ERR_TLS_NOT_RESUMED, 0,
                               "the peer did not resume the session from its master");
    /* With TLS 1.3 the client's handshake is over before the server looks at its certificate. */
    if (!session->has_read)
        fallback = ERR_TLS_HANDSHAKE;
    const char *meaning = meaning_of(alert);
    return tls_failure_set(session, fallback, 0, "the peer sent the alert: %s (%d)%s%s",
                           name ? name : "unknown", alert, meaning ? "; " : "",
                           meaning ? meaning : "");
}

enum err tls_failure_from_gnutls(struct tls_session *session, int rc, enum err fallback)
{
    if (session->failure != ERR_OK)
        return tls_failure_tell(session);
    int received = (int)gnutls_alert_get(session->gnutls);
    /* "No certificate": TLS 1.2 says so, too, when an alert came in its place. */
    if (rc == GNUTLS_E_FATAL_ALERT_RECEIVED || rc == GNUTLS_E_WARNING_ALERT_RECEIVED ||
        (rc == GNUTLS_E_NO_CERTIFICATE_FOUND && received != GNUTLS_A_CLOSE_NOTIFY))
        return tls_failure_from_alert(session, received, fallback);
    int alert = gnutls_error_to_alert(rc, NULL);
    char name[QUOTE_ROOM(TLS_NAME_MAX)];
    if (rc == GNUTLS_E_CERTIFICATE_REQUIRED || rc == GNUTLS_E_NO_CERTIFICATE_FOUND)
        tls_failure_set(session, ERR_TLS_NO_CERTIFICATE, GNUTLS_A_CERTIFICATE_REQUIRED,
                        "the peer sent no certificate");
    else if (session->master && session->master->psk_name[0] &&
             rc == GNUTLS_E_RECEIVED_ILLEGAL_PARAMETER)
        tls_failure_set(session, ERR_TLS_PEER_UNVERIFIED, alert,
                        "the peer calls itself %s: its pre-shared key differs from ours, "
                        "or we have none of that name",
                        quote_text(name, sizeof name, session->master->psk_name));
    else if (!session->master && rc == GNUTLS_E_NO_COMMON_KEY_SHARE)
        /* Children without a key exchange of their own can do nothing but be resumed. */
        tls_failure_set(session, ERR_TLS_NOT_RESUMED, GNUTLS_A_UNKNOWN_PSK_IDENTITY,
                        "the client did not resume the session from its master, and brought no "
                        "key share for a full handshake");
    else
        tls_failure_set(session, fallback, alert, "%s", gnutls_strerror(rc));
    return tls_failure_tell(session);
}
