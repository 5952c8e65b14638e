#include "tls/generation.h"

#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
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
