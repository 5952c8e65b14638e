/* tls/ticket_key.h: private to tls/: the keys with which a server encrypts its tickets.
 *
 * A key is random, shared by the masters that start within one ticket lifetime, and kept by their
 * generations: a key that is replaced still resumes the children (and the next association) of the
 * masters that it served, and is wiped when the last of them is gone. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* GnuTLS takes 64 bytes: name, cipher key and MAC key; a ticket begins with the name of its key. */
#define TLS_TICKET_KEY_SIZE 64
#define TLS_TICKET_KEY_NAME 16

struct tls_ticket_key {
    atomic_uint references;
    int64_t born; /* wall clock, seconds */
    uint8_t secret[TLS_TICKET_KEY_SIZE];
    /* GnuTLS derives the name inside, so we learn it from the first ticket: see
     * tls_ticket_key_learn_name. */
    pthread_mutex_t lock; /* guards name and named */
    bool named;
    uint8_t name[TLS_TICKET_KEY_NAME];
};

/* The current key of a server and the one before; zero-initialised but for the lock. */
struct tls_ticket_keys {
    pthread_mutex_t lock; /* guards the two */
    struct tls_ticket_key *current, *older;
};

struct tls_ticket_key *tls_ticket_key_ref(struct tls_ticket_key *key);
/* NULL is fine. Thread: any. Wiped with the last reference. */
void tls_ticket_key_unref(struct tls_ticket_key *key);

/* Remembers the name that GnuTLS gave the key, from a ticket that it encrypted. Thread: any. */
void tls_ticket_key_learn_name(struct tls_ticket_key *key, const uint8_t *ticket, size_t length);
/* Whether a ticket of this key is in these bytes of a ClientHello. Thread: any. */
bool tls_ticket_key_is_in(struct tls_ticket_key *key, const uint8_t *bytes, size_t length);

/* The key for a new master: made anew when the current one is lifetime_s old. *older is the one
 * before while its tickets may live, else NULL. Owns: caller has a reference to both. Thread: any.
 */
struct tls_ticket_key *tls_ticket_key_current(struct tls_ticket_keys *keys, uint32_t lifetime_s,
                                              struct tls_ticket_key **older);
/* Gives the references back. */
void tls_ticket_key_clear(struct tls_ticket_keys *keys);
