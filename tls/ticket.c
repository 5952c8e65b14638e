#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "tls/generation.h"
#include "tls/ticket_private.h"

struct tls_ticket *tls_ticket_new(struct tls_credentials *credentials, int64_t expires_at,
                                  const uint8_t *data, size_t size)
{
    struct tls_ticket *ticket = check_alloc(sizeof *ticket);
    ticket->credentials = tls_credentials_ref(credentials);
    ticket->expires_at = expires_at;
    ticket->data = check_alloc(size);
    ticket->data_size = size;
    memcpy(ticket->data, data, size);
    return ticket;
}

void tls_ticket_free(struct tls_ticket *ticket)
{
    if (!ticket)
        return;
    gnutls_memset(ticket->data, 0, ticket->data_size);
    free(ticket->data);
    tls_credentials_unref(ticket->credentials);
    free(ticket);
}
