/* tls/client_cache_private.h: private to tls/: what is inside of a client's cache. */
#pragma once

#include <pthread.h>
#include <sys/queue.h>

#include "tls/client_cache.h"
#include "tls/ticket_private.h"

struct tls_client_peer {
    TAILQ_ENTRY(tls_client_peer) by_use;
    struct tls_client_cache_key key;
    struct tls_ticket *tickets[TLS_CLIENT_CACHE_PER_PEER]; /* oldest first */
    size_t count;
};

struct tls_client_cache {
    pthread_mutex_t lock; /* guards all below */
    size_t max_peers;
    TAILQ_HEAD(tls_client_peers, tls_client_peer) peers; /* the last used first */
    struct tls_client_cache_statistics statistics;
};
