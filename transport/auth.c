#include "transport/auth.h"

#include <string.h>

/* The last two are used by the kernel's SCTP alone: RE-CONFIG (RFC 6525), FORWARD-TSN (RFC 3758).
 */
const uint8_t auth_chunks[] = {0 /* DATA */,         3 /* SACK */,  6 /* ABORT */, 7 /* SHUTDOWN */,
                               8 /* SHUTDOWN ACK */, 9 /* ERROR */, 130,           192};
const size_t auth_chunk_count = sizeof auth_chunks;

bool auth_chunks_listed(const uint8_t *list, size_t count)
{
    for (size_t i = 0; i < auth_chunk_count; i++)
        if (!count || !memchr(list, auth_chunks[i], count))
            return false;
    return true;
}

bool auth_sending_use(struct auth_sending *self, uint16_t number)
{
    if (self->old_count == AUTH_KEYS_MAX)
        return false;
    self->old[self->old_count++] = self->used;
    self->used = number;
    return true;
}

bool auth_sending_freed(struct auth_sending *self, uint16_t number)
{
    for (size_t i = 0; i < self->old_count; i++)
        if (self->old[i] == number) {
            self->old[i] = self->old[--self->old_count];
            return self->old_count == 0;
        }
    return false;
}
