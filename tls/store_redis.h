/* tls/store_redis.h: the session store of several servers, in Redis. One helper thread speaks with
 * Redis; a worker only hands it a question, and gets the answer by mailbox.
 *
 * Values are encrypted and authenticated (AES-256-GCM) with a key from a file that the servers
 * share (tls/key_file.h, 32 bytes a key). A value names its key, so that keys can be rotated, and
 * is bound to its context and session id (AAD): an attacker who can write into Redis can lose
 * sessions, but not read, exchange or forge them. They expire in Redis with their session, and the
 * first writer wins there too (SET NX).
 *
 * Without Redis the servers go on with full handshakes, which are counted; the thread connects
 * again with a back-off of 0.1 to 5 s, and questions are answered at once meanwhile. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "tls/helper.h"
#include "tls/store.h"

struct tls_store_redis;

struct tls_store_redis_options {
    const char *host; /* an IP address, or the path of a Unix socket. Not a name: looking one up
                       * may take half a minute, and handshakes would wait for it. */
    uint16_t port;
    const char *password; /* NULL: none. It goes in the clear: over a private network only. */
    const char *keys;     /* file, see above */
    uint32_t timeout_ms;  /* 0: 50. From question to answer. */
    uint32_t max_queued;  /* 0: 1024 questions, and as many values to be stored */
};

/* Since the start. */
struct tls_store_redis_statistics {
    uint64_t hits, misses;
    uint64_t timeouts;     /* no answer in time */
    uint64_t unavailable;  /* not connected, or the queue was full: nobody was asked */
    uint64_t not_accepted; /* values of an unknown key, forged, or of another session */
    uint64_t stored;
    uint64_t dropped; /* not stored: queue full, no connection, or Redis refused */
    bool is_connected;
};

enum tls_store_answer { TLS_STORE_HIT, TLS_STORE_MISS, TLS_STORE_NO_ANSWER };

/* A question; allocated by the asker, who fills the first three. */
struct tls_store_query {
    /* On the loop of reply_to, once, unless the question was taken back. Then owns the query. */
    void (*on_answer)(struct tls_store_query *self);
    struct mailbox *reply_to;
    struct tls_store_key key;
    enum tls_store_answer answer;
    uint8_t *data; /* of a hit. Owns: the asker wipes and frees it. */
    size_t size;
    int64_t expires_at;
    struct tls_helper_task task; /* private from here on */
    struct tls_store_redis *redis;
    uint64_t deadline; /* µs, monotonic */
};

/* The thread starts, and connects, when it is first needed. ERR_OK, or ERR_TLS_CREDENTIALS with a
 * sentence in why (address, key file). Owns: caller, tls_store_redis_free. Thread:
 * main. */
enum err tls_store_redis_new(const struct tls_store_redis_options *options,
                             struct tls_store_redis **out, char *why, size_t why_size);
/* Ends the thread: waits for what is under way, at most the time-out. Values not stored yet are
 * lost. NULL is fine. Thread: main, when all sessions are gone. */
void tls_store_redis_free(struct tls_store_redis *redis);
/* Reads the key file again; with an error the old keys stay. Thread: any but a worker (a file). */
enum err tls_store_redis_reload(struct tls_store_redis *redis, char *why, size_t why_size);

/* Thread: that of reply_to. */
void tls_store_redis_ask(struct tls_store_redis *redis, struct tls_store_query *query);
/* Takes a question back. True: the caller owns it again, no answer comes. False: either the thread
 * frees it (with free: it must stand first in its allocation), or the answer is in the mailbox
 * already and on_answer still comes: it must know that nobody waits. Thread: that of reply_to. */
bool tls_store_redis_cancel(struct tls_store_redis *redis, struct tls_store_query *query);

/* Copies; stored some time later, or dropped. Never blocks. Thread: any. */
void tls_store_redis_put(struct tls_store_redis *redis, const struct tls_store_key *key,
                         const void *data, size_t size, int64_t expires_at);

void tls_store_redis_statistics(struct tls_store_redis *redis,
                                struct tls_store_redis_statistics *out);
