/* tls/ticket_key.h: private to tls/: the keys with which a server encrypts its tickets.
 *
 * A key is random, shared by the masters that start within one ticket lifetime, and kept by their
 * generations: a key that is replaced still resumes the children (and the next association) of the
 * masters that it served, and is wiped when the last of them is gone. Or the keys come from a file
 * that several servers share (tls/key_file.h). */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tls/key_file.h"

/* GnuTLS takes 64 bytes: name, cipher key and MAC key; a ticket begins with the name of its key. */
#define TLS_TICKET_KEY_SIZE 64
#define TLS_TICKET_KEY_NAME 16

struct tls_ticket_key {
    atomic_uint references;
    int64_t born; /* wall clock, seconds */
    uint8_t secret[TLS_TICKET_KEY_SIZE];
};

/* The keys of a server; zero-initialised but for the lock. */
struct tls_ticket_keys {
    pthread_mutex_t lock;                               /* guards all below */
    struct tls_ticket_key *keys[TLS_KEY_FILE_MAX_KEYS]; /* the first is current */
    size_t count;
    bool are_shared; /* from a file; else there are two at most, made here */
};

/* A key of its own, for one association. Owns: caller has a reference. */
struct tls_ticket_key *tls_ticket_key_new(void);
struct tls_ticket_key *tls_ticket_key_ref(struct tls_ticket_key *key);
/* NULL is fine. Thread: any. Wiped with the last reference. */
void tls_ticket_key_unref(struct tls_ticket_key *key);

/* True if a ticket of this key is in these bytes of a ClientHello. lifetime_s: that of this key's
 * sessions. GnuTLS encrypts with a key that it derives from ours anew every three lifetimes, and
 * accepts that and the one before: so the names are derived here in the same way. Thread: any. */
bool tls_ticket_key_is_in(const struct tls_ticket_key *key, uint32_t lifetime_s,
                          const uint8_t *bytes, size_t length);

/* The key for a master: the one whose ticket is in the ClientHello, if there is such a ticket and
 * we have its key; else the current one, made anew when it is lifetime_s old. Owns: caller has a
 * reference. Thread: any. */
struct tls_ticket_key *tls_ticket_key_choose(struct tls_ticket_keys *keys, uint32_t lifetime_s,
                                             const uint8_t *hello, size_t length);
/* From now on these; sessions keep those they have. Thread: any. */
void tls_ticket_key_share(struct tls_ticket_keys *keys, const struct tls_key_file *file);
/* Takes over the random keys of another: for a configuration that follows it. Thread: any, but not
 * in both directions at once. */
void tls_ticket_key_inherit(struct tls_ticket_keys *keys, struct tls_ticket_keys *from);
/* Gives the references back. */
void tls_ticket_key_clear(struct tls_ticket_keys *keys);
