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

static struct tls_ticket_key *choose_shared(const struct tls_ticket_keys *keys, uint32_t lifetime_s,
                                            const uint8_t *hello, size_t length)
{
    for (size_t i = 1; i < keys->shared_count; i++) {
        if (tls_ticket_key_is_in(keys->shared[i], lifetime_s, hello, length))
            return keys->shared[i];
    }
    return keys->shared[0];
}

static struct tls_ticket_key *choose_own(struct tls_ticket_keys *keys, uint32_t lifetime_s,
                                         const uint8_t *hello, size_t length)
{
    int64_t now = time(NULL);
    if (keys->older && now - keys->older->born > 2 * (int64_t)lifetime_s) {
        tls_ticket_key_unref(keys->older);
        keys->older = NULL;
    }
    if (!keys->current || now - keys->current->born >= lifetime_s) {
        tls_ticket_key_unref(keys->older);
        keys->older = keys->current;
        keys->current = make_key(now, NULL);
    }
    return keys->older && tls_ticket_key_is_in(keys->older, lifetime_s, hello, length)
               ? keys->older
               : keys->current;
}

struct tls_ticket_key *tls_ticket_key_choose(struct tls_ticket_keys *keys, uint32_t lifetime_s,
                                             const uint8_t *hello, size_t length)
{
    pthread_mutex_lock(&keys->lock);
    struct tls_ticket_key *key =
        tls_ticket_key_ref(keys->shared_count ? choose_shared(keys, lifetime_s, hello, length)
                                              : choose_own(keys, lifetime_s, hello, length));
    pthread_mutex_unlock(&keys->lock);
    return key;
}

static void drop_shared(struct tls_ticket_keys *keys)
{
    for (size_t i = 0; i < keys->shared_count; i++)
        tls_ticket_key_unref(keys->shared[i]);
    keys->shared_count = 0;
}

void tls_ticket_key_share(struct tls_ticket_keys *keys, const struct tls_key_file *file)
{
    int64_t now = time(NULL);
    pthread_mutex_lock(&keys->lock);
    drop_shared(keys);
    for (; keys->shared_count < file->count; keys->shared_count++)
        keys->shared[keys->shared_count] = make_key(now, file->keys[keys->shared_count]);
    pthread_mutex_unlock(&keys->lock);
}

void tls_ticket_key_inherit(struct tls_ticket_keys *keys, struct tls_ticket_keys *from)
{
    pthread_mutex_lock(&from->lock);
    struct tls_ticket_key *current = from->current ? tls_ticket_key_ref(from->current) : NULL,
                          *older = from->older ? tls_ticket_key_ref(from->older) : NULL;
    pthread_mutex_unlock(&from->lock);
    pthread_mutex_lock(&keys->lock);
    tls_ticket_key_unref(keys->current);
    tls_ticket_key_unref(keys->older);
    keys->current = current;
    keys->older = older;
    pthread_mutex_unlock(&keys->lock);
}

void tls_ticket_key_clear(struct tls_ticket_keys *keys)
{
    tls_ticket_key_unref(keys->current);
    tls_ticket_key_unref(keys->older);
    keys->current = keys->older = NULL;
    drop_shared(keys);
}
