#include "tls/ticket_key.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"

static struct tls_ticket_key *make_key(int64_t now)
{
    gnutls_datum_t random;
    /* Fails only when the random generator does: nothing could be protected then. */
    must(gnutls_session_ticket_key_generate(&random) == 0);
    must(random.size == TLS_TICKET_KEY_SIZE);

    struct tls_ticket_key *key = check_alloc(sizeof *key);
    atomic_init(&key->references, 1);
    pthread_mutex_init(&key->lock, NULL);
    key->born = now;
    memcpy(key->secret, random.data, sizeof key->secret);
    gnutls_memset(random.data, 0, random.size);
    gnutls_free(random.data);
    return key;
}

struct tls_ticket_key *tls_ticket_key_ref(struct tls_ticket_key *key)
{
    atomic_fetch_add_explicit(&key->references, 1, memory_order_relaxed);
    return key;
}

void tls_ticket_key_unref(struct tls_ticket_key *key)
{
    if (!key || atomic_fetch_sub_explicit(&key->references, 1, memory_order_acq_rel) != 1)
        return;
    pthread_mutex_destroy(&key->lock);
    gnutls_memset(key, 0, sizeof *key);
    free(key);
}

void tls_ticket_key_learn_name(struct tls_ticket_key *key, const uint8_t *ticket, size_t length)
{
    if (length < TLS_TICKET_KEY_NAME)
        return;
    pthread_mutex_lock(&key->lock);
    memcpy(key->name, ticket, sizeof key->name);
    key->named = true;
    pthread_mutex_unlock(&key->lock);
}

bool tls_ticket_key_is_in(struct tls_ticket_key *key, const uint8_t *bytes, size_t length)
{
    pthread_mutex_lock(&key->lock);
    bool found = key->named && memmem(bytes, length, key->name, sizeof key->name);
    pthread_mutex_unlock(&key->lock);
    return found;
}

struct tls_ticket_key *tls_ticket_key_current(struct tls_ticket_keys *keys, uint32_t lifetime_s,
                                              struct tls_ticket_key **older)
{
    int64_t now = time(NULL);
    pthread_mutex_lock(&keys->lock);
    if (keys->older && now - keys->older->born > 2 * (int64_t)lifetime_s) {
        tls_ticket_key_unref(keys->older);
        keys->older = NULL;
    }
    if (!keys->current || now - keys->current->born >= lifetime_s) {
        tls_ticket_key_unref(keys->older);
        keys->older = keys->current;
        keys->current = make_key(now);
    }
    struct tls_ticket_key *current = tls_ticket_key_ref(keys->current);
    *older = keys->older ? tls_ticket_key_ref(keys->older) : NULL;
    pthread_mutex_unlock(&keys->lock);
    return current;
}

void tls_ticket_key_clear(struct tls_ticket_keys *keys)
{
    tls_ticket_key_unref(keys->current);
    tls_ticket_key_unref(keys->older);
    keys->current = keys->older = NULL;
}
