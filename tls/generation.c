/* tls/generation.c: the state from which children, and the next association, are resumed. */
#include "tls/generation.h"

#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "tls/credentials_private.h"
#include "tls/generation_private.h"
#include "tls/wipe.h"

struct tls_generation *tls_generation_new(void)
{
    struct tls_generation *generation = check_alloc(sizeof *generation);
    atomic_init(&generation->references, 1);
    return generation;
}

void tls_generation_keep(struct tls_generation *generation, const uint8_t *data, size_t size)
{
    generation->data = check_alloc(size);
    generation->data_size = size;
    memcpy(generation->data, data, size);
}

struct tls_generation *tls_generation_ref(struct tls_generation *generation)
{
    atomic_fetch_add_explicit(&generation->references, 1, memory_order_relaxed);
    return generation;
}

void tls_generation_unref(struct tls_generation *generation)
{
    if (!generation ||
        atomic_fetch_sub_explicit(&generation->references, 1, memory_order_acq_rel) != 1)
        return;
    tls_wipe_free(generation->data, generation->data_size);
    tls_ticket_key_unref(generation->ticket_key);
    tls_identity_unref(generation->identity);
    free(generation);
}

int64_t tls_generation_expires_in(const struct tls_generation *generation)
{
    int64_t now = time(NULL);
    /* GnuTLS resumes nothing from the future: when the clock was set back, a new master is due. */
    if (now < generation->started)
        return -1;
    return generation->expires_at - now;
}

size_t tls_generation_size(const struct tls_generation *generation)
{
    return generation->data_size;
}

bool tls_generation_has_id(const struct tls_generation *generation, const uint8_t *id, size_t size)
{
    return size > 0 && size == generation->session_id_size &&
           memcmp(id, generation->session_id, size) == 0;
}

struct tls_ticket *tls_ticket_new(const uint8_t fingerprint[TLS_FINGERPRINT_SIZE],
                                  int64_t expires_at, bool is_reusable, const uint8_t *data,
                                  size_t size)
{
    struct tls_ticket *ticket = check_alloc(sizeof *ticket);
    memcpy(ticket->fingerprint, fingerprint, sizeof ticket->fingerprint);
    ticket->expires_at = expires_at;
    ticket->is_reusable = is_reusable;
    ticket->data = check_alloc(size);
    ticket->data_size = size;
    memcpy(ticket->data, data, size);
    return ticket;
}

bool tls_ticket_fits(const struct tls_ticket *ticket, const struct tls_credentials *credentials)
{
    return memcmp(ticket->fingerprint, credentials->fingerprint, sizeof ticket->fingerprint) == 0;
}

void tls_ticket_free(struct tls_ticket *ticket)
{
    if (!ticket)
        return;
    tls_wipe_free(ticket->data, ticket->data_size);
    free(ticket);
}
