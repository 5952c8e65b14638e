/* tls/psk.c: pre-shared keys. */

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "tls/files.h"
#include "tls/identity.h"
#include "tls/session_private.h"

/* GnuTLS takes names of up to 128 bytes. */
#define NAME_MAX_SIZE 128
#define KEY_MIN       16
#define KEY_MAX       64
#define FILE_MAX      ((size_t)16 << 20)

struct entry {
    char *name;
    uint8_t key[KEY_MAX];
    size_t size;
    uint8_t proof[TLS_PIN_SIZE];
};

struct tls_psk {
    struct tls_lines lines;
    struct entry *entries;
    size_t count;
    const struct entry *chosen;
    gnutls_psk_client_credentials_t client;
    gnutls_psk_server_credentials_t server;
};

static const struct entry *find(const struct tls_psk *psk, const void *name, size_t size)
{
    for (size_t i = 0; i < psk->count; i++) {
        if (strlen(psk->entries[i].name) == size && memcmp(psk->entries[i].name, name, size) == 0)
            return &psk->entries[i];
    }
    return NULL;
}

static enum err parse_key(struct entry *entry, char *hex, struct tls_reason why)
{
    gnutls_datum_t text = {(unsigned char *)hex, (unsigned)strlen(hex)};
    entry->size = sizeof entry->key;
    if (strspn(hex, "0123456789abcdefABCDEF") != text.size || text.size > 2 * KEY_MAX ||
        gnutls_hex_decode(&text, entry->key, &entry->size) < 0)
        return tls_reason_set(why, "the key must be hex digits, at most %d bytes", KEY_MAX);
    if (entry->size < KEY_MIN)
        return tls_reason_set(why, "the key is shorter than %d bytes: it could be guessed",
                              KEY_MIN);
    tls_pin_of(entry->key, entry->size, entry->proof);
    return ERR_OK;
}

/* No realloc: it would leave copies of the keys behind. */
static struct entry *append(struct tls_psk *psk)
{
    struct entry *more = check_alloc((psk->count + 1) * sizeof *more);
    if (psk->count) {
        memcpy(more, psk->entries, psk->count * sizeof *more);
        gnutls_memset(psk->entries, 0, psk->count * sizeof *more);
    }
    free(psk->entries);
    psk->entries = more;
    return &more[psk->count++];
}

static enum err on_line(struct tls_lines *self, char *line, struct tls_reason why)
{
    struct tls_psk *psk = container_of(self, struct tls_psk, lines);
    char *colon = strrchr(line, ':');
    size_t length = colon ? (size_t)(colon - line) : 0;
    if (!length || length > NAME_MAX_SIZE)
        return tls_reason_set(why, "a line is name:key, the name at most %d bytes", NAME_MAX_SIZE);
    *colon++ = 0;
    if (strpbrk(line, " \t*") || strstr(line, "://"))
        return tls_reason_set(why, "\"%.40s\" cannot be the name of a key", line);
    if (find(psk, line, length))
        return tls_reason_set(why, "the name \"%s\" comes a second time", line);
    struct entry *entry = append(psk);
    entry->name = check_strdup(line);
    return parse_key(entry, colon, why);
}

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
    const struct entry *entry = find(session->credentials->psk, name->data, name->size);
    note_name(session, name);
    if (!entry)
        return 1;
    key->data = gnutls_malloc(entry->size);
    if (!key->data)
        return -1;
    key->size = (unsigned)entry->size;
    memcpy(key->data, entry->key, entry->size);
    return 0;
}

static enum err choose(struct tls_psk *psk, const char *path, const char *chosen,
                       struct tls_reason why)
{
    if (!chosen && psk->count != 1)
        return tls_reason_set(why, "%s holds several keys; name the one to use", path);
    psk->chosen = chosen ? find(psk, chosen, strlen(chosen)) : &psk->entries[0];
    if (!psk->chosen)
        return tls_reason_set(why, "%s holds no key named \"%s\"", path, chosen);
    check_made(gnutls_psk_allocate_client_credentials(&psk->client) == 0);
    gnutls_datum_t key = {(unsigned char *)(uintptr_t)psk->chosen->key,
                          (unsigned)psk->chosen->size};
    must(gnutls_psk_set_client_credentials(psk->client, psk->chosen->name, &key,
                                           GNUTLS_PSK_KEY_RAW) == 0);
    return ERR_OK;
}

enum err tls_psk_load(const char *path, bool is_client, const char *chosen, struct tls_psk **out,
                      struct tls_reason why)
{
    struct tls_psk *psk = check_alloc(sizeof *psk);
    psk->lines = (struct tls_lines){.on_line = on_line, .secret_max = FILE_MAX};
    enum err result = tls_files_read_lines(path, &psk->lines, why);
    if (result == ERR_OK && !psk->count)
        result = tls_reason_set(why, "%s holds no key", path);
    if (result == ERR_OK && is_client) {
        result = choose(psk, path, chosen, why);
    } else if (result == ERR_OK) {
        check_made(gnutls_psk_allocate_server_credentials(&psk->server) == 0);
        gnutls_psk_set_server_credentials_function2(psk->server, on_name);
    }
    *out = psk;
    if (result != ERR_OK) {
        tls_psk_free(psk);
        *out = NULL;
    }
    return result;
}

void tls_psk_free(struct tls_psk *psk)
{
    if (!psk)
        return;
    if (psk->client)
        gnutls_psk_free_client_credentials(psk->client);
    if (psk->server)
        gnutls_psk_free_server_credentials(psk->server);
    for (size_t i = 0; i < psk->count; i++) {
        free(psk->entries[i].name);
        gnutls_memset(&psk->entries[i], 0, sizeof psk->entries[i]);
    }
    free(psk->entries);
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

size_t tls_psk_count(const struct tls_psk *psk)
{
    return psk->count;
}

const uint8_t *tls_psk_proof(const struct tls_psk *psk, const char *name)
{
    const struct entry *entry = find(psk, name, strlen(name));
    return entry ? entry->proof : NULL;
}
