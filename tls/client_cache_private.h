/* tls/client_cache_private.h: private to tls/: what is inside of a client's cache. */
#pragma once

#include <pthread.h>

#include "tls/client_cache.h"
#include "tls/ticket_private.h"

struct tls_client_peer {
    struct tls_client_peer *newer, *older; /* by last use */
    struct tls_client_cache_key key;
    struct tls_ticket *tickets[TLS_CLIENT_CACHE_PER_PEER]; /* oldest first */
    size_t count;
};

struct tls_client_cache {
    pthread_mutex_t lock; /* guards all below */
    size_t max_peers;
    struct tls_client_peer *newest, *oldest;
    struct tls_client_cache_statistics statistics;
};
