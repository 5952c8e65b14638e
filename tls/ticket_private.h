/* tls/ticket_private.h: private to tls/: what is inside of a ticket for the next association. */
#pragma once

#include "tls/generation.h"

struct tls_ticket {
    struct tls_credentials *credentials; /* a ticket is used only with those that earned it */
    int64_t expires_at;
    uint8_t *data;
    size_t data_size;
};

/* A copy of data. Owns: caller. */
struct tls_ticket *tls_ticket_new(struct tls_credentials *credentials, int64_t expires_at,
                                  const uint8_t *data, size_t size);
