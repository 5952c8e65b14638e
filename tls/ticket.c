#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "tls/credentials_private.h"
#include "tls/ticket_private.h"
#include "tls/wipe.h"

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
