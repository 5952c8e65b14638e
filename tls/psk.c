/* tls/psk.c: GnuTLS's side of pre-shared keys. */
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "tls/session_private.h"

struct tls_psk {
    const struct tls_known_key *chosen;
    gnutls_psk_client_credentials_t client;
    gnutls_psk_server_credentials_t server;
};

/* For the log, if the handshake fails. */
static void note_name(struct tls_session *session, const gnutls_datum_t *name)
{
    if (!session->master)
        return;
    struct tls_identity *seen = tls_identity_new(TLS_IDENTITY_PSK);
    tls_identity_set_label(seen, name->data, name->size); /* nothing, if it is not fit for a log */
    memcpy(session->master->psk_name, seen->label, sizeof session->master->psk_name);
    tls_identity_unref(seen);
}

/* Server. Unknown names get a random key from GnuTLS, and the same alert in the end as a wrong key:
 * the peer cannot find out which exist. */
static int on_name(gnutls_session_t gnutls, const gnutls_datum_t *name, gnutls_datum_t *key)
{
    struct tls_session *session = gnutls_session_get_ptr(gnutls);
    const struct tls_known_key *found =
        tls_known_keys_find(session->credentials->known, name->data, name->size);
    note_name(session, name);
    if (!found)
        return 1;
    key->data = gnutls_malloc(found->secret_size);
    if (!key->data)
        return -1;
    key->size = (unsigned)found->secret_size;
    memcpy(key->data, found->secret, found->secret_size);
    return 0;
}

enum err tls_psk_new_client(const struct tls_known_keys *known, const char *path, const char *name,
                            struct tls_psk **out, struct tls_reason why)
{
    const struct tls_known_key *key =
        name ? tls_known_keys_find(known, name, strlen(name)) : tls_known_keys_only(known);
    *out = NULL;
    if (!key && name)
        return tls_reason_set(why, "%s holds no key named \"%s\"", path, name);
    if (!key)
        return tls_reason_set(why, "%s holds several keys; name the one to use", path);
    struct tls_psk *psk = *out = check_alloc(sizeof *psk);
    psk->chosen = key;
    gnutls_datum_t secret = {(unsigned char *)(uintptr_t)key->secret, (unsigned)key->secret_size};
    check_made(gnutls_psk_allocate_client_credentials(&psk->client) == 0);
    must(gnutls_psk_set_client_credentials(psk->client, key->name, &secret, GNUTLS_PSK_KEY_RAW) ==
         0);
    return ERR_OK;
}

struct tls_psk *tls_psk_new_server(void)
{
    struct tls_psk *psk = check_alloc(sizeof *psk);
    check_made(gnutls_psk_allocate_server_credentials(&psk->server) == 0);
    gnutls_psk_set_server_credentials_function2(psk->server, on_name);
    return psk;
}

void tls_psk_free(struct tls_psk *psk)
{
    if (psk && psk->client)
        gnutls_psk_free_client_credentials(psk->client);
    if (psk && psk->server)
        gnutls_psk_free_server_credentials(psk->server);
    free(psk);
}

bool tls_psk_install(const struct tls_psk *psk, struct gnutls_session_int *session)
{
    void *credentials = psk->client ? (void *)psk->client : (void *)psk->server;
    return gnutls_credentials_set(session, GNUTLS_CRD_PSK, credentials) == 0;
}

const char *tls_psk_chosen(const struct tls_psk *psk)
{
    return psk->chosen ? psk->chosen->name : "";
}
