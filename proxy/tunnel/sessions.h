/* proxy/tunnel/sessions.h: a process's memory of earlier associations, for all its tunnels:
 * tickets and sessions of servers (as a client), sessions of TLS 1.2 clients (as a server), the
 * latter also in a Redis that several servers share. */
#pragma once

#include <stddef.h>

#include "config/config.h"
#include "tls/client_cache.h"
#include "tls/helper.h"
#include "tls/store.h"
#include "tls/store_redis.h"

struct sessions {
    const struct config_sessions *config;
    struct tls_client_cache *cache;
    struct tls_store *store;
    struct tls_store_redis *redis; /* NULL: none */
    struct tls_helper *signer;     /* for keys in tokens */
};

/* Reads the cache's file, if there is one: what cannot be used of it is a warning in the log, for
 * it costs full handshakes only. Returns 0, or -1 with a sentence in why. Thread: main. */
int sessions_open(struct sessions *sessions, const struct config_sessions *config, char *why,
                  size_t why_size);
/* After the tunnels are freed, before the workers are: writes the cache's file, and ends Redis's
 * thread, which posts to their mailboxes. Also after sessions_open failed. Thread: main. */
void sessions_close(struct sessions *sessions);
