/* tls/ticket_private.h: private to tls/: what is inside of a ticket for the next association. */
#pragma once

#include "tls/fingerprint.h"
#include "tls/generation.h"

struct tls_ticket {
    /* Of the credentials that earned it: it is used only with the same rules and certificate. */
    uint8_t fingerprint[TLS_FINGERPRINT_SIZE];
    int64_t expires_at;
    bool is_reusable; /* TLS 1.2; one of TLS 1.3 is used once (RFC 8446 appendix C.4) */
    uint8_t *data;
    size_t data_size;
};

/* A copy of data. Owns: caller. */
struct tls_ticket *tls_ticket_new(const uint8_t fingerprint[TLS_FINGERPRINT_SIZE],
                                  int64_t expires_at, bool is_reusable, const uint8_t *data,
                                  size_t size);
bool tls_ticket_fits(const struct tls_ticket *ticket, const struct tls_credentials *credentials);
