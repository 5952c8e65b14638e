/* tls/ticket_key.c: ticket keys and their rotation. */
#include "tls/ticket_key.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/wire.h"
#include "tls/wipe.h"

/* Ticket lifetimes for which a derived key of GnuTLS is current. */
#define DERIVED_LIFETIMES 3

static struct tls_ticket_key *make_key(int64_t now, const uint8_t secret[TLS_TICKET_KEY_SIZE])
{
    struct tls_ticket_key *key = check_alloc(sizeof *key);
    atomic_init(&key->references, 1);
    key->born = now;
    /* Fails only when the random generator does: nothing could be protected then. */
    if (!secret)
        must(gnutls_rnd(GNUTLS_RND_KEY, key->secret, sizeof key->secret) == 0);
    else
        memcpy(key->secret, secret, sizeof key->secret);
    return key;
}

struct tls_ticket_key *tls_ticket_key_new(void)
{
    return make_key(time(NULL), NULL);
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
    tls_wipe_free(key, sizeof *key);
}

/* SHA3-512(period in 8 bytes, our secret): the first 16 bytes are the name of the derived key. */
static bool is_in_period(const struct tls_ticket_key *key, uint64_t period, const uint8_t *bytes,
                         size_t length)
{
    uint8_t input[8 + TLS_TICKET_KEY_SIZE], derived[64];
    struct wire_writer writer = wire_writer(input, sizeof input);
    wire_put_u64(&writer, period);
    wire_put_bytes(&writer, key->secret, sizeof key->secret);
    check_made(gnutls_hash_fast(GNUTLS_DIG_SHA3_512, input, sizeof input, derived) == 0);
    bool found = memmem(bytes, length, derived, TLS_TICKET_KEY_NAME) != NULL;
    gnutls_memset(input, 0, sizeof input);
    gnutls_memset(derived, 0, sizeof derived);
    return found;
}

bool tls_ticket_key_is_in(const struct tls_ticket_key *key, uint32_t lifetime_s,
                          const uint8_t *bytes, size_t length)
{
    uint64_t period = (uint64_t)time(NULL) / ((uint64_t)lifetime_s * DERIVED_LIFETIMES);
    return is_in_period(key, period, bytes, length) || is_in_period(key, period - 1, bytes, length);
}

/* A random key is current for one lifetime; its tickets are valid for another. */
static void rotate_locked(struct tls_ticket_keys *keys, int64_t now, uint32_t lifetime_s)
{
    if (keys->count == 2 && now - keys->keys[1]->born > 2 * (int64_t)lifetime_s)
        tls_ticket_key_unref(keys->keys[--keys->count]);
    if (keys->count && now - keys->keys[0]->born < lifetime_s)
        return;
    if (keys->count == 2)
        tls_ticket_key_unref(keys->keys[1]);
    keys->keys[1] = keys->keys[0];
    keys->keys[0] = make_key(now, NULL);
    keys->count = keys->count ? 2 : 1;
}

struct tls_ticket_key *tls_ticket_key_choose(struct tls_ticket_keys *keys, uint32_t lifetime_s,
                                             const uint8_t *hello, size_t length)
{
    int64_t now = time(NULL);
    pthread_mutex_lock(&keys->lock);
    if (!keys->are_shared)
        rotate_locked(keys, now, lifetime_s);
    struct tls_ticket_key *key = keys->keys[0];
    for (size_t i = 1; i < keys->count; i++) {
        if (tls_ticket_key_is_in(keys->keys[i], lifetime_s, hello, length)) {
            key = keys->keys[i];
            break;
        }
    }
    tls_ticket_key_ref(key);
    pthread_mutex_unlock(&keys->lock);
    return key;
}

void tls_ticket_key_clear(struct tls_ticket_keys *keys)
{
    for (; keys->count; keys->count--)
        tls_ticket_key_unref(keys->keys[keys->count - 1]);
}

void tls_ticket_key_share(struct tls_ticket_keys *keys, const struct tls_key_file *file)
{
    int64_t now = time(NULL);
    pthread_mutex_lock(&keys->lock);
    tls_ticket_key_clear(keys);
    keys->are_shared = true;
    for (; keys->count < file->count; keys->count++)
        keys->keys[keys->count] = make_key(now, file->keys[keys->count]);
    pthread_mutex_unlock(&keys->lock);
}

void tls_ticket_key_inherit(struct tls_ticket_keys *keys, struct tls_ticket_keys *from)
{
    struct tls_ticket_key *found[TLS_KEY_FILE_MAX_KEYS];
    size_t count = 0;
    pthread_mutex_lock(&from->lock);
    for (; count < from->count && !from->are_shared; count++)
        found[count] = tls_ticket_key_ref(from->keys[count]);
    pthread_mutex_unlock(&from->lock);
    pthread_mutex_lock(&keys->lock);
    if (!keys->are_shared)
        tls_ticket_key_clear(keys);
    for (size_t i = 0; i < count; i++) {
        if (keys->are_shared)
            tls_ticket_key_unref(found[i]);
        else
            keys->keys[keys->count++] = found[i];
    }
    pthread_mutex_unlock(&keys->lock);
}
